/** Names in statements and recipes: what is called, set, applied and rolled back to exists. */
import type {
  Block,
  Expression,
  InvocationExpression,
  Name,
  RecipeDeclaration,
  Statement,
} from "../ast.js";
import { builtins } from "../builtins.js";
import { diagnose } from "../diagnostics/codes.js";
import type { Diagnostic } from "../diagnostics/diagnostic.js";
import { didYouMean } from "../diagnostics/suggest.js";
import { statementKeywords } from "../keywords.js";
import { textOf } from "../source.js";
import { expressionParts, statementBlocks, statementExpressions } from "../walk.js";
import type { LoadedFile } from "./imports.js";
import { duplicate, refuseValueWord, type Scope } from "./scope.js";

interface Surroundings {
  readonly inLoop: boolean;
  readonly inRecipe: boolean;
  /** Names of the script's own variables here: they hide constants. */
  readonly variables: ReadonlySet<string>;
}

/** Checks all statements of a file: at top level, in recipes, in taints' recoveries. */
export function checkNames(file: LoadedFile, scope: Scope, diagnostics: Diagnostic[]): void {
  const checker = new NameChecker(scope, diagnostics);
  const outside: Surroundings = { inLoop: false, inRecipe: false, variables: new Set() };
  const top: Statement[] = [];
  for (const item of file.script?.items ?? []) {
    switch (item.kind) {
      case "import":
        break;
      case "const":
        // Evaluated, and refused if it is not constant, by `constants.ts`.
        break;
      case "recipe":
        checker.recipe(item);
        break;
      case "update":
        for (const clause of item.items) {
          if (clause.kind !== "taint") continue;
          for (const part of clause.items) {
            if (part.kind === "recover") checker.block(part.body, outside);
            else if (part.kind === "check") checker.expression(part.condition);
          }
        }
        break;
      default:
        top.push(item);
    }
  }
  checker.statements(top, outside);
}

class NameChecker {
  constructor(
    readonly scope: Scope,
    readonly diagnostics: Diagnostic[],
  ) {}

  recipe(recipe: RecipeDeclaration): void {
    const parameters = new Map<string, Name>();
    for (const parameter of recipe.parameters) {
      const first = parameters.get(parameter.text);
      if (first === undefined) parameters.set(parameter.text, parameter);
      else this.diagnostics.push(duplicate("parameter", parameter, first));
      refuseValueWord(parameter, this.diagnostics);
    }
    const variables = new Set(parameters.keys());
    this.block(recipe.body, { inLoop: false, inRecipe: true, variables });
  }

  block(block: Block, around: Surroundings): void {
    this.statements(block.statements, around);
  }

  statements(statements: readonly Statement[], around: Surroundings): void {
    const variables = new Set(around.variables);
    const declared = new Map<string, Name>();
    for (const statement of statements) {
      this.#statement(statement, { ...around, variables });
      if (statement.kind !== "let") continue;
      const { name } = statement;
      const first = declared.get(name.text);
      if (first !== undefined) this.diagnostics.push(duplicate("variable", name, first));
      else declared.set(name.text, name);
      refuseValueWord(name, this.diagnostics);
      variables.add(name.text);
    }
  }

