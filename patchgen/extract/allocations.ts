/** Where functions allocate single objects: `malloc(sizeof *n)`, `xcalloc(1, sizeof(struct node))`. */
import type { ItemEditor } from "./edits.js";
import type { Item } from "./items.js";
import { closingToken, isName } from "./token_walk.js";
import type { Unit } from "./unit.js";

export interface Allocation {
  readonly callee: string;
  /** Tokens of the call, from the callee's name to its closing parenthesis. */
  readonly first: number;
  readonly last: number;
  /** Tokens of `sizeof` and its operand. */
  readonly sizeof: { readonly first: number; readonly last: number };
  /** What is allocated, `struct node` or a typedef's name; `null`: an expression that tokens do not tell. */
  readonly type: string | null;
  /** One object and nothing beside it. */
  readonly single: boolean;
  /** The memory is zeroed by the allocator, or by a memset of that size in the same function. */
  readonly zeroed: boolean;
}

/** A record of which the patch has two versions. */
export interface AdoptedType {
  readonly name: string;
  readonly forward: string;
  readonly oldSize: number;
}

const neither = /^(memset|memcpy|memmove|memcmp|bsearch|memchr|mempcpy|bzero|qsort)$/;

/** Calls with a `sizeof` of functions that return `void *`. */
export function allocationsIn(unit: Unit, item: Item): readonly Allocation[] {
  const { tokens } = unit;
  const text = (at: number): string => tokens[at]?.text ?? "";
  const found: Allocation[] = [];
  const cleared = new Set<string>();
  for (let at = item.body ?? item.last; at < item.last; at++) {
    if (text(at) !== "sizeof") continue;
    const last = endOfOperand(unit, at);
    const open = enclosingCall(unit, item.body ?? at, at);
    if (open === null) continue;
    const callee = text(open - 1);
    const type = typeOf(unit, item, at + 1, last);
    if (callee === "memset" && type !== null) cleared.add(type);
    if (neither.test(callee) || !returnsMemory(unit, callee)) continue;
    const close = closingToken(tokens, open);
    const others = tokens
      .slice(open + 1, close)
      .filter((_, index) => index + open + 1 < at || index + open + 1 > last)
      .map((token) => token.text);
    found.push({
      callee,
      first: open - 1,
      last: close,
      sizeof: { first: at, last },
      type,
      single: others.every((word) => /^(1[uUlL]*|[,()])$/.test(word)),
      zeroed: /calloc|zalloc|alloc0/i.test(callee),
    });
  }
  return found.map((one) =>
    one.type !== null && cleared.has(one.type) ? { ...one, zeroed: true } : one,
  );
}

/** Last token of what `sizeof` is applied to. */
function endOfOperand({ tokens }: Unit, at: number): number {
  let end = at + 1;
  while (/^[*&]$/.test(tokens[end]?.text ?? "")) end++;
  const isParenthesis = tokens[end]?.text === "(";
  if (isParenthesis) end = closingToken(tokens, end);
  for (;;) {
    const next = tokens[end + 1]?.text ?? "";
    if (next === "." || next === "->") end += 2;
    else if (next === "[") end = closingToken(tokens, end + 1);
    else return end;
  }
}

/** The parenthesis of the innermost call around a token. */
function enclosingCall({ tokens }: Unit, first: number, from: number): number | null {
  let depth = 0;
  for (let at = from - 1; at > first; at--) {
    const text = tokens[at]?.text ?? "";
    if (text === ")" || text === "]" || text === "}") depth++;
    else if (text === "(" || text === "[" || text === "{") {
      if (depth > 0) depth--;
      else if (text === "(" && isName(tokens[at - 1]?.text ?? "")) return at;
      else if (text !== "(") return null;
    } else if (text === ";" && depth === 0) return null;
  }
  return null;
}

/** Whether a function is declared, here or in a header, to return `void *`. */
function returnsMemory(unit: Unit, callee: string): boolean {
  const declared = unit.functions.get(callee) ?? unit.prototypes.get(callee);
  if (declared === undefined) return callee.endsWith("alloc");
  const { item, declarator } = declared;
  const specifiers = unit.tokens.slice(item.first, declarator.start).map(({ text }) => text);
  const stars = unit.tokens.slice(declarator.start, declarator.at).map(({ text }) => text);
  return specifiers.includes("void") && stars.join("") === "*";
}

