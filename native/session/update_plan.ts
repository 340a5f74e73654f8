/**
 * Everything that one update means for one process, worked out before the first byte is
 * written: mappings, contents, entry changes, chains, the new record.
 */
import type { EntryChange, PatchObject } from "../addon/addon.js";
import { EngineError, type PatchRequest, type UpdateRequest } from "../engine.js";
import { highestLevel } from "../hooks/chain.js";
import { chooseForm } from "../hooks/entries.js";
import { checkKeptRegisters, entrySymbol } from "../hooks/kept_registers.js";
import { Placement, pageSize } from "../hooks/placement.js";
import { definedAt, imageMappings, imageSize, readPatch, relocate } from "../image/layout.js";
import type { LoadedModule } from "../process/modules.js";
import {
  isRolledBack,
  trimHistory,
  type ImageRecord,
  type PatchRecord,
  type TargetRecord,
  type UpdateRecord,
} from "../record/record.js";
import { findFunction, type FoundFunction } from "../resolve/functions.js";
import { ImportResolver } from "../resolve/imports.js";
import { coalesced, HookPlanner, type PlannedMapping, type PlannedWrite } from "./hook_plan.js";
import type { TargetProcess } from "./target_process.js";

export interface PlannedImage {
  readonly patch: string;
  readonly base: bigint;
  readonly size: bigint;
  readonly reused: boolean;
}

export interface UpdatePlan {
  /** Where the control region is to be mapped; `null` if the process has one. */
  readonly newControl: bigint | null;
  readonly mappings: readonly PlannedMapping[];
  /** Images, stubs, copies, chains, slots of functions whose entry does not lead to them yet. */
  readonly writes: readonly PlannedWrite[];
  readonly record: TargetRecord;
  /** Jumps in dead padding that entries will lead to; nothing executes them before. */
  readonly relays: readonly PlannedWrite[];
  readonly entries: readonly EntryChange[];
  /** One byte each: chains of functions that are hooked already. Without effect until the flip. */
  readonly slots: readonly PlannedWrite[];
  readonly images: readonly PlannedImage[];
  readonly selectorBefore: number;
  readonly selectorAfter: number;
  readonly functions: number;
  readonly imports: number;
}

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

class Planner {
  private readonly hooks: HookPlanner;
  private readonly images: PlannedImage[] = [];
  private readonly imageRecords: ImageRecord[];
  private readonly placement: Placement;
  private readonly resolver: ImportResolver;

  constructor(
    private readonly process: TargetProcess,
    private readonly record: TargetRecord,
    private readonly selector: number,
    private readonly update: ReadUpdate,
  ) {
    this.imageRecords = [...record.images];
    this.placement = new Placement(process.maps());
    this.hooks = new HookPlanner(process, record, selector, this.placement);
    this.resolver = new ImportResolver(process.modules, process.handle);
  }

  plan(missing: readonly PatchRequest[], run: UpdateRecord["run"]): UpdatePlan {
    const { request } = this.update;
    this.checkBuildId(request);
    if (this.selector + missing.length > highestLevel) {
      throw new EngineError(
        "TOO_MANY_UPDATES",
        "refused",
        `process ${this.process.pid} carries too many stacked patches`,
        { pid: this.process.pid },
      );
    }
    const found = new Map<PatchRequest, FoundFunction[]>();
    for (const patch of missing)
      found.set(
        patch,
        patch.replacements.map((r) => findFunction(this.process.modules, r)),
      );
    const all = [...found.values()].flat();
    const fresh = all.filter((f) => !this.hooks.has(f));
    for (const f of fresh) chooseForm(f, () => false);
    this.checkShared(all);
    this.checkCallers(found);

    // The record needs a place even if a patch replaces nothing.
    if (this.process.control === null)
      this.hooks.arenaFor(all[0]?.module ?? this.process.executable);
    const levels = new Map<string, PatchRecord>();
    let level = this.selector;
    for (const patch of missing) {
      level += 1;
      levels.set(patch.name, this.planPatch(patch, found.get(patch) ?? [], level));
    }
    this.hooks.planChains();
    return {
      newControl: this.hooks.newControl,
      mappings: coalesced(this.hooks.mappings),
      writes: this.hooks.writes,
      record: this.newRecord(levels, run),
      relays: this.hooks.relays,
      entries: this.hooks.entries,
      slots: this.hooks.slots,
      images: this.images,
      selectorBefore: this.selector,
      selectorAfter: level,
      functions: new Set(all.map((f) => f.address)).size,
      imports: missing.reduce((sum, p) => sum + ImportResolver.needed(this.object(p)).length, 0),
    };
  }

  private checkCallers(found: ReadonlyMap<PatchRequest, readonly FoundFunction[]>): void {
    const exchanged = [...found].flatMap(([patch, functions]) => {
      const object = this.object(patch);
      return patch.replacements.flatMap((replacement, at) => {
        const f = functions[at];
        if (f === undefined) return [];
        const name = replacementName(object, replacement.function, replacement.with);
        return [{ found: f, object, bytes: patch.bytes, name }];
      });
    });
    checkKeptRegisters(exchanged, this.process.modules);
  }

