/**
 * Checks that an operator may want: the new version compares a variable with a limit that the old one did
 * not look at, so that the running program's variable may be beyond it already.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Compilations } from "../detect/compilations.js";
import { preprocessPlainly } from "../extract/preprocess.js";
import { isName } from "../extract/token_walk.js";
import { Unit } from "../extract/unit.js";
import type { Detection, DataSymbol, TranslationUnit, Tree, UnitChange } from "../model.js";

export interface Suggestion {
  readonly variable: string;
  /** A static variable's source. */
  readonly source: string | null;
  readonly function: string;
  /** What must hold, in C. */
  readonly check: string;
  /** The nearest value for which it holds. */
  readonly repair: string;
}

interface Comparison {
  readonly left: string;
  readonly operator: string;
  readonly right: string;
}

const mirrored: Readonly<Record<string, string>> = { ">": "<", ">=": "<=", "<": ">", "<=": ">=" };

/** @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE */
export async function suggestChecks(
  detection: Detection,
  compilations: Compilations,
): Promise<readonly Suggestion[]> {
  const found: Suggestion[] = [];
  for (const change of detection.units) {
    const changed = change.functions.filter(
      ({ how, reasons }) => how === "changed" && reasons.some(({ kind }) => kind === "body"),
    );
    if (change.old === null || change.new === null || changed.length === 0) continue;
    if (!(await mayCompareMore(detection, change))) continue;
    const [old, now] = await Promise.all([
      unitOf(detection.old, change.old, compilations),
      unitOf(detection.new, change.new, compilations),
    ]);
    for (const { name } of changed) {
      const before = new Set(comparisonsIn(old, name).map(textOf));
      for (const one of comparisonsIn(now, name)) {
        if (before.has(textOf(one))) continue;
        const suggestion = suggestionOf(change, name, one);
        if (suggestion !== null && !found.some(({ check }) => check === suggestion.check)) {
          found.push(suggestion);
        }
      }
    }
  }
  return found;
}

/** Whether the text of the new version compares one of the unit's variables in a way that the old one does not. */
async function mayCompareMore(
  { old, new: now }: Detection,
  { source, oldSymbols }: UnitChange,
): Promise<boolean> {
  const names = oldSymbols.data
    .filter(({ readOnly, function: host }) => !readOnly && host === null)
    .map(({ name }) => name);
  if (names.length === 0) return false;
  const any = `\\b(?:${names.join("|")})\\b`;
  const pattern = new RegExp(`${any}\\s*[<>]=?\\s*\\w+|\\w+\\s*[<>]=?\\s*${any}`, "g");
  const [before, after] = await Promise.all(
    [old, now].map(async ({ root }) => {
      const text = await readFile(join(root, source), "latin1");
      return new Set(text.match(pattern) ?? []);
    }),
  );
  return [...(after ?? [])].some((one) => before?.has(one) !== true);
}

async function unitOf(
  tree: Tree,
  unit: TranslationUnit,
  compilations: Compilations,
): Promise<Unit> {
  const placed = { root: tree.root, unit };
  return new Unit(unit.source, await preprocessPlainly(compilations, placed), null);
}

function textOf({ left, operator, right }: Comparison): string {
  return `${left} ${operator} ${right}`;
}

/** Comparisons of plain names and numbers, the variable that may be too large on the left. */
function comparisonsIn(unit: Unit, name: string): readonly Comparison[] {
  const item = unit.functions.get(name)?.item;
  if (item === undefined) return [];
  const text = (at: number): string => unit.tokens[at]?.text ?? "";
  const found: Comparison[] = [];
  for (let at = item.body ?? item.last; at < item.last; at++) {
    const operator = text(at);
    const other = mirrored[operator];
    if (other === undefined || !isAlone(text(at - 2), text(at + 2))) continue;
    const sides = [text(at - 1), text(at + 1)] as const;
    if (!sides.every((side) => isName(side) || isNumber(side))) continue;
    found.push({ left: sides[0], operator, right: sides[1] });
    found.push({ left: sides[1], operator: other, right: sides[0] });
  }
  return found;
}

/** Neither side is a part of a larger expression. */
function isAlone(before: string, behind: string): boolean {
  return /^(\(|&&|\|\||return|=)$/.test(before) && /^(\)|&&|\|\||;|\?)$/.test(behind);
}

function isNumber(text: string): boolean {
  return /^\d\w*$/.test(text);
}

function suggestionOf(
  { oldSymbols: { data }, source }: UnitChange,
  host: string,
  { left, operator, right }: Comparison,
): Suggestion | null {
  const find = (name: string): DataSymbol | undefined =>
    data.find((one) => one.name === name && one.function === null);
  const variable = find(left);
  const limit = find(right);
  const isScalar = (one: DataSymbol): boolean => [1, 2, 4, 8].includes(one.size);
  if (variable === undefined || variable.readOnly || !isScalar(variable)) return null;
  if (!isNumber(right) && (limit === undefined || limit.static || !isScalar(limit))) return null;
  // `if (clients > limit)` refuses what is too large.
  if (operator !== ">" && operator !== ">=") return null;
  const highest = operator === ">" ? right : `${right} - 1`;
  return {
    variable: left,
    source: variable.static ? source : null,
    function: host,
    check: `${left} ${operator === ">" ? "<=" : "<"} ${right}`,
    repair: highest,
  };
}

/** Lines of comment for the script. */
export function suggestionLines(suggestions: readonly Suggestion[]): readonly string[] {
  return suggestions.flatMap(({ variable, source, function: host, check, repair }) => {
    const place = source === null ? "" : ` in "${source.slice(source.lastIndexOf("/") + 1)}"`;
    const placed = (text: string): string => text.replace(variable, `${variable}${place}`);
    return [
      `// ${host} has come to compare ${variable}: it may be beyond that in the running program. If so:`,
      `// taint ${variable}_range before changes {`,
      `//   check ${placed(check)}`,
      `//   recover { set ${placed(variable)} = ${repair} }`,
      "// }",
    ];
  });
}
