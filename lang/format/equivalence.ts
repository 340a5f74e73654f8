/** Whether two scripts mean the same: the formatter's promise, and the check that it keeps it. */
import type { Script } from "../ast.js";
import type { SourceFile } from "../source.js";
import { sourceTokens } from "./source_tokens.js";

/** Members that say where something stands, not what it is. */
const placeMembers: ReadonlySet<string> = new Set(["span", "operatorSpan", "textSpan"]);

/** Whether two trees differ in nothing but places. */
export function sameTree(one: Script, other: Script): boolean {
  return sameValue(one, other);
}

function sameValue(one: unknown, other: unknown): boolean {
  if (!isObject(one) || !isObject(other)) return Object.is(one, other);
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const members = Object.keys(one).filter((key) => !placeMembers.has(key));
  const others = Object.keys(other).filter((key) => !placeMembers.has(key));
  return (
    members.length === others.length &&
    members.every((key) => Object.hasOwn(other, key) && sameValue(one[key], other[key]))
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** A tree as JSON without its places. */
export function treeText(script: Script): string {
  return JSON.stringify(script, (key, value: unknown) =>
    placeMembers.has(key) ? undefined : typeof value === "bigint" ? `${value}` : value,
  );
}

/** The comments of a script in their order; blanks around their lines do not count. */
export function commentsOf(file: SourceFile): readonly string[] {
  return sourceTokens(file).flatMap(({ before }) =>
    before.comments.map(({ text }) =>
      text
        .split("\n")
        .map((line) => line.trim())
        .join("\n"),
    ),
  );
}

/** Whether both have the same comments in the same order. */
export function sameComments(one: SourceFile, other: SourceFile): boolean {
  const comments = commentsOf(one);
  const others = commentsOf(other);
  return (
    comments.length === others.length && comments.every((text, index) => text === others[index])
  );
}
