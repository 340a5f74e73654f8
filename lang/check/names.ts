/**
 * Statements and recipes, as far as no target is needed: what is called, set, applied and rolled
 * back to exists, words stand where they may, constants are of the kind that is wanted.
 */
import type {
  ApplyStatement,
  Block,
  Expression,
  InvocationExpression,
  Name,
  RecipeDeclaration,
  RollbackStatement,
  Statement,
  TaintClause,
} from "../ast.js";
import { builtins } from "../builtins.js";
import { diagnose } from "../diagnostics/codes.js";
import type { Diagnostic, Note } from "../diagnostics/diagnostic.js";
import { didYouMean } from "../diagnostics/suggest.js";
import { statementKeywords } from "../keywords.js";
import { textOf, type Span } from "../source.js";
import { expressionParts, statementBlocks, statementExpressions } from "../walk.js";
import type { ConstantValue } from "./checked.js";
import type { Constants } from "./constants.js";
import type { LoadedFile } from "./imports.js";
import { isAssignable, plainName, type RecipeFacts } from "./recipes.js";
import { duplicate, Names, refuseValueWord, type Scope } from "./scope.js";
import { StaticExpressions } from "./statics.js";

interface Surroundings {
  readonly inLoop: boolean;
  readonly inRecipe: boolean;
  /** In a taint's check or recovery: updates stay as they are there. */
  readonly inTaint: boolean;
  /** Of the recipe around it: one may stand for an update of the caller's. */
  readonly parameters: Names;
  /** Names of the script's own variables here: they hide constants. */
  readonly variables: Names;
}

/** What the checks of one file need to know. */
export interface NameContext {
  readonly scope: Scope;
  readonly constants: Constants;
  readonly recipes: RecipeFacts;
  /** Filled with the values of constant expressions. */
  readonly values: Map<Expression, ConstantValue>;
  readonly diagnostics: Diagnostic[];
}

/** Checks all statements of a file: at top level, in recipes, in taints. */
export function checkNames(file: LoadedFile, context: NameContext): void {
  const checker = new NameChecker(context);
  const outside: Surroundings = {
    inLoop: false,
    inRecipe: false,
    inTaint: false,
    parameters: new Names(),
    variables: new Names(),
  };
  const top: Statement[] = [];
  for (const item of file.script?.items ?? []) {
    switch (item.kind) {
      case "import":
        break;
      case "const":
        // Evaluated, and refused if it is not constant, by `constants.ts`.
        break;
      case "recipe":
        checker.recipe(item, outside);
        break;
      case "update":
        for (const clause of item.items) {
          if (clause.kind === "taint") checker.taint(clause, outside);
        }
        break;
      default:
        top.push(item);
    }
  }
  checker.statements(top, outside);
}

class NameChecker {
  readonly scope: Scope;
  readonly diagnostics: Diagnostic[];
  readonly recipes: RecipeFacts;
  readonly statics: StaticExpressions;

  constructor({ scope, constants, recipes, values, diagnostics }: NameContext) {
    this.scope = scope;
    this.diagnostics = diagnostics;
    this.recipes = recipes;
    this.statics = new StaticExpressions(scope, constants, values);
  }

  taint(taint: TaintClause, outside: Surroundings): void {
    const around = { ...outside, inTaint: true };
    for (const part of taint.items) {
      if (part.kind === "recover") this.block(part.body, around);
      else if (part.kind === "check") {
        this.expression(part.condition, around);
        this.statics.condition(part.condition, around.variables);
      }
    }
  }

  recipe(recipe: RecipeDeclaration, outside: Surroundings): void {
    const parameters = new Map<string, Name>();
    for (const parameter of recipe.parameters) {
      const first = parameters.get(parameter.text);
      if (first === undefined) parameters.set(parameter.text, parameter);
      else this.diagnostics.push(duplicate("parameter", parameter, first));
      refuseValueWord(parameter, this.diagnostics);
    }
    const names = new Names(outside.variables, parameters.keys());
    this.block(recipe.body, { ...outside, inRecipe: true, parameters: names, variables: names });
  }

