/** The statements that a script may come to, those of the recipes that it runs included. */
import type { Expression, InvocationExpression, Statement } from "../../lang/ast.js";
import type {
  CheckedRecipe,
  CheckedScope,
  CheckedScript,
  CheckedUpdate,
} from "../../lang/check/checked.js";
import { plainName } from "../../lang/check/recipes.js";
import { allStatements, expressionParts, statementExpressions } from "../../lang/walk.js";

/** The names that statements are read with. */
export interface Names {
  readonly scope: CheckedScope;
  /** Of the recipe around them: the update that each stands for, if it stands for one. */
  readonly parameters: ReadonlyMap<string, CheckedUpdate | undefined>;
}

export interface NamedStatement {
  readonly statement: Statement;
  readonly names: Names;
}

/** The update that a name stands for: a parameter's first, then one that the file sees. */
export function updateNamed(name: string, names: Names): CheckedUpdate | undefined {
  const { parameters, scope } = names;
  return parameters.has(name) ? parameters.get(name) : scope.updates.get(name);
}

/**
 * Each statement once for every choice of updates that its recipe's parameters stand for, in order
 * of first use; taints are the updates' own and not among them.
 */
export function reachableStatements(script: CheckedScript): readonly NamedStatement[] {
  const found: NamedStatement[] = [];
  const entered = new Map<Statement, Set<string>>();
  const visitExpression = (expression: Expression, names: Names): void => {
    for (const part of expressionParts(expression)) visitExpression(part, names);
    if (expression.kind !== "invocation") return;
    const recipe = names.scope.recipes.get(expression.name.text);
    if (recipe === undefined) return;
    const inner = { scope: recipe.scope, parameters: passedUpdates(expression, recipe, names) };
    visit(recipe.declaration.body.statements, inner);
  };
  const visit = (statements: readonly Statement[], names: Names): void => {
    const choice = choiceOf(names);
    for (const statement of allStatements(statements)) {
      const choices = entered.get(statement) ?? new Set();
      if (choices.has(choice)) continue;
      entered.set(statement, choices.add(choice));
      found.push({ statement, names });
      for (const part of statementExpressions(statement)) visitExpression(part, names);
    }
  };
  visit(script.statements, { scope: script.scope, parameters: new Map() });
  return found;
}

function passedUpdates(
  invocation: InvocationExpression,
  recipe: CheckedRecipe,
  names: Names,
): Names["parameters"] {
  return new Map(
    recipe.parameters.map((parameter, index) => {
      const argument = invocation.arguments[index];
      const name = argument === undefined ? undefined : plainName(argument);
      return [parameter, name === undefined ? undefined : updateNamed(name, names)];
    }),
  );
}

/** Tells choices of updates apart; there are no two updates of one name in one file. */
function choiceOf({ parameters }: Names): string {
  return JSON.stringify(
    [...parameters].map(([, update]) => update && [update.span.file.path, update.name]),
  );
}
