/**
 * Looks at the statements, recipes and taints of a script with a program's names and types, as
 * `polus check` does it: nothing runs, every branch is looked at, and each place is told once.
 */
import type { Block, InvocationExpression, Statement } from "../../lang/ast.js";
import type { CheckedScope, CheckedScript } from "../../lang/check/checked.js";
import type { Diagnostic } from "../../lang/diagnostics/diagnostic.js";
import type { ProgramNames } from "../../native/engine.js";
import type { Plan, UpdatePlan } from "../plan/plan.js";
import { typeText } from "../values/c_types.js";
import type { Environment } from "../values/environment.js";
import { EvaluationError } from "../values/evaluation_error.js";
import { isIntegral } from "../values/scalars.js";
import { constantIsSet, ownVariable } from "../values/script_variables.js";
import { TypedExpressions } from "../values/typed_expressions.js";
import type { Value } from "../values/value.js";
import { ScriptError, type RecipeCall } from "./script_error.js";
import { TypedNames, Unknowable, unknown } from "./typed_names.js";

const deepestRecipes = 20;
/** Loops inside loops whose bodies are looked at twice. */
const deepestLoops = 4;

/** Where statements stand. */
interface Frame {
  readonly scope: CheckedScope;
  readonly names: TypedNames;
  readonly calls: readonly RecipeCall[];
  readonly loops: number;
  /** What the recipe returns, as far as it is known. */
  readonly returns: (Value | typeof unknown)[];
}

/** The names that the statements of an update's taints see, or those of the script (`null`). */
export type NamesFor = (update: UpdatePlan | null) => ProgramNames;

/** Everything that a program says against a script's statements and taints. */
export function typeCheck(plan: Plan, namesFor: NamesFor): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  const told = new Set<string>();
  const tell = (error: ScriptError): void => {
    const key = JSON.stringify([
      [error.span, ...error.calls.map(({ span }) => span)].map((span) => [
        span.file.path,
        span.start,
      ]),
      error.message,
    ]);
    if (told.has(key)) return;
    told.add(key);
    found.push(error.diagnostic(false));
  };
  checkStatements(plan.script, new StatementTypes(namesFor(null), tell));
  for (const update of plan.updates) {
    if (!update.applied || update.checked.taints.length === 0) continue;
    new StatementTypes(namesFor(update), tell).taints(update);
  }
  return found;
}

function checkStatements({ statements, scope }: CheckedScript, types: StatementTypes): void {
  if (statements.length > 0) types.top(statements, scope);
}

class StatementTypes {
  private readonly expressions: TypedExpressions;
  private readonly frames = new WeakMap<Environment, Frame>();
  /** In the first of two looks at a loop nothing is told. */
  private silent = 0;

  constructor(
    program: ProgramNames,
    private readonly tell: (error: ScriptError) => void,
  ) {
    this.expressions = new TypedExpressions(program, (node, environment) =>
      this.recipeValue(node, environment),
    );
  }

  top(statements: readonly Statement[], scope: CheckedScope): void {
    this.statements(statements, this.outermost(scope));
  }

  taints({ checked }: UpdatePlan): void {
    for (const { check, recover } of checked.taints) {
      const frame = this.outermost(checked.scope);
      this.attempt(frame, () => this.expressions.truth(check, frame.names));
      if (recover !== undefined) this.block(recover, frame);
    }
  }

  private outermost(scope: CheckedScope): Frame {
    return this.known({ scope, names: new TypedNames(scope), calls: [], loops: 0, returns: [] });
  }

  private known(frame: Frame): Frame {
    this.frames.set(frame.names, frame);
    return frame;
  }

  private statements(statements: readonly Statement[], frame: Frame): void {
    for (const statement of statements) this.statement(statement, frame);
  }

  private block(block: Block, frame: Frame, names: Readonly<Record<string, Value>> = {}): void {
    const inner = this.known({ ...frame, names: new TypedNames(frame.names) });
    for (const [name, value] of Object.entries(names)) inner.names.declare(name, value);
    this.statements(block.statements, inner);
  }

  /** A body that may run again with what it has set: what holds the second time is what counts. */
  private loop(body: Block, frame: Frame, names: Readonly<Record<string, Value>> = {}): void {
    const inner = { ...frame, loops: frame.loops + 1 };
    if (inner.loops <= deepestLoops) {
      this.silent++;
      this.block(body, inner, names);
      this.silent--;
    }
    this.block(body, inner, names);
  }

  /** Tells what is wrong; `null` then, and where nothing is known. */
  private attempt<T>(frame: Frame, work: () => T): T | null {
    try {
      return work();
    } catch (error) {
      if (error instanceof Unknowable) return null;
      if (!(error instanceof EvaluationError)) throw error;
      if (this.silent === 0) {
        const { code, message, span, suggestion } = error;
        const calls = frame.calls;
        this.tell(
          new ScriptError({ code, message, span, suggestion, kind: "refused" }, calls, null),
        );
      }
      return null;
    }
  }

