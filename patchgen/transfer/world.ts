/** What all units of one version see and define, put together. */
import type { Compilations } from "../detect/compilations.js";
import type { TranslationUnit, Tree, UnitSymbols } from "../model.js";
import { readShapes, type UnitShapes } from "./read_shapes.js";
import type { RecordShape, VariableShape } from "./shapes.js";

export interface World {
  readonly records: ReadonlyMap<string, RecordShape>;
  /** Records of which two units have different definitions under one name. */
  readonly ambiguous: ReadonlySet<string>;
  readonly variables: readonly VariableShape[];
}

/**
 * Compiles units and reads their types and variables.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
 */
export async function readWorld(
  tree: Tree,
  units: readonly { readonly unit: TranslationUnit; readonly symbols: UnitSymbols }[],
  compilations: Compilations,
): Promise<World> {
  const read = await Promise.all(
    units.map(async ({ unit, symbols }): Promise<UnitShapes> => {
      const path = await compilations.linked({ root: tree.root, unit });
      return readShapes(path, unit.source, symbols.data);
    }),
  );
  return merged(read);
}

function merged(units: readonly UnitShapes[]): World {
  const records = new Map<string, RecordShape>();
  const ambiguous = new Set<string>();
  for (const record of units.flatMap((unit) => unit.records)) {
    const known = records.get(record.name);
    if (known === undefined) records.set(record.name, record);
    else if (JSON.stringify(known) !== JSON.stringify(record)) ambiguous.add(record.name);
  }
  return { records, ambiguous, variables: units.flatMap((unit) => unit.variables) };
}
