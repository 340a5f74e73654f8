/** test/targets/data/box.c and its second version. */
import * as assert from "uvu/assert";
import type { DataRequest, UpdateRequest } from "../../native/engine.js";
import { buildPatch, patch, update } from "./patches.js";
import { targetSource } from "./repository.js";
import { buildTarget, type TargetProcess } from "./target_process.js";

export function boxProgram(): string {
  return buildTarget({ name: "box", sources: ["data/box.c"] });
}

/** The global of box.c, and its objects in memory of their own. */
export const boxItems: readonly DataRequest[] = [
  {
    name: "box",
    objects: { kind: "global", new: "box_v2" },
    forward: "box_up",
    backward: "box_down",
  },
  {
    name: "tile",
    objects: {
      kind: "each",
      each: { name: "tiles_each" },
      size: () => ({ old: 8, new: 16 }),
      onNew: { name: "tile_create" },
    },
    forward: "tile_up",
    backward: "tile_down",
  },
];

export const boxFunctions = ["hold", "check"] as const;

export function boxObject(): string {
  return buildPatch(targetSource("data/box_v2.c"));
}

export function boxUpdate(): UpdateRequest {
  return update("box", [patch("data", boxObject(), boxFunctions, boxItems)]);
}

/** A command of box.c, after which nothing must be wrong in it. */
export async function expectClean(target: TargetProcess, command: string): Promise<void> {
  await target.ask(command);
  const { errors, firstError } = await target.state();
  assert.is(errors, 0, `${command}: ${firstError ?? ""}`);
}
