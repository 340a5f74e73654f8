/**
 * What was probably meant: habits of C, of shells and of other languages, each with the
 * words of this one. Only suggestions: what is wrong, and where, is said without them.
 */
import type { IToken } from "chevrotain";
import { textOf, type Span } from "../source.js";
import * as t from "../tokens.js";
import type { ListKind } from "./base.js";

/** Words that mean something in other languages, wherever an expression could go on. */
const operatorWords: Readonly<Record<string, string>> = {
  and: "write `&&`",
  or: "write `||`",
  not: "write `!`",
  in: 'a place is a text: `counter in "main.c"`',
};

/** Words with which a statement begins in other languages. */
const statementWords: Readonly<Record<string, string>> = {
  elif: "write `else if (…)`",
  elsif: "write `else if (…)`",
  elseif: "write `else if (…)`",
  else: "`else` follows the `}` of its `if`",
  switch: "write `if (…) { … } else if (…) { … }`",
  do: "write `while (…) { … }`",
  goto: "loops are left by `break`, recipes by `return`",
  var: "a variable is declared by `let NAME = EXPR`",
  def: "write `recipe NAME(…) { … }`",
  function: "write `recipe NAME(…) { … }`",
  func: "write `recipe NAME(…) { … }`",
  echo: "write `print …`",
  printf: "write `print …, …`",
  throw: 'write `fail "…"`',
  raise: 'write `fail "…"`',
  from: 'write `import "std/NAME"`',
};

const declarationWords = new Set<string>(["import", "const", "recipe", "update"]);
const actionWords = new Set<string>([
  ...["set", "let", "print", "assert", "if", "while", "for", "sleep", "wait", "call"],
  ...["apply", "fail", "warn"],
]);

/**
 * For a token that nothing can begin with or go on with.
 * @param where the list in which it stands, `"statement"` behind a statement on its line,
 *   or what was expected instead
 */
export function meantInstead(
  token: IToken,
  where: ListKind | "statement" | (string & {}),
  previous?: Span,
): string | undefined {
  const { image } = token;
  const before = previous === undefined ? "" : textOf(previous);
  if (image === ">" && before === "<") return "write `!=`";
  if (image === "=" && (before === "==" || before === "!=")) return `write \`${before}\``;
  if (image === "*" && before === "*") return "there is no operator for powers";
  if (where === "statement") return behindStatement(token);
  const isType = t.isA(token, t.TypeWord) || ["static", "extern", "auto"].includes(image);
  if (where === "recipe" && isType) return "parameters have no types: `recipe r(a, b) { … }`";
  if (where === "for" && isType) return "write `for NAME in EXPR { … }`, without a type";
  if ((where === "script" || where === "block") && isType && image !== "const") {
    return "a variable of the script is declared by `let NAME = EXPR`, without a type";
  }
  if (where === "script" || where === "block") {
    if (where === "block" && declarationWords.has(image)) {
      return `\`${image}\` stands at the top of the script, outside of any braces`;
    }
    const isValue = [t.NumberLiteral, t.StringText, t.CharacterText, t.LeftParenthesis].some(
      (type) => t.isA(token, type),
    );
    if (isValue || t.isA(token, t.UnaryOperator)) return "a value is shown by `print`";
    return statementWords[image];
  }
  if (where === "update" || where === "patch" || where === "taint") {
    if (declarationWords.has(image)) return `\`${image}\` stands outside of any update`;
  }
  if (where === "update" && actionWords.has(image)) {
    return "statements stand outside of updates, or in the `recover { … }` of a taint";
  }
  if (where === "taint" && actionWords.has(image)) {
    return "what repairs stands in `recover { … }`";
  }
  if (where === "patch" && (image === "by" || image === "->" || image === "as")) {
    return "write `replace f with g`";
  }
  if (where === "patch" && image === ",") return "each function has a `replace` of its own";
  if (where === "target" && image === "pid")
    return "a process is named on the command line: `--pid N`";
  return operatorWords[image];
}

