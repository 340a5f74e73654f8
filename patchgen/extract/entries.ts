/**
 * Entries for old code: a function of the patch that takes or returns objects of which there are two
 * versions is called by the patch's own functions directly, and by the program's through an entry that
 * gives it the new copies and gives back the old ones.
 */
import { joined, type ItemEditor } from "./edits.js";
import type { Item } from "./items.js";
import { isObjectPointer, type FunctionPointers, type ObjectTypes } from "./object_pointers.js";
import type { Declared, Unit } from "./unit.js";

/** A function with an entry. */
export interface Entry {
  readonly name: string;
  /** The new version: what the patch's own functions call. */
  readonly worker: string;
  /** What the program's calls are redirected to. */
  readonly entry: string;
  readonly pointers: FunctionPointers;
  /** What a person must see to, `null`: nothing. */
  readonly mark: string | null;
}

/** A type by which the patch's translation functions are named, an identifier. */
export type TypeIdentifier = (record: string) => string;

/** `null`: old code may call it as it is. */
export function entryOf(
  unit: Unit,
  types: ObjectTypes,
  declared: Declared,
  worker: string,
  rooms: ReadonlyMap<string, number>,
): Entry | null {
  const pointers = types.function(declared);
  if (pointers === null) return null;
  const { parameters, result } = pointers;
  const isLent = parameters.some(({ record }) => record !== null && rooms.has(record));
  const untyped =
    parameters.some((one) => one.untyped && one.depth === 1) && types.mentions(declared.item);
  const typed = [...parameters, result].some(({ record }) => record !== null);
  const byValue = [...parameters, result].some(
    ({ record, depth }) => record !== null && depth === 0,
  );
  const hidden = pointers.opaque !== null && types.mentions(declared.item, true);
  if (!typed && !untyped && !hidden) return null;
  const name = declared.declarator.name;
  if (pointers.opaque === "variadic" && !isLent && isTranslatable(pointers)) {
    return { name, worker, entry: `${worker}_entry`, pointers, mark: null };
  }
  const deep = [...parameters, result].some((one) => one.record !== null && one.depth > 2);
  const mark =
    pointers.opaque !== null
      ? `its parameters are ${pointers.opaque}: old code gives it old copies, which it must look up by polus_copy_by`
      : byValue
        ? "it takes or returns by value what old code lays out otherwise: convert it here"
        : deep
          ? "it takes pointers to pointers to pointers: translate them"
          : isObjectPointer(result) && isNamedElsewhere(unit, name)
            ? "it is also called by its address, and then returns the old copy, in new code too"
            : null;
  return { name, worker, entry: `${worker}_entry`, pointers, mark };
}

/** Whether it can find the new copies itself, since it gets at most plain pointers and gives back none. */
function isTranslatable({ parameters, result }: FunctionPointers): boolean {
  return (
    result.record === null &&
    parameters.every(({ record, depth }) => record === null || depth === 1)
  );
}

/** Its entry is itself. */
export function looksUpItself({ pointers, mark }: Entry): boolean {
  return pointers.opaque !== null && mark === null;
}

/**
 * What a function with `...` begins with: nobody can call it with its own arguments, so it looks up itself
 * what old code gives it; of what new code gives, it finds the same.
 */
export function lookedUp(entry: Entry, identifier: TypeIdentifier): string {
  if (!looksUpItself(entry)) return "";
  return entry.pointers.parameters
    .flatMap(({ name, record, untyped, depth }) =>
      record !== null
        ? [` ${name} = polus_new_${identifier(record)}(${name});`]
        : untyped && depth === 1
          ? [` ${name} = polus_new_object(${name});`]
          : [],
    )
    .join("");
}

/** Whether a function's address is taken. */
function isNamedElsewhere(unit: Unit, name: string): boolean {
  const prototypes = unit.prototypes.get(name)?.item;
  return unit.tokens.some(({ text }, at) => {
    if (text !== name || unit.tokens[at + 1]?.text === "(") return false;
    const before = unit.tokens[at - 1]?.text ?? "";
    const inPrototype = prototypes !== undefined && at >= prototypes.first && at <= prototypes.last;
    return before !== "." && before !== "->" && !inPrototype;
  });
}

/** What old code's objects are translated by. */
export interface EntryObjects {
  /** Records of which old code has objects on its stack, with the bytes that both versions of one take. */
  readonly rooms: ReadonlyMap<string, number>;
  /** Entries that are called by a function which keeps registers. */
  readonly kept: ReadonlySet<string>;
  readonly identifier: TypeIdentifier;
}

