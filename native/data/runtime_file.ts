/** The runtime that is loaded into a process whose data is to change: a patch like others, ours. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PatchObject } from "../addon/addon.js";
import { EngineError, type PatchRequest } from "../engine.js";
import { readPatch } from "../image/layout.js";
import type { RuntimeRecord } from "../record/record.js";

export interface RuntimeFile {
  readonly patch: PatchRequest;
  readonly object: PatchObject;
}

/** How progress lines and messages call it. */
export const runtimeName = "(runtime)";

let known: RuntimeFile | null = null;

function runtimePath(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  // Sources run from native/data/, compiled files from dist/native/data/.
  const tried = ["../..", "../../.."].map((up) =>
    join(here, up, "build", "Release", "polus_runtime.so"),
  );
  const found = tried.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new EngineError(
    "RUNTIME_MISSING",
    "refused",
    "the runtime that goes into programs whose data changes is not built",
    { help: "run scripts/setup" },
  );
}

/** @throws EngineError refused RUNTIME_MISSING */
export function runtimeFile(): RuntimeFile {
  if (known !== null) return known;
  const path = runtimePath();
  const bytes = readFileSync(path);
  const digest = createHash("sha256").update(bytes).digest("hex");
  const patch = { name: runtimeName, path, bytes, digest, replacements: [], data: [] };
  known = { patch, object: readPatch(patch) };
  return known;
}

/** What the runtime exports when it lies at `base`. */
export function runtimeRecord({ patch, object }: RuntimeFile, base: bigint): RuntimeRecord {
  return {
    digest: patch.digest,
    symbols: object.symbols
      .filter((s) => s.defined && s.dynamic && s.name.startsWith("polus_"))
      .map(({ name, address }) => ({ name, address: base + address })),
  };
}

/** True if a patch needs something that the runtime exports. */
export function importsRuntime(object: PatchObject): boolean {
  const wanted = object.symbols.filter(
    (s) => !s.defined && s.dynamic && s.name.startsWith("polus_"),
  );
  if (wanted.length === 0) return false;
  const exported = runtimeRecord(runtimeFile(), 0n).symbols;
  return wanted.some((s) => exported.some(({ name }) => name === s.name));
}