  #statement(statement: Statement, around: Surroundings): void {
    if (statement.kind === "recipe-statement") this.#recipeStatement(statement.invocation);
    else for (const part of statementExpressions(statement)) this.expression(part);
    switch (statement.kind) {
      case "set":
        this.#assignable(statement.place, around);
        break;
      case "break":
      case "continue":
        if (!around.inLoop) {
          this.#report(diagnose("outside-loop", statement.span, { word: statement.kind }));
        }
        break;
      case "return":
        if (!around.inRecipe) {
          this.#report(diagnose("outside-recipe", statement.span, undefined));
        }
        break;
      case "for":
        refuseValueWord(statement.name, this.diagnostics);
        break;
      case "apply":
        this.#update(statement.update);
        break;
      case "rollback":
        this.#point(statement.update, statement.point);
        break;
      case "if": {
        const { whenTrue, whenFalse } = statement;
        this.block(whenTrue, around);
        // An `else if` is a statement of its own: its condition has names too.
        if (whenFalse?.kind === "if") this.#statement(whenFalse, around);
        else if (whenFalse !== undefined) this.block(whenFalse, around);
        return;
      }
    }
    const inner: Surroundings =
      statement.kind === "for"
        ? {
            ...around,
            inLoop: true,
            variables: new Set([...around.variables, statement.name.text]),
          }
        : { ...around, inLoop: around.inLoop || statement.kind === "while" };
    for (const block of statementBlocks(statement)) this.block(block, inner);
  }

  /** Only names that must be the script's own: all others may be the target's. */
  expression(expression: Expression): void {
    if (expression.kind === "invocation") this.#invocation(expression);
    for (const part of expressionParts(expression)) this.expression(part);
  }

  #invocation(invocation: InvocationExpression): void {
    const { name } = invocation;
    const builtin = builtins.get(name.text);
    if (builtin !== undefined) {
      this.#arguments("built-in function", invocation, builtin.parameters.length);
      return;
    }
    const recipe = this.scope.recipes.get(name.text);
    if (recipe !== undefined) {
      this.#arguments("recipe", invocation, recipe.parameters.length, recipe);
      return;
    }
    if (!this.scope.complete) return;
    const known = [...builtins.keys(), ...this.scope.recipes.keys()];
    const suggestion =
      didYouMean(name.text, known) ??
      `a function of the target is run by \`call ${textOf(invocation.span)}\``;
    this.#report(diagnose("unknown-function", name.span, { name: name.text }, { suggestion }));
  }

  #recipeStatement(invocation: InvocationExpression): void {
    const { name } = invocation;
    for (const part of invocation.arguments) this.expression(part);
    const recipe = this.scope.recipes.get(name.text);
    if (recipe !== undefined) {
      this.#arguments("recipe", invocation, recipe.parameters.length, recipe);
      return;
    }
    if (!this.scope.complete) return;
    const suggestion = builtins.has(name.text)
      ? `\`${name.text}\` only gives a value: \`print ${textOf(invocation.span)}\``
      : (didYouMean(name.text, [...this.scope.recipes.keys(), ...statementKeywords]) ??
        `a function of the target is run by \`call ${textOf(invocation.span)}\``);
    this.#report(diagnose("unknown-recipe", name.span, { name: name.text }, { suggestion }));
  }

  #arguments(
    what: string,
    invocation: InvocationExpression,
    expected: number,
    recipe?: RecipeDeclaration,
  ): void {
    const given = invocation.arguments.length;
    if (given === expected) return;
    const name = invocation.name.text;
    const notes =
      recipe === undefined ? [] : [{ message: "it is declared here", span: recipe.name.span }];
    this.#report(
      diagnose("wrong-arguments", invocation.span, { what, name, expected, given }, { notes }),
    );
  }

  #assignable(place: Expression, around: Surroundings): void {
    let inner = place;
    while (inner.kind === "parenthesized") inner = inner.expression;
    const writable =
      inner.kind === "variable" ||
      inner.kind === "member" ||
      inner.kind === "index" ||
      (inner.kind === "unary" && inner.operator === "*");
    if (!writable) {
      this.#report(diagnose("not-assignable", place.span, undefined));
      return;
    }
    if (inner.kind !== "variable" || inner.function !== undefined || inner.place !== undefined) {
      return;
    }
    const { text } = inner.name;
    const constant = this.scope.constants.get(text);
    if (constant === undefined || around.variables.has(text)) return;
    const notes = [{ message: "it is declared here", span: constant.name.span }];
    this.#report(diagnose("constant-assignment", inner.span, { name: text }, { notes }));
  }

  #update(name: Name): boolean {
    if (this.scope.updates.has(name.text)) return true;
    if (!this.scope.complete) return false;
    const suggestion = didYouMean(name.text, this.scope.updates.keys());
    this.#report(diagnose("unknown-update", name.span, { name: name.text }, { suggestion }));
    return false;
  }

  #point(name: Name, point: Name): void {
    if (!this.#update(name)) return;
    const points = ["start"];
    for (const clause of this.scope.updates.get(name.text)?.items ?? []) {
      if (clause.kind === "rollback-point") points.push(clause.name.text);
    }
    if (points.includes(point.text)) return;
    const suggestion = didYouMean(point.text, points);
    const args = { name: point.text, update: name.text };
    this.#report(diagnose("unknown-point", point.span, args, { suggestion }));
  }

  #report(diagnostic: Diagnostic): void {
    this.diagnostics.push(diagnostic);
  }
}
