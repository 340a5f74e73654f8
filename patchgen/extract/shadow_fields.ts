/**
 * Fields that live beside their objects: the patch's functions reach a member that was added to a struct
 * through the runtime's shadow store, so that the objects that the program has keep their layout.
 */
import { allocationsIn } from "./allocations.js";
import type { ItemEditor } from "./edits.js";
import type { Item } from "./items.js";
import { closingToken, isName } from "./token_walk.js";
import type { Unit } from "./unit.js";

/** A record that keeps its old layout, and what was added to it. */
export interface ShadowedRecord {
  /** `struct node`, or a typedef's name. */
  readonly name: string;
  /** Bytes of its objects, which stay as large. */
  readonly oldSize: number;
  readonly fields: readonly {
    readonly name: string;
    /** By which the shadow store knows the field. */
    readonly key: number;
  }[];
}

/** A key for the shadow store: the same one for each patch that has the field (FNV-1a). */
export function shadowKey(record: string, field: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${record}.${field}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash;
}

/** Rewrites a function's accesses to shadowed fields, and what depends on the size of their records. */
export function shadowFields(
  unit: Unit,
  item: Item,
  edit: ItemEditor,
  records: readonly ShadowedRecord[],
): void {
  if (records.length === 0) return;
  const { tokens } = unit;
  const text = (at: number): string => tokens[at]?.text ?? "";
  const fields = new Set(records.flatMap((one) => one.fields.map(({ name }) => name)));
  const fresh = allocationsIn(unit, item).filter(
    ({ type, single }) => single && (type === null || records.some(({ name }) => name === type)),
  );
  for (const { first, last, sizeof } of fresh) {
    // It is an object of two versions, too, as far as the tokens tell.
    if (edit.replaced.has(sizeof.first)) continue;
    const operand = operandOf(unit, sizeof.first, sizeof.last);
    edit.insertBefore(first, `POLUS_FRESH(__typeof__(${operand}), `);
    edit.insertBefore(last + 1, ")");
  }
  for (let at = item.body ?? item.last; at < item.last; at++) {
    if (text(at) === "sizeof") {
      const end = endOfSizeof(unit, at);
      if (edit.replaced.has(at)) continue;
      const operand = operandOf(unit, at, end);
      edit.replace(at, `POLUS_SIZE(${operand})`);
      edit.remove(at + 1, end);
      at = end;
      continue;
    }
    const arrow = text(at);
    if ((arrow !== "->" && arrow !== ".") || !fields.has(text(at + 1))) continue;
    const start = startOfPostfix(unit, at - 1);
    if (start === null) continue;
    edit.insertBefore(start, `(*POLUS_FIELD_${text(at + 1)}(${arrow === "." ? "&" : ""}(`);
    edit.replace(at, ")");
    edit.replace(at + 1, "))");
  }
}

/** First token of the expression that ends at `at` and whose member is taken; `null`: a designator. */
function startOfPostfix({ tokens }: Unit, at: number): number | null {
  let start = at;
  for (;;) {
    const text = tokens[start]?.text ?? "";
    if (text === ")" || text === "]") {
      start = openingToken(tokens, start);
      const before = tokens[start - 1]?.text ?? "";
      const goesOn =
        text === "]" || (isName(before) && before !== "return") || before === ")" || before === "]";
      if (!goesOn) return start;
      start--;
      continue;
    }
    if (!isName(text)) return null;
    const before = tokens[start - 1]?.text ?? "";
    if (before !== "." && before !== "->") return start;
    start -= 2;
  }
}

function openingToken(tokens: Unit["tokens"], close: number): number {
  let depth = 0;
  for (let at = close; at >= 0; at--) {
    const text = tokens[at]?.text ?? "";
    if (text === ")" || text === "]") depth++;
    else if ((text === "(" || text === "[") && --depth === 0) return at;
  }
  return close;
}

function endOfSizeof({ tokens }: Unit, at: number): number {
  let end = at + 1;
  while (/^[*&]$/.test(tokens[end]?.text ?? "")) end++;
  if (tokens[end]?.text === "(") end = closingToken(tokens, end);
  for (;;) {
    const next = tokens[end + 1]?.text ?? "";
    if (next === "." || next === "->") end += 2;
    else if (next === "[") end = closingToken(tokens, end + 1);
    else return end;
  }
}

