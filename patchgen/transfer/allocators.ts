/** Which functions of the new version allocate objects, by their source. */
import { allocationsIn } from "../extract/allocations.js";
import { preprocess } from "../extract/preprocess.js";
import { Unit } from "../extract/unit.js";
import type { Tree } from "../model.js";

export interface Allocator {
  readonly source: string;
  readonly function: string;
  readonly static: boolean;
  /** `struct node`, or a typedef's name. */
  readonly type: string;
  readonly zeroed: boolean;
}

/** @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE */
export async function allocatorsIn(
  tree: Tree,
  sources: ReadonlySet<string>,
  cancel: AbortSignal,
): Promise<readonly Allocator[]> {
  const found: Allocator[] = [];
  for (const translation of tree.units.filter(({ source }) => sources.has(source))) {
    const unit = new Unit(
      translation.source,
      await preprocess(tree.root, translation, cancel),
      null,
    );
    for (const [name, { item }] of unit.functions) {
      for (const { type, zeroed } of allocationsIn(unit, item)) {
        if (type === null) continue;
        const place = { source: translation.source, function: name, static: unit.isStatic(name) };
        found.push({ ...place, type, zeroed });
      }
    }
  }
  return found;
}
