/** test/targets/data/ledger.c, its second version, and what its book must say. */
import * as assert from "uvu/assert";
import type { DataRequest, UpdateRequest } from "../../native/engine.js";
import { buildPatch, patch, update, type ReplaceSpec } from "./patches.js";
import { targetSource } from "./repository.js";
import { buildTarget, type TargetProcess } from "./target_process.js";

export function ledgerProgram(): string {
  return buildTarget({ name: "ledger", sources: ["data/ledger.c"] });
}

/** The global of ledger.c. */
export const ledgerItem: DataRequest = {
  name: "ledger",
  objects: { kind: "global", new: "ledger_v2" },
  forward: "ledger_up",
  backward: "ledger_down",
};

/** The list of ledger.c, `struct session` to `struct session_v2`. */
export const sessionItem: DataRequest = {
  name: "session",
  objects: {
    kind: "each",
    each: { name: "sessions_each" },
    size: (program, names) => ({
      old: sizeOf(program, "session"),
      new: sizeOf(names, "session_v2"),
    }),
  },
  forward: "session_up",
  backward: "session_down",
};

function sizeOf(names: Parameters<SizeOfNames>[0], tag: string): number {
  const type = names.type({ kind: "struct", name: tag });
  if (type?.kind !== "struct" || type.size === null) throw new Error(`no struct ${tag}`);
  return type.size;
}
type SizeOfNames = Extract<DataRequest["objects"], { kind: "each" }>["size"];

const functions: readonly ReplaceSpec[] = ["move", "clerk", "touch"];

/** Both items and all functions, in one patch. */
export function ledgerUpdate(
  name = "ledger",
  data: readonly DataRequest[] = [ledgerItem, sessionItem],
  scope: "process" | "tree" = "process",
): UpdateRequest {
  const object = buildPatch(targetSource("data/ledger_v2.c"));
  return update(name, [patch("data", object, functions, data)], { scope });
}

/** What the old objects hold, which no version may have lost a write of. */
export async function checkBook(target: TargetProcess): Promise<number> {
  const { moves, made, hits, hits_made: touched, note } = await target.ask("book");
  assert.is(moves, made, "moves were lost");
  assert.is(hits, touched, "hits were lost");
  assert.is(note, "first");
  return Number(made);
}
