/** Builds patches and the requests that carry them to the engine. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type {
  DataRequest,
  FunctionScope,
  PatchRequest,
  Replacement,
  RollbackPoint,
  UpdateRequest,
} from "../../native/engine.js";
import { patchSource } from "./repository.js";
import { build } from "./toolchain.js";

/** Compiles test/targets/patches/NAME.c (or an absolute path) as a patch object; returns its path. */
export function buildPatch(source: string, flags: readonly string[] = []): string {
  const path = source.startsWith("/") ? source : patchSource(source);
  return build({
    name: `${basename(path).replace(/\.[cS]$/, "")}.so`,
    sources: [path],
    flags: [
      "-std=gnu11",
      "-D_GNU_SOURCE",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-O2",
      "-g",
      "-shared",
      "-fPIC",
      ...flags,
    ],
  });
}

/** `replace FUNCTION [in SCOPE] [with WITH]`; a bare name stands for itself. */
export type ReplaceSpec =
  string | { readonly function: string; readonly with?: string; readonly in?: FunctionScope };

function replacement(spec: ReplaceSpec): Replacement {
  if (typeof spec === "string") return { function: spec };
  return {
    function: spec.function,
    ...(spec.with === undefined ? {} : { with: spec.with }),
    ...(spec.in === undefined ? {} : { scope: spec.in }),
  };
}

/** One patch from a built object (or from raw bytes, for bad ones). */
export function patch(
  name: string,
  object: string | Uint8Array,
  replacements: readonly ReplaceSpec[],
  data: readonly DataRequest[] = [],
): PatchRequest {
  const bytes = typeof object === "string" ? readFileSync(object) : object;
  return {
    name,
    path: typeof object === "string" ? object : `${name}.so`,
    bytes,
    digest: createHash("sha256").update(bytes).digest("hex"),
    replacements: replacements.map(replacement),
    data,
  };
}

/** An update of the given patches, in their order, with the point `start` and those named. */
export function update(
  name: string,
  patches: readonly PatchRequest[],
  options: {
    readonly scope?: "process" | "tree";
    readonly buildId?: string;
    readonly points?: readonly RollbackPoint[];
  } = {},
): UpdateRequest {
  const digest = createHash("sha256").update(name);
  for (const one of patches) digest.update(one.digest).update(JSON.stringify(one.replacements));
  return {
    name,
    scriptDigest: digest.digest("hex"),
    scope: options.scope ?? "process",
    ...(options.buildId === undefined ? {} : { buildId: options.buildId }),
    patches,
    points: [{ name: "start", position: 0 }, ...(options.points ?? [])],
  };
}

/** The usual case: one patch of the update's own name. */
export function simpleUpdate(
  name: string,
  object: string | Uint8Array,
  replacements: readonly ReplaceSpec[],
  options: { readonly scope?: "process" | "tree"; readonly buildId?: string } = {},
): UpdateRequest {
  return update(name, [patch(name, object, replacements)], options);
}
