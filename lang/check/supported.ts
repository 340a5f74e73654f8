/**
 * What parses and is checked but not executed in this release. Each row is one thing
 * that is refused; making it work ends with deleting its row.
 */
import type {
  DataItem,
  Expression,
  Item,
  RecipeDeclaration,
  Statement,
  TaintClause,
} from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import type { Diagnostic, Note } from "../diagnostics/diagnostic.js";
import { didYouMean } from "../diagnostics/suggest.js";
import { firstWord, joinSpans, type Span } from "../source.js";
import { expressionParts } from "../walk.js";
import type { Scope } from "./scope.js";

type Declared = RecipeDeclaration | TaintClause | DataItem;

const declarations: Partial<Record<Declared["kind"], string>> = {
  recipe: "recipes",
  taint: "taints",
  data: "data items",
};

const statements: Partial<Record<Statement["kind"], string>> = {
  set: "`set`",
  let: "`let`",
  assert: "`assert`",
  if: "`if`",
  while: "`while`",
  for: "`for`",
  break: "`break`",
  continue: "`continue`",
  sleep: "`sleep`",
  wait: "`wait until`",
  "call-statement": "`call`",
  "recipe-statement": "recipes",
  return: "`return`",
  fail: "`fail`",
  warn: "`warn`",
  "expression-statement": "expressions as statements",
};

const expressions: Partial<Record<Expression["kind"], string>> = {
  variable: "variables of the target",
  member: "variables of the target",
  index: "variables of the target",
  cast: "casts",
  sizeof: "`sizeof`",
  call: "`call`",
  invocation: "built-in functions and recipes",
};

const unaryOperators: Partial<Record<string, string>> = {
  "*": "what a pointer leads to",
  "&": "addresses of variables",
};

/** Reports everything in an expression that only a later release evaluates. */
export function refuseExpressions(
  expression: Expression,
  scope: Scope,
  refuse: (what: string, span: Span, suggestion?: string) => void,
): void {
  if (isConstantName(expression, scope)) return;
  // It may be a constant of an import that failed, which was said already.
  if (expression.kind === "variable" && !scope.complete) return;
  const what =
    expression.kind === "unary"
      ? unaryOperators[expression.operator]
      : expressions[expression.kind];
  if (what === undefined) {
    for (const part of expressionParts(expression)) refuseExpressions(part, scope, refuse);
    return;
  }
  const suggestion =
    expression.kind === "variable"
      ? didYouMean(expression.name.text, scope.constants.keys())
      : undefined;
  refuse(what, expression.span, suggestion);
}

function isConstantName(expression: Expression, scope: Scope): boolean {
  return (
    expression.kind === "variable" &&
    expression.function === undefined &&
    expression.place === undefined &&
    scope.constants.has(expression.name.text)
  );
}

/** Reports everything in a file's items that cannot be executed yet, each once, outermost only. */
export function checkSupported(
  items: readonly Item[],
  scope: Scope,
  diagnostics: Diagnostic[],
  /** For an imported file: where it is imported. */
  notes: readonly Note[] = [],
): void {
  const refuse = (what: string, span: Span, suggestion?: string): void => {
    diagnostics.push(diagnose("not-supported", span, { what }, { notes, suggestion }));
  };
  const refuseDeclaration = (declaration: Declared): void => {
    const what = declarations[declaration.kind];
    const span = joinSpans(firstWord(declaration.span), declaration.name.span);
    if (what !== undefined) refuse(what, span);
  };
  for (const item of items) {
    switch (item.kind) {
      case "import":
      case "const":
        break;
      case "recipe":
        refuseDeclaration(item);
        break;
      case "update":
        for (const clause of item.items) {
          if (clause.kind === "taint") refuseDeclaration(clause);
          if (clause.kind !== "patch") continue;
          for (const part of clause.items) if (part.kind === "data") refuseDeclaration(part);
        }
        break;
      default: {
        const what = statements[item.kind];
        if (what !== undefined) refuse(what, firstWord(item.span));
        else if (item.kind === "print") {
          for (const part of item.values) refuseExpressions(part, scope, refuse);
        }
      }
    }
  }
}
