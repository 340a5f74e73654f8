/** What a recipe's body says about its calls: whether it gives a value, what it sets, whether it applies. */
import type {
  ApplyStatement,
  Expression,
  InvocationExpression,
  RecipeDeclaration,
  RollbackStatement,
} from "../ast.js";
import type { SourceFile, Span } from "../source.js";
import { allStatements, expressionParts, statementExpressions } from "../walk.js";
import type { Scope } from "./scope.js";

interface Facts {
  readonly returnsValue: boolean;
  /** By parameter: where the body sets it. */
  readonly sets: ReadonlyMap<string, Span>;
  /** Where it applies an update or rolls one back. */
  readonly changesUpdates: Span | undefined;
  /** By parameter: what the body, or a recipe that it calls, does with the update that it stands for. */
  readonly updates: ReadonlyMap<string, readonly (ApplyStatement | RollbackStatement)[]>;
}

const nothing: Facts = {
  returnsValue: false,
  sets: new Map(),
  changesUpdates: undefined,
  updates: new Map(),
};

export class RecipeFacts {
  readonly #known = new Map<RecipeDeclaration, Facts>();

  /** @param scopes what each file sees: a recipe's body is read with the names of its own file */
  constructor(readonly scopes: ReadonlyMap<SourceFile, Scope>) {}

  of(recipe: RecipeDeclaration): Facts {
    const known = this.#known.get(recipe);
    if (known !== undefined) return known;
    // For a recipe that calls itself what its own statements say is enough.
    this.#known.set(recipe, nothing);
    const facts = this.#find(recipe);
    this.#known.set(recipe, facts);
    return facts;
  }

  #find(recipe: RecipeDeclaration): Facts {
    const parameters = new Set(recipe.parameters.map(({ text }) => text));
    const sets = new Map<string, Span>();
    const updates = new Map<string, (ApplyStatement | RollbackStatement)[]>();
    const uses = (name: string, statement: ApplyStatement | RollbackStatement): void => {
      if (!parameters.has(name)) return;
      const known = updates.get(name);
      if (known === undefined) updates.set(name, [statement]);
      else if (!known.includes(statement)) known.push(statement);
    };
    let returnsValue = false;
    let changesUpdates: Span | undefined;
    const call = (invocation: InvocationExpression): void => {
      const called = this.scopes.get(recipe.span.file)?.recipes.get(invocation.name.text);
      if (called === undefined) return;
      const facts = this.of(called);
      changesUpdates ??= facts.changesUpdates;
      called.parameters.forEach(({ text }, index) => {
        const argument = invocation.arguments[index];
        const at = facts.sets.get(text);
        const name = argument === undefined ? undefined : plainName(argument);
        if (name === undefined) return;
        if (at !== undefined && parameters.has(name)) sets.set(name, at);
        for (const statement of facts.updates.get(text) ?? []) uses(name, statement);
      });
    };
    for (const statement of allStatements(recipe.body.statements)) {
      if (statement.kind === "return" && statement.value !== undefined) returnsValue = true;
      if (statement.kind === "apply" || statement.kind === "rollback") {
        changesUpdates ??= statement.span;
        uses(statement.update.text, statement);
      }
      if (statement.kind === "set") {
        const name = plainName(statement.place);
        if (name !== undefined && parameters.has(name)) sets.set(name, statement.span);
      }
      for (const expression of statementExpressions(statement)) eachInvocation(expression, call);
    }
    return { returnsValue, sets, changesUpdates, updates };
  }
}

export function eachInvocation(
  expression: Expression,
  visit: (invocation: InvocationExpression) => void,
): void {
  if (expression.kind === "invocation") visit(expression);
  for (const part of expressionParts(expression)) eachInvocation(part, visit);
}

/** The name that an expression consists of, in parentheses or not. */
export function plainName(expression: Expression): string | undefined {
  let inner = expression;
  while (inner.kind === "parenthesized") inner = inner.expression;
  if (inner.kind !== "variable") return undefined;
  return inner.function === undefined && inner.place === undefined ? inner.name.text : undefined;
}

/** Whether something can stand on the left of `set`. */
export function isAssignable(expression: Expression): boolean {
  let inner = expression;
  while (inner.kind === "parenthesized") inner = inner.expression;
  return (
    inner.kind === "variable" ||
    inner.kind === "member" ||
    inner.kind === "index" ||
    (inner.kind === "invocation" && inner.name.text === "bytes") ||
    (inner.kind === "unary" && inner.operator === "*")
  );
}