  private statement(statement: Statement, frame: Frame): void {
    const { expressions } = this;
    const { names } = frame;
    const attempt = <T>(work: () => T): T | null => this.attempt(frame, work);
    switch (statement.kind) {
      case "set":
        attempt(() => this.set(statement, frame));
        return;
      case "let": {
        const value = attempt(() => expressions.value(statement.value, names));
        names.declare(statement.name.text, value ?? unknown);
        return;
      }
      case "print":
        for (const value of statement.values) attempt(() => expressions.value(value, names));
        return;
      case "expression-statement":
        attempt(() => expressions.value(statement.expression, names));
        return;
      case "assert":
        attempt(() => expressions.truth(statement.condition, names));
        return;
      case "if": {
        attempt(() => expressions.truth(statement.condition, names));
        this.block(statement.whenTrue, frame);
        const { whenFalse } = statement;
        if (whenFalse?.kind === "if") this.statement(whenFalse, frame);
        else if (whenFalse !== undefined) this.block(whenFalse, frame);
        return;
      }
      case "while":
        this.loop(statement.body, frame);
        attempt(() => expressions.truth(statement.condition, names));
        return;
      case "for": {
        const item = attempt(() => expressions.item(statement.iterable, names));
        if (item !== null) this.loop(statement.body, frame, { [statement.name.text]: item });
        return;
      }
      case "return": {
        const { value } = statement;
        if (value !== undefined)
          frame.returns.push(attempt(() => expressions.value(value, names)) ?? unknown);
        return;
      }
      case "sleep":
        attempt(() => expressions.duration(statement.duration, names));
        return;
      case "wait":
        attempt(() => expressions.truth(statement.condition, names));
        attempt(() => expressions.duration(statement.within, names));
        return;
      case "call-statement":
        attempt(() => expressions.value(statement.call, names));
        return;
      case "recipe-statement":
        this.invoke(statement.invocation, frame);
        return;
      case "break":
      case "continue":
      case "apply":
      case "rollback":
      case "warn":
      case "fail":
        return;
    }
  }

  private set({ place, value }: Extract<Statement, { kind: "set" }>, { names }: Frame): void {
    const variable = ownVariable(place, names);
    if (variable === "constant") throw constantIsSet(place);
    if (variable === null) return this.expressions.assignment(place, value, names);
    const given = this.expressions.value(value, names);
    names.assign(variable, given, isSameKind(variable.value as Value, given));
  }

  private invoke(
    invocation: InvocationExpression,
    frame: Frame,
  ): readonly Frame["returns"][number][] {
    const recipe = frame.scope.recipes.get(invocation.name.text);
    if (recipe === undefined) throw new Error(`no recipe ${invocation.name.text} was checked`);
    const calls = [...frame.calls, { recipe: recipe.name, span: invocation.span }];
    if (calls.length > deepestRecipes) return [unknown];
    const names = new TypedNames(recipe.scope);
    recipe.parameters.forEach((parameter, index) => {
      const expression = invocation.arguments[index];
      if (expression === undefined) return;
      names.bind(parameter, { kind: "parameter", expression, environment: frame.names });
    });
    const { loops } = frame;
    const inner = this.known({ scope: recipe.scope, names, calls, loops, returns: [] });
    this.block(recipe.declaration.body, inner);
    return inner.returns;
  }

  private recipeValue(node: InvocationExpression, environment: Environment): Value {
    const frame = this.frames.get(environment);
    if (frame === undefined) throw new Error("an expression has an unknown environment");
    const returned = this.invoke(node, frame);
    const [first] = returned;
    if (first === undefined) {
      throw new EvaluationError(
        "no-value",
        node.span,
        `recipe \`${node.name.text}\` returns no value`,
        { suggestion: "it needs `return EXPR`" },
      );
    }
    if (first === unknown) throw new Unknowable();
    for (const other of returned) {
      if (other === unknown || !isSameKind(first, other)) throw new Unknowable();
    }
    return first;
  }
}

/** True if what is known of one value holds of the other. */
function isSameKind(left: Value, right: Value): boolean {
  if (left.kind !== right.kind) return false;
  if (left.kind === "c" && right.kind === "c") {
    if (isIntegral(left.type) && isIntegral(right.type)) return true;
    return typeText(left.type) === typeText(right.type);
  }
  if (left.kind === "record" && right.kind === "record") return left.name === right.name;
  if (left.kind === "list" && right.kind === "list") {
    const [a, b] = [left.items[0], right.items[0]];
    return a === undefined || b === undefined || isSameKind(a, b);
  }
  return true;
}
