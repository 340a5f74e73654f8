/** The state transfer of a patch as its files need it: C, the blocks of the script, what is left to a person. */
import type { AdoptedType } from "../extract/allocations.js";
import type { CarriedSymbol } from "../extract/extract.js";
import { globalLabel, staticLabel } from "../extract/labels.js";
import type { ProgramSymbols } from "../extract/program_symbols.js";
import type { PatchObjects } from "../extract/unit_objects.js";
import type { Mark } from "./copy.js";
import { carriedStructs, identifier, type Item } from "./items.js";
import { eachName } from "./roots.js";
import type { Transfer } from "./transfer.js";
import { newSymbol, transferText } from "./transfer_text.js";

export interface DescribedItem {
  readonly name: string;
  readonly kind: "global" | "heap";
  readonly file: string | null;
  readonly how: "layout" | "contains" | "points";
  readonly oldSize: number;
  readonly newSize: number;
  readonly forward: string;
  readonly backward: string;
  /** Lines of the script. */
  readonly line: readonly string[];
}

export interface TransferDescription {
  readonly text: string;
  readonly items: readonly DescribedItem[];
  /** Second names of the patch's variables. */
  readonly symbols: readonly CarriedSymbol[];
  readonly objects: PatchObjects;
  readonly marks: readonly Mark[];
  /** Variables from which objects are found. */
  readonly roots: readonly string[];
}

export function describeTransfer({
  transfer,
  program,
  version,
  carried,
}: {
  readonly transfer: Transfer;
  readonly program: ProgramSymbols;
  readonly version: number;
  /** Names of what patches that the process carries have two versions of. */
  readonly carried: ReadonlySet<string>;
}): TransferDescription {
  const { text, marks, rootless, roots } = transferText({
    ...transfer,
    version,
    fileOf: (source) => program.file(source),
  });
  const { held } = transfer;
  // Where nothing lasts, and old code gives nothing from its stack either, there is nothing to carry over.
  const has = (record: string): boolean => transfer.items.length > 0 || held.records.has(record);
  const isUsed = [...transfer.changes.records.keys()].some(has);
  const left: Mark[] = [...(isUsed ? marks : []), ...held.marks];
  if (transfer.threads && roots.length > 0) {
    left.push({
      about: "objects are found while other threads run",
      text: "let the function walk of polus_transfer.c take the lock under which the program changes them",
    });
  }
  for (const { title, variable } of transfer.items) {
    const label =
      variable?.was.static === false
        ? globalLabel(title)
        : staticLabel(title, program.file(variable?.was.source ?? ""));
    if (!carried.has(title) && !program.isHeld(label)) continue;
    left.push({
      about: title,
      text: "a patch that the process carries has an object of its own for it: let polus_transfer.c name that one",
    });
  }
  for (const { title } of rootless) {
    left.push({
      about: title,
      text: `no variable of the program leads to objects of it: write its function ${eachName(title)}`,
    });
  }
  const symbols = transfer.items.flatMap((item): readonly CarriedSymbol[] => {
    const { variable } = item;
    if (variable === null) return [];
    const { source, name, function: host, size } = variable.is;
    return [{ source, name, function: host, as: newSymbol(item, version), size }];
  });
  const firstHeap = transfer.items.find(({ kind }) => kind === "heap");
  const items = transfer.items.map((item) => described(item, program, version, item === firstHeap));
  const adopted = transfer.items.flatMap(({ record, forward }): readonly AdoptedType[] =>
    record === null ? [] : [{ name: record.name, forward, oldSize: record.was.size }],
  );
  const { shadowed, changes } = transfer;
  const records = carriedStructs(changes).filter(({ name }) => has(name));
  const rooms = records
    .filter(({ name }) => held.records.has(name))
    .map(({ name, was, is }) => [name, is.size + was.size] as const);
  const objects: PatchObjects = {
    records: new Set(records.map(({ name }) => name)),
    rooms: new Map(rooms),
    ...{ adopted, shadowed, identifier },
  };
  return { text, items, symbols, objects, marks: left, roots };
}

function described(
  item: Item,
  program: ProgramSymbols,
  version: number,
  follows: boolean,
): DescribedItem {
  const { forward, backward, variable, record, title: name, kind } = item;
  const transferLines = [`forward ${forward}`, `backward ${backward}`, "}"];
  if (variable !== null) {
    const { was, is, how } = variable;
    const file = was.static ? program.file(was.source) : null;
    const place = file === null ? "" : ` in ${JSON.stringify(file)}`;
    const line = [`data ${name}${place} {`, `new ${newSymbol(item, version)}`, ...transferLines];
    return { name, kind, file, how, oldSize: was.size, newSize: is.size, forward, backward, line };
  }
  const oldSize = record?.was.size ?? 0;
  const newSize = record?.is.size ?? 0;
  const line = [
    `data ${item.id} {`,
    `each ${eachName(record?.name ?? name)}`,
    `size ${oldSize}, ${newSize}`,
    ...transferLines.slice(0, 2),
    // Whoever frees an object, in either version and of whatever item: one of them is enough.
    ...(!follows
      ? []
      : [program.hasGlobal("free") ? "on free free" : 'on free free in "libc.so.6"']),
    "}",
  ];
  return {
    name,
    kind,
    file: null,
    how: record?.how ?? "layout",
    oldSize,
    newSize,
    forward,
    backward,
    line,
  };
}