function behindStatement(token: IToken): string | undefined {
  const { image } = token;
  const known = operatorWords[image] ?? (image === "as" ? undefined : statementWords[image]);
  if (known !== undefined) return known;
  const isValue = [t.Identifier, t.NumberLiteral, t.StringText, t.CharacterText].some((type) =>
    t.isA(token, type),
  );
  return isValue ? "values are separated by commas" : undefined;
}

/** For a token that stands where something else had to come. */
export function expectedInstead(expected: string, rule: string, token: IToken): string | undefined {
  const { image } = token;
  const isName = t.isA(token, t.Identifier);
  if (expected === t.StringText.LABEL) {
    if (rule === "import" && (image === "{" || image === "*")) return 'write `import "std/NAME"`';
    if (t.isA(token, t.CharacterText)) return `write \`"${image.replaceAll("'", "")}"\``;
    if (rule === "message") return 'a message is a text: `fail "what is wrong"`';
    return isName ? 'it stands in quotes: `"…"`' : undefined;
  }
  if (expected === t.Identifier.LABEL && t.isA(token, t.StringText)) {
    const name = image.replaceAll('"', "");
    return /^[A-Za-z_]\w*$/.test(name) ? `names stand without quotes: \`${name}\`` : undefined;
  }
  if (rule === "condition") return "the condition stands in parentheses: `if (x > 5) { … }`";
  if (rule === "for" && expected !== "`{`") return "write `for NAME in EXPR { … }`";
  if (rule === "wait" && expected === "`until`") {
    return "write `wait until EXPR within 5s`; `sleep 5s` only waits";
  }
  if (rule === "block" && expected === "`{`") return "braces are needed even around one statement";
  if (rule === "patch" && expected === "`{`" && t.isA(token, t.StringText)) {
    return `write \`from ${image}\``;
  }
  if (rule === "target") return 'write `target { exe "NAME" }`';
  if (rule === "rollbackPoint" && expected === "`before` or `after`") {
    return "write `rollback point NAME before PATCH`";
  }
  if (expected === "`=`" && image === ":") return "write `=`";
  if (rule === "inlineC") return "C source stands in braces: `c { int f(void) { … } }`";
  if (rule === "rollback" && expected === "`to`") {
    return image === "point"
      ? "a `rollback point` stands inside an update"
      : "write `rollback to UPDATE.POINT`";
  }
  if (rule === "rollback") return "write `rollback to UPDATE.POINT`";
  if (expected === "`)`" && rule === "recipe" && isName)
    return "parameters are separated by commas";
  if (expected === "`)`" && rule === "recipe") return meantInstead(token, "recipe");
  if (expected === "`)`" && rule === "arguments") return "arguments are separated by commas";
  return undefined;
}

/** By rule and expectation: what is missing at the end of a line. */
export const expectedAtEnd: Readonly<Record<string, string>> = {
  "wait:`within`": "a wait has a limit: `wait until EXPR within 5s`",
  "rollback:`.`": "write `rollback to UPDATE.POINT`",
  "rollbackPoint:`before` or `after`": "write `rollback point NAME before PATCH`",
  'message:a text in "quotes"': 'a message is a text: `fail "what is wrong"`',
  'otherwise:a text in "quotes"': 'write `otherwise fail "what is wrong"`',
};

const characters: readonly (readonly [RegExp, string])[] = [
  [/^#/, "a comment begins with `//`"],
  [/^[“”„«»]/, 'texts stand in straight quotes: `"`'],
  [/^[‘’‚]/, "characters stand in straight quotes: `'`"],
  [/^[–—−]/, "write `-`"],
  [/^×/, "write `*`"],
  [/^≤/, "write `<=`"],
  [/^≥/, "write `>=`"],
  [/^≠/, "write `!=`"],
  [/^\u00a0/, "a blank that must not break stands here: write an ordinary one"],
  [/^`/, 'names stand in no quotes, texts in `"`'],
];

/** For characters that no script may have. */
export function characterMeant(text: string): string | undefined {
  return characters.find(([pattern]) => pattern.test(text))?.[1];
}

/** The name that ends right before a place, if what stands there is one. */
export function simpleNameBefore(previous: Span | undefined): string | undefined {
  if (previous === undefined) return undefined;
  const text = textOf(previous);
  return /^[A-Za-z_$][\w$]*$/.test(text) ? text : undefined;
}