  block(block: Block, around: Surroundings): void {
    this.statements(block.statements, around);
  }

  statements(statements: readonly Statement[], around: Surroundings): void {
    const variables = new Names(around.variables);
    const inside = { ...around, variables };
    const declared = new Map<string, Name>();
    for (const statement of statements) {
      this.#statement(statement, inside);
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
    if (statement.kind === "recipe-statement") this.#recipeStatement(statement.invocation, around);
    else for (const part of statementExpressions(statement)) this.expression(part, around);
    this.#kinds(statement, around.variables);
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
        this.#notInTaint(statement.span, around);
        if (!around.parameters.has(statement.update.text)) this.#update(statement.update);
        break;
      case "rollback":
        this.#notInTaint(statement.span, around);
        if (!around.parameters.has(statement.update.text)) {
          this.#point(statement.update, statement.point);
        }
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
    const variables =
      statement.kind === "for"
        ? new Names(around.variables, [statement.name.text])
        : around.variables;
    for (const block of statementBlocks(statement)) {
      this.block(block, { ...around, inLoop: true, variables });
    }
  }

  /** Constants in a statement's expressions make sense and are of the kind that it wants. */
  #kinds(statement: Statement, variables: Names): void {
    const { statics } = this;
    switch (statement.kind) {
      case "assert":
      case "if":
      case "while":
        return statics.condition(statement.condition, variables);
      case "for":
        return statics.iterable(statement.iterable, variables);
      case "sleep":
        return statics.duration(statement.duration, variables);
      case "wait":
        statics.condition(statement.condition, variables);
        return statics.duration(statement.within, variables);
      default:
        for (const part of statementExpressions(statement)) statics.value(part, variables);
    }
  }

