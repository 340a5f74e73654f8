/** An update as it was asked for: its patch objects, and which of its patches a process lacks. */
import type { PatchObject } from "../addon/addon.js";
import { EngineError, type PatchRequest, type UpdateRequest } from "../engine.js";
import { readPatch } from "../image/layout.js";
import { isRolledBack, type TargetRecord } from "../record/record.js";

/** An update's objects, read once for all processes. */
export interface ReadUpdate {
  readonly request: UpdateRequest;
  readonly objects: ReadonlyMap<string, PatchObject>;
}

/** @throws EngineError invalid: PATCH_… */
export function readUpdate(request: UpdateRequest): ReadUpdate {
  const objects = new Map<string, PatchObject>();
  for (const patch of request.patches) {
    if (!objects.has(patch.digest)) objects.set(patch.digest, readPatch(patch));
  }
  return { request, objects };
}

/** Name in the patch of what replaces a function: as the script says, as the object's table says, or the same. */
export function replacementName(
  object: PatchObject,
  name: string,
  given: string | undefined,
): string {
  if (given !== undefined) return given;
  const entry = object.replaceTable.find((line) => line.startsWith(`${name}=`));
  return entry === undefined ? name : entry.slice(name.length + 1);
}

/**
 * Patches of the update that the process does not have active yet; empty: all are.
 * @throws EngineError refused UPDATE_DIFFERS, NOT_ON_TOP
 */
export function missingPatches(
  record: TargetRecord,
  selector: number,
  request: UpdateRequest,
): readonly PatchRequest[] {
  const existing = record.updates.find((u) => u.name === request.name && !isRolledBack(u));
  if (existing === undefined) return request.patches;
  const same =
    existing.patches.length === request.patches.length &&
    existing.patches.every(
      (p, at) => p.name === request.patches[at]?.name && p.digest === request.patches[at]?.digest,
    );
  if (!same) {
    throw new EngineError(
      "UPDATE_DIFFERS",
      "refused",
      `an update named ${request.name} with other content is active`,
      {
        subject: request.name,
        help: "roll it back first, or give the new one another name",
      },
    );
  }
  const missing = request.patches.filter((_, at) => existing.patches[at]?.level === null);
  const top = Math.max(0, ...existing.patches.map((p) => p.level ?? 0));
  if (missing.length > 0 && top !== selector) {
    throw new EngineError(
      "NOT_ON_TOP",
      "refused",
      `${request.name} is partly rolled back below other updates`,
      {
        subject: request.name,
        help: "roll back the updates above it first",
      },
    );
  }
  return missing;
}