/** What `sizeof` is applied to, as text, without parentheses around it. */
function operandOf({ tokens }: Unit, first: number, last: number): string {
  const bare = tokens[first + 1]?.text === "(" && closingToken(tokens, first + 1) === last;
  return tokens
    .slice(first + (bare ? 2 : 1), last + (bare ? 0 : 1))
    .map(({ text }) => text)
    .join(" ");
}

/** Whether functions copy whole objects of a record or step over arrays of it, so that its size matters. */
export function needsWholeObjects(unit: Unit, record: string): boolean {
  const tag = record.replace(/^struct /, "");
  const { tokens } = unit;
  const pointers = new Set<string>();
  tokens.forEach(({ text }, at) => {
    if (text === tag && tokens[at + 1]?.text === "*" && isName(tokens[at + 2]?.text ?? "")) {
      pointers.add(tokens[at + 2]?.text ?? "");
    }
  });
  return [...unit.functions.values()].some(({ item }) => {
    const arrays = allocationsIn(unit, item).some(({ type, single }) => type === record && !single);
    for (let at = item.body ?? item.last; at < item.last; at++) {
      const text = tokens[at]?.text ?? "";
      const before = tokens[at - 1]?.text ?? "";
      const next = tokens[at + 1]?.text ?? "";
      // `struct node copy` by value, `p[i]`, `p++`, `*p = …`, `= *p`.
      if (text === tag && before === "struct" && isName(next)) return true;
      if (text === "offsetof" || text === "__builtin_offsetof") {
        if (tokens.slice(at, at + 6).some((one) => one.text === tag)) return true;
      }
      if (!pointers.has(text) || before === "." || before === "->") continue;
      if (/^(\[|\+\+|--|\+|\+=|-=)$/.test(next)) return true;
      // `++p->member` steps over nothing.
      if ((before === "++" || before === "--") && next !== "->") return true;
      if (
        before === "*" &&
        /^(=|,|\)|;)$/.test(next) &&
        /^[=(;{},]$/.test(tokens[at - 2]?.text ?? "")
      ) {
        const inSizeof = tokens[at - 2]?.text === "(" && tokens[at - 3]?.text === "sizeof";
        const isDeclared = tokens[at - 2]?.text === tag;
        const isMember = next === ")" && tokens[at + 2]?.text === ".";
        if (!inSizeof && !isDeclared && !isMember) return true;
      }
    }
    return arrays;
  });
}

/** The macros that `shadowFields` uses. */
export function shadowText(records: readonly ShadowedRecord[]): string {
  if (records.length === 0) return "";
  const is = (type: string, name: string): string =>
    `__builtin_types_compatible_p(${type}, ${name})`;
  const fields = new Map<string, { readonly record: string; readonly key: number }[]>();
  for (const { name: record, fields: own } of records) {
    for (const { name, key } of own)
      fields.set(name, [...(fields.get(name) ?? []), { record, key }]);
  }
  const macros = [...fields].map(([name, owners]) => {
    const shadow = (key: number): string =>
      `(__typeof__(&(o)->${name}))polus_shadow_get((o), ${key}UL, sizeof((o)->${name}), 0, 0)`;
    const choice = owners.reduceRight(
      (other, { record, key }) =>
        `__builtin_choose_expr(${is("__typeof__(*(o))", record)}, ${shadow(key)}, ${other})`,
      `&(o)->${name}`,
    );
    return `#define POLUS_FIELD_${name}(o) ${choice}`;
  });
  const sizes = records.map(({ name, oldSize }) => `${is("__typeof__(x)", name)} ? ${oldSize} : `);
  const fresh = records.map(({ name, fields: own }) => {
    const keys = own.map(({ key }) => `${key}UL`);
    return `${is("type", name)} ? polus_fresh(memory, (const unsigned long[]){${keys.join(", ")}}, ${keys.length}) : `;
  });
  return [
    "/* Added fields live beside their objects, which keep the layout that the program gives them. */",
    "#include <polus.h>",
    ...macros,
    `#define POLUS_SIZE(x) (${sizes.join("")}sizeof(x))`,
    `#define POLUS_FRESH(type, memory) (${fresh.join("")}(memory))`,
    "static __attribute__((unused)) void *polus_fresh(void *object, const unsigned long *keys, int count) {",
    "  while (object != 0 && count-- > 0) polus_shadow_free(object, keys[count]);",
    "  return object;",
    "}",
    "",
  ].join("\n");
}