  #notInTaint(span: Span, around: Surroundings, called?: Span): void {
    if (!around.inTaint) return;
    const notes = called === undefined ? [] : [{ message: "it does so here", span: called }];
    this.#report(diagnose("changes-updates", span, undefined, { notes }));
  }

  /** Only names that must be the script's own: all others may be the target's. */
  expression(expression: Expression, around: Surroundings): void {
    if (expression.kind === "invocation") this.#invocation(expression, around);
    for (const part of expressionParts(expression)) this.expression(part, around);
  }

  #invocation(invocation: InvocationExpression, around: Surroundings): void {
    const { name } = invocation;
    const builtin = builtins.get(name.text);
    if (builtin !== undefined) {
      this.#arguments("built-in function", invocation, builtin.parameters.length);
      return;
    }
    const recipe = this.scope.recipes.get(name.text);
    if (recipe !== undefined) {
      this.#recipeCall(invocation, recipe, around);
      if (!this.recipes.of(recipe).returnsValue) {
        const notes = [{ message: "it is declared here", span: recipe.name.span }];
        this.#report(diagnose("no-value", invocation.span, { name: name.text }, { notes }));
      }
      return;
    }
    if (!this.scope.complete) return;
    const known = [...builtins.keys(), ...this.scope.recipes.keys()];
    const suggestion =
      didYouMean(name.text, known) ??
      `a function of the target is run by \`call ${textOf(invocation.span)}\``;
    this.#report(diagnose("unknown-function", name.span, { name: name.text }, { suggestion }));
  }

  #recipeStatement(invocation: InvocationExpression, around: Surroundings): void {
    const { name } = invocation;
    for (const part of invocation.arguments) this.expression(part, around);
    const recipe = this.scope.recipes.get(name.text);
    if (recipe !== undefined) {
      this.#recipeCall(invocation, recipe, around);
      return;
    }
    if (!this.scope.complete) return;
    const suggestion = builtins.has(name.text)
      ? `\`${name.text}\` only gives a value: \`print ${textOf(invocation.span)}\``
      : (didYouMean(name.text, [...this.scope.recipes.keys(), ...statementKeywords]) ??
        `a function of the target is run by \`call ${textOf(invocation.span)}\``);
    this.#report(diagnose("unknown-recipe", name.span, { name: name.text }, { suggestion }));
  }

  #recipeCall(
    invocation: InvocationExpression,
    recipe: RecipeDeclaration,
    around: Surroundings,
  ): void {
    this.#arguments("recipe", invocation, recipe.parameters.length, recipe);
    if (invocation.arguments.length !== recipe.parameters.length) return;
    const { sets, changesUpdates, updates } = this.recipes.of(recipe);
    if (changesUpdates !== undefined) this.#notInTaint(invocation.span, around, changesUpdates);
    recipe.parameters.forEach((parameter, index) => {
      const argument = invocation.arguments[index];
      const at = sets.get(parameter.text);
      if (argument !== undefined && at !== undefined) {
        this.#assignable(argument, around, [{ message: "the recipe sets it here", span: at }]);
      }
      const used = updates.get(parameter.text) ?? [];
      if (argument !== undefined && used.length > 0) this.#updateArgument(argument, used, around);
    });
  }

  /** What is given for a parameter that the recipe applies or rolls back. */
  #updateArgument(
    argument: Expression,
    used: readonly (ApplyStatement | RollbackStatement)[],
    around: Surroundings,
  ): void {
    const text = plainName(argument);
    if (text !== undefined && around.parameters.has(text)) return;
    const [first] = used;
    const notes = used.slice(0, 1).map(({ span }) => ({
      message:
        first?.kind === "apply" ? "the recipe applies it here" : "the recipe rolls it back here",
      span,
    }));
    if (text === undefined) {
      this.#report(diagnose("not-an-update", argument.span, undefined, { notes }));
      return;
    }
    const name: Name = { kind: "name", text, span: argument.span };
    if (!this.#update(name, notes)) return;
    for (const statement of used) {
      if (statement.kind === "rollback") this.#point(name, statement.point, argument.span);
    }
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

  #assignable(place: Expression, around: Surroundings, notes: readonly Note[] = []): void {
    if (!isAssignable(place)) {
      this.#report(diagnose("not-assignable", place.span, undefined, { notes }));
      return;
    }
    const name = plainName(place);
    const constant = name === undefined ? undefined : this.scope.constants.get(name);
    if (name === undefined || constant === undefined || around.variables.has(name)) return;
    const declared = { message: "it is declared here", span: constant.name.span };
    let inner = place;
    while (inner.kind === "parenthesized") inner = inner.expression;
    this.#report(
      diagnose("constant-assignment", inner.span, { name }, { notes: [declared, ...notes] }),
    );
  }

  #update(name: Name, notes: readonly Note[] = []): boolean {
    if (this.scope.updates.has(name.text)) return true;
    if (!this.scope.complete) return false;
    const suggestion = didYouMean(name.text, this.scope.updates.keys());
    this.#report(diagnose("unknown-update", name.span, { name: name.text }, { suggestion, notes }));
    return false;
  }

  /** @param argument where a recipe gets the update that it rolls back to the point */
  #point(name: Name, point: Name, argument?: Span): void {
    if (!this.#update(name)) return;
    const points = ["start"];
    for (const clause of this.scope.updates.get(name.text)?.items ?? []) {
      if (clause.kind === "rollback-point") points.push(clause.name.text);
    }
    if (points.includes(point.text)) return;
    const suggestion = didYouMean(point.text, points);
    const args = { name: point.text, update: name.text };
    if (argument === undefined) {
      this.#report(diagnose("unknown-point", point.span, args, { suggestion }));
      return;
    }
    const notes = [{ message: "the recipe rolls back to it here", span: point.span }];
    this.#report(diagnose("unknown-point", argument, args, { notes }));
  }

  #report(diagnostic: Diagnostic): void {
    this.diagnostics.push(diagnostic);
  }
}
