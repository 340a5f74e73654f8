/**
 * Allocated tables of pointers. What a pointer to a pointer leads to is told by its type no more than how much of it
 * there is: the tail of a queue leads to a pointer within an object, which has another copy; an allocated table is no
 * object, and the other version needs one of its own.
 */
import { closingToken } from "../extract/token_walk.js";
import type { Token } from "../extract/tokens.js";
import type { Unit } from "../extract/unit.js";
import type { Changes } from "./changes.js";
import { elementOf, type Shape } from "./shapes.js";

/** Whether it is a pointer to a pointer, or an array of such. */
export function isDoublePointer(shape: Shape): boolean {
  const { element } = elementOf(shape);
  return element.kind === "pointer" && elementOf(element.target).element.kind === "pointer";
}

/**
 * Names of members and variables of what changes that are pointers to pointers, and that some function indexes, or sets
 * to what is neither the place of a pointer nor another of them: so to what an allocation has given.
 */
export function pointerTables(units: readonly Unit[], changes: Changes): ReadonlySet<string> {
  const members = [...changes.records.values()].flatMap(({ was, is }) => [
    ...was.members,
    ...is.members,
  ]);
  const variables = changes.variables.flatMap(({ was, is }) => [was, is]);
  const names = new Set(
    [...members, ...variables].flatMap(({ name, shape }) => (isDoublePointer(shape) ? name : [])),
  );
  const tables = new Set<string>();
  for (const unit of units) {
    for (const { item } of unit.functions.values()) {
      for (let at = item.body ?? item.last; at < item.last; at++) {
        const name = unit.tokens[at]?.text ?? "";
        if (names.has(name) && isUsedAsTable(unit, at, names)) tables.add(name);
      }
    }
  }
  return tables;
}

function isUsedAsTable({ tokens }: Unit, at: number, names: ReadonlySet<string>): boolean {
  const next = tokens[at + 1]?.text;
  if (next === "[") return true;
  // `*tail = …` sets what it leads to.
  if (next !== "=" || tokens[startOfOperand(tokens, at) - 1]?.text === "*") return false;
  let last = at + 2;
  for (; last < tokens.length; last++) {
    const text = tokens[last]?.text ?? "";
    if (text === "(" || text === "[") last = closingToken(tokens, last);
    else if (text === ";" || text === "," || text === ")") break;
  }
  const words = tokens.slice(at + 2, last).flatMap(({ text }) => (/[()]/.test(text) ? [] : text));
  const ending = words.at(-1) ?? "";
  return !(words[0] === "&" || ending === "0" || ending === "NULL" || names.has(ending));
}

/** Where `a.b`, `(x)->y` or `z[i].w` begins that ends with the name at `at`. */
function startOfOperand(tokens: readonly Token[], at: number): number {
  let first = at;
  while (first >= 2 && /^(\.|->)$/.test(tokens[first - 1]?.text ?? "")) {
    first -= 2;
    for (let depth = 0; first > 0; first--) {
      const text = tokens[first]?.text ?? "";
      if (/^[)\]]$/.test(text)) depth++;
      else if (/^[([]$/.test(text)) depth--;
      // What stands before an index is the operand itself; before a parenthesis, as a rule, nothing of it.
      if (depth === 0 && text !== "[") break;
    }
  }
  return first;
}