  private object(patch: PatchRequest): PatchObject {
    const object = this.update.objects.get(patch.digest);
    if (object === undefined) throw new Error(`patch ${patch.name} was not read`);
    return object;
  }

  private checkBuildId(request: UpdateRequest): void {
    const have = this.process.executable.info.buildId;
    if (request.buildId === undefined) return;
    if (have === null || !have.startsWith(request.buildId.toLowerCase())) {
      throw new EngineError(
        "BUILD_ID_MISMATCH",
        "refused",
        `process ${this.process.pid} runs build-id ${have ?? "(none)"}, the script is for ${request.buildId}`,
        {
          pid: this.process.pid,
          subject: request.buildId,
        },
      );
    }
  }

  /** Text that other processes write through, or that cannot be copied on write, is none of ours. */
  private checkShared(functions: readonly FoundFunction[]): void {
    const maps = this.process.maps();
    for (const f of functions) {
      const map = maps.find((m) => f.address >= m.start && f.address < m.end);
      if (
        map === undefined ||
        !map.permissions.startsWith("r") ||
        !map.permissions.includes("x") ||
        map.permissions.endsWith("s")
      ) {
        throw new EngineError(
          "ENTRY_NOT_HOOKABLE",
          "refused",
          `${f.name} lies in memory that is shared or not executable`,
          { subject: f.name, pid: this.process.pid },
        );
      }
    }
  }

  private planPatch(
    patch: PatchRequest,
    found: readonly FoundFunction[],
    level: number,
  ): PatchRecord {
    const object = this.object(patch);
    const near = found[0]?.module ?? this.process.executable;
    const image = this.planImage(patch, object, near);
    const functions = patch.replacements.map((replacement, at) => {
      const f = found[at];
      if (f === undefined) throw new Error("a function was not looked for");
      const name = replacementName(object, replacement.function, replacement.with);
      const entry = entrySymbol(object, name);
      const target = definedAt(object, entry, image.base);
      if (target === null) {
        throw new EngineError(
          "PATCH_LACKS_FUNCTION",
          "invalid",
          `${patch.path} defines no ${name}`,
          {
            subject: replacement.with ?? replacement.function,
            candidates: object.symbols
              .filter((s) => s.defined && s.kind === "func")
              .map((s) => s.name),
          },
        );
      }
      const hook = this.hooks.redirect(f, level, target);
      const size = object.symbols.find((s) => s.defined && s.name === entry)?.size ?? 0;
      return { hook, target, size };
    });
    return { name: patch.name, digest: patch.digest, level, functions };
  }

  private planImage(patch: PatchRequest, object: PatchObject, near: LoadedModule): ImageRecord {
    const known = this.imageRecords.find((i) => i.digest === patch.digest);
    if (known !== undefined) {
      if (this.images.every((i) => i.base !== known.base))
        this.images.push({ patch: patch.name, base: known.base, size: known.size, reused: true });
      return known;
    }
    const size = imageSize(object);
    const base = this.placement.reserve(size, pageSize, near.info.start, near.info.end);
    for (const mapping of imageMappings(object, base)) this.hooks.mappings.push(mapping);
    for (const c of relocate(
      patch,
      object,
      base,
      this.process.modules,
      this.process.handle,
      this.resolver,
    )) {
      this.hooks.writes.push({ address: c.start, bytes: c.bytes });
    }
    const image = { digest: patch.digest, base, size };
    this.imageRecords.push(image);
    this.images.push({ patch: patch.name, base, size, reused: false });
    return image;
  }

  private newRecord(
    levels: ReadonlyMap<string, PatchRecord>,
    run: UpdateRecord["run"],
  ): TargetRecord {
    const { request } = this.update;
    const before = this.record.updates.find((u) => u.name === request.name && !isRolledBack(u));
    const patches = request.patches.map((p, at): PatchRecord => {
      const planned = levels.get(p.name) ?? before?.patches[at];
      if (planned === undefined) throw new Error(`patch ${p.name} was not planned`);
      return planned;
    });
    const update: UpdateRecord = {
      name: request.name,
      description: request.description ?? "",
      scriptDigest: request.scriptDigest,
      scope: request.scope,
      appliedAt: new Date().toISOString(),
      points: request.points.map(({ name, position }) => ({ name, position })),
      patches,
      run: { ...run, before: this.selector },
    };
    return {
      arenas: this.hooks.arenas,
      hooks: this.hooks.hooks,
      images: this.imageRecords,
      updates: trimHistory([...this.record.updates.filter((u) => u.name !== request.name), update]),
      pending: null,
    };
  }
}

/**
 * @param missing patches to activate, as `missingPatches` says
 * @throws EngineError refused or invalid; nothing has been written
 */
export function planUpdate(
  process: TargetProcess,
  update: ReadUpdate,
  missing: readonly PatchRequest[],
  run: UpdateRecord["run"],
): UpdatePlan {
  const selector = process.control?.selector ?? 0;
  return new Planner(process, process.record(), selector, update).plan(missing, run);
}