/** The type's name of `(struct node)`, `(node)`, `*n` and `(*n)`. */
function typeOf(unit: Unit, item: Item, first: number, last: number): string | null {
  const words = unit.tokens.slice(first, last + 1).map(({ text }) => text);
  while (words[0] === "(" && words.at(-1) === ")") {
    words.shift();
    words.pop();
  }
  const plain = words.filter((word) => word !== "const" && word !== "volatile");
  if (plain[0] === "struct" || plain[0] === "union") {
    return plain.length === 2 ? plain.join(" ") : null;
  }
  if (plain.length === 1) return plain[0] ?? null;
  const [star, name] = plain;
  if (star !== "*" || name === undefined || plain.length !== 2) return null;
  return pointeeOf(unit, item, name);
}

/** What a local variable or parameter that is declared `T *name` points to. */
function pointeeOf(unit: Unit, item: Item, name: string): string | null {
  const { tokens } = unit;
  for (let at = item.first + 2; at < item.last; at++) {
    if (tokens[at]?.text !== name || tokens[at - 1]?.text !== "*") continue;
    // `struct node *a, *b`: back to the type.
    let type = at - 2;
    while (type > item.first && /^(,|\*|=|NULL|0)$/.test(tokens[type]?.text ?? "")) type--;
    for (let step = 0; step < 12; step++) {
      const word = tokens[type]?.text ?? "";
      const before = tokens[type - 1]?.text ?? "";
      if (before === "struct" || before === "union") return `${before} ${word}`;
      if (isName(word) && before !== "*" && before !== ",") return word;
      type--;
    }
  }
  return null;
}

/**
 * Lets what a function allocates become known to the runtime, with room for either version.
 * @returns calls that allocate an object of these types in a way that a person must look at
 */
export function adoptAllocations(
  unit: Unit,
  item: Item,
  edit: ItemEditor,
  types: readonly AdoptedType[],
): readonly Allocation[] {
  const left: Allocation[] = [];
  if (types.length === 0) return left;
  for (const one of allocationsIn(unit, item)) {
    if (one.type !== null && !types.some(({ name }) => name === one.type)) continue;
    if (!one.single) {
      if (one.type === null) continue;
      left.push(one);
      edit.insertBefore(
        one.first,
        `/* MANUAL: ${one.type} here: give each of these objects to polus_adopt, with room for either version. */ `,
      );
      continue;
    }
    const { first, last } = one.sizeof;
    const inParentheses =
      unit.tokens[first + 1]?.text === "(" && closingToken(unit.tokens, first + 1) === last;
    const operand = unit.tokens
      .slice(first + (inParentheses ? 2 : 1), last + (inParentheses ? 0 : 1))
      .map(({ text }) => text)
      .join(" ");
    edit.insertBefore(one.first, `POLUS_ADOPT(__typeof__(${operand}), `);
    edit.replace(first, `POLUS_ROOM(${operand})`);
    edit.remove(first + 1, last);
    edit.insertBefore(one.last + 1, ")");
  }
  return left;
}

/** The macros that `adoptAllocations` uses. */
export function adoptionText(types: readonly AdoptedType[]): string {
  if (types.length === 0) return "";
  const is = (name: string, type: string): string =>
    `__builtin_types_compatible_p(${type}, ${name})`;
  const adopt = types
    .map(({ name, forward }) => `${is(name, "type")} ? polus_adopt(memory, ${forward}) : `)
    .join("");
  const room = types
    .map(
      ({ name, oldSize }) =>
        `${is(name, "__typeof__(x)")} && sizeof(x) < ${oldSize} ? ${oldSize} : `,
    )
    .join("");
  return [
    "/* Objects of which there are two versions: memory for either, made known to the runtime. */",
    "extern void *polus_adopt(void *, const void *);",
    ...types.map(({ forward }) => `extern void ${forward}();`),
    `#define POLUS_ADOPT(type, memory) (${adopt}(memory))`,
    `#define POLUS_ROOM(x) (${room}sizeof(x))`,
    "",
  ].join("\n");
}
