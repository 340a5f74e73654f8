/**
 * Statics that a unit never writes although nothing in their declaration says so: tables, mostly. What the
 * program holds of them is what they began with, so the new version's may take their place.
 *
 * The compiler is asked: with `const` in its declaration such an object gives no error and no warning that
 * it did not give without. Where that does not tell (several are declared together, macros) the answer is no.
 */
import { spawn } from "node:child_process";
import { splitItems } from "../extract/items.js";
import type { Token } from "../extract/tokens.js";
import type { Compilations } from "./compilations.js";
import { optionsThatMatter, type PlacedUnit } from "./unit_build.js";

/** Of these file-scope statics of a unit those that it never writes. */
export async function neverWritten(
  placed: PlacedUnit,
  names: readonly string[],
  compilations: Compilations,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  if (names.length === 0) return found;
  const { cancel } = compilations;
  const tokens = await compilations.tokens(placed);
  const declared = placesOf(tokens, new Set(names));
  const before = await diagnose(placed, textOf(tokens, []), cancel);
  if (before === null) return found;
  for (const [name, places] of declared) {
    const after = await diagnose(placed, textOf(tokens, places), cancel);
    if (after === before) found.add(name);
  }
  return found;
}

/** Tokens of the names in their declarations. */
function placesOf(
  tokens: readonly Token[],
  names: ReadonlySet<string>,
): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>();
  for (const { kind, declarators } of splitItems(tokens)) {
    if (kind !== "declaration") continue;
    for (const { name, at, isFunction } of declarators) {
      if (isFunction || !names.has(name)) continue;
      places.set(name, [...(places.get(name) ?? []), at]);
    }
  }
  return places;
}

function textOf(tokens: readonly Token[], constant: readonly number[]): string {
  const before = new Set(constant);
  return tokens
    .map(({ text }, at) => `${before.has(at) ? "const " : ""}${text}`)
    .join(" ")
    .replace(/[;{}] /g, (end) => `${end}\n`);
}

/** The compiler's warnings without their places; `null`: it reports an error. */
function diagnose(
  { unit, root }: PlacedUnit,
  text: string,
  cancel: AbortSignal,
): Promise<string | null> {
  const [compiler = "gcc", ...options] = optionsThatMatter({ root, unit });
  const words = [
    ...options,
    ...["-Wcast-qual", "-fno-diagnostics-show-caret", "-fsyntax-only", "-x", "cpp-output", "-"],
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(compiler, words, {
      cwd: unit.directory,
      stdio: ["pipe", "ignore", "pipe"],
      signal: cancel,
      env: { ...process.env, LC_ALL: "C" },
    });
    let messages = "";
    child.stderr.setEncoding("utf8").on("data", (part: string) => (messages += part));
    child.stdin.on("error", () => undefined);
    child.stdin.end(text);
    child.once("error", reject);
    child.once("close", (code) => {
      if (code !== 0) return resolve(null);
      const said = messages.split("\n").flatMap((line) => /warning: .*/.exec(line) ?? []);
      resolve(said.toSorted().join("\n"));
    });
  });
}