/** The entry's definition. */
export function entryText(
  unit: Unit,
  { item, declarator }: Declared,
  entry: Entry,
  { rooms, kept, identifier }: EntryObjects,
): string {
  const { pointers, worker, mark, name } = entry;
  const { result, parameters, returnsVoid } = pointers;
  if (looksUpItself(entry)) {
    return `\n\nextern __typeof__(${worker}) ${entry.entry} __attribute__((alias("${worker}")));`;
  }
  if (pointers.opaque !== null) return `\n/* MANUAL: ${name}: ${mark ?? ""}. */\n`;
  const dropped = /^(static|extern|inline|__inline|__inline__|_Noreturn)$/;
  const words = unit.tokens.slice(item.first, declarator.at);
  const type = joined(words, 0, words.length - 1)
    .split(" ")
    .filter((word) => !dropped.test(word))
    .join(" ");
  const list = joined(unit.tokens, pointers.open, pointers.close);
  const caller = kept.has(entry.entry) ? "POLUS_KEPT_CALLER()" : "__builtin_return_address(0)";
  const before: string[] = [];
  const behind: string[] = [];
  /** Parameters that may be given an object which lives as long as the call. */
  const lent: { readonly name: string; readonly record: string }[] = [];
  const given = parameters.map((one) => {
    if (one.untyped && one.depth === 1) return `polus_new_object(${one.name})`;
    if (one.record === null || one.depth === 0) return one.name;
    const id = identifier(one.record);
    const room = rooms.get(one.record);
    if (one.depth === 1 && room !== undefined) {
      const [held, entered] = [`${one.name}__room`, `${one.name}__given`];
      const twin = lent.find(({ record }) => record === one.record);
      const enter = `polus_enter_${id}(${one.name}, ${caller}, ${held})`;
      before.push(
        `  char ${held}[${room}] __attribute__((aligned(64)));`,
        twin === undefined
          ? `  void *${entered} = ${enter};`
          : `  void *${entered} = (const void *)${one.name} == (const void *)${twin.name} ? ${twin.name}__given : ${enter};`,
      );
      behind.push(`  polus_leave_${id}((void *)${one.name}, ${entered}, ${held});`);
      lent.push({ name: one.name, record: one.record });
      return entered;
    }
    if (one.depth === 1) return `polus_new_${id}(${one.name})`;
    // Where the program keeps a pointer, or a variable of the caller that gets one.
    const kept = `${one.name}__copy`;
    const place = `${one.name}__place`;
    before.push(
      `  __typeof__(*${one.name}) ${kept} = ${one.name} == 0 ? 0 : polus_new_${id}(*${one.name});`,
      `  void *${place} = polus_new_${id}_pointer(${one.name});`,
    );
    behind.push(
      `  if (${one.name} != 0 && ${place} == (void *)${one.name}) *(void **)${one.name} = polus_old_${id}((void *)${kept});`,
    );
    return `${place} == (void *)${one.name} && ${one.name} != 0 ? &${kept} : (void *)${place}`;
  });
  const call = `${worker}(${given.join(", ")})`;
  const answer = (text: string): string => {
    const { record, depth } = result;
    if (record === null || depth !== 1) return text;
    return lent
      .filter((one) => one.record === record)
      .reduce(
        (other, { name }) =>
          `(void *)${text} == (void *)${name}__room ? (void *)${name} : ${other}`,
        `polus_old_${identifier(record)}((void *)${text})`,
      );
  };
  const lines = returnsVoid
    ? [...before, `  ${call};`, ...behind]
    : behind.length === 0
      ? [...before, `  return ${answer(call)};`]
      : [
          ...before,
          `  __typeof__(${call}) answer__polus = ${call};`,
          ...behind,
          `  return ${answer("answer__polus")};`,
        ];
  const remark = mark === null ? "" : `/* MANUAL: ${name}: ${mark}. */\n`;
  return `\n\n${remark}/* For the program's own calls: it gives and gets old copies. */\n${type} ${entry.entry}${list}\n{\n${lines.join("\n")}\n}`;
}

/** Lets a function of the patch call others that have an entry directly; returns declarations for it. */
export function callDirectly(
  unit: Unit,
  item: Item,
  edit: ItemEditor,
  entries: ReadonlyMap<string, Entry>,
): string {
  const used = new Map<string, string>();
  for (let at = item.body ?? item.last; at < item.last; at++) {
    const name = unit.tokens[at]?.text ?? "";
    const entry = entries.get(name);
    const before = unit.tokens[at - 1]?.text;
    if (entry === undefined || before === "." || before === "->") continue;
    if (unit.tokens[at + 1]?.text !== "(") continue;
    edit.replace(at, entry.worker);
    used.set(name, entry.worker);
  }
  return [...used].map(([name, worker]) => `extern __typeof__(${name}) ${worker};\n`).join("");
}

/** The translation functions that entries call, for types of `records`. */
export function entryDeclarations(
  records: Iterable<string>,
  rooms: ReadonlyMap<string, number>,
  identifier: TypeIdentifier,
): string {
  const held = [...records].flatMap((record) => {
    if (!rooms.has(record)) return [];
    const id = identifier(record);
    return [
      `extern void *polus_enter_${id}(const void *, const void *, void *);\n`,
      `extern void polus_leave_${id}(void *, const void *, void *);\n`,
    ];
  });
  const names = [...records].flatMap((record) => {
    const id = identifier(record);
    return [`polus_new_${id}`, `polus_old_${id}`, `polus_new_${id}_pointer`];
  });
  const others = ["polus_new_object", ...names].map(
    (name) => `extern void *${name}(const void *);\n`,
  );
  return [...others, ...held].join("");
}
