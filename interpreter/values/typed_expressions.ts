/**
 * Expressions of statements without a process: names and types only. Every pointer leads somewhere,
 * every loop has an element; a value stands for all values of its type.
 */
import type { Expression, InvocationExpression } from "../../lang/ast.js";
import { settleCasts } from "../../lang/casts.js";
import type { ProgramNames } from "../../native/engine.js";
import { memoryWrite } from "./assign.js";
import type { Environment } from "./environment.js";
import { Evaluation } from "./evaluation.js";
import { itemsOf } from "./items.js";
import { Memo } from "./pending.js";
import { notADuration } from "./script_variables.js";
import type { Value } from "./value.js";

export class TypedExpressions {
  constructor(
    private readonly program: ProgramNames,
    /** A value of the type that a recipe returns. */
    private readonly recipe: (node: InvocationExpression, environment: Environment) => Value,
  ) {}

  /** @throws EvaluationError, like everything here */
  value(expression: Expression, environment: Environment): Value {
    return this.evaluate(expression, environment, (evaluation, settled) =>
      evaluation.operand(settled),
    );
  }

  /** Neither holds nor fails to: an error. */
  truth(expression: Expression, environment: Environment): void {
    this.evaluate(expression, environment, (evaluation, settled) => evaluation.truth(settled));
  }

  duration(expression: Expression, environment: Environment): void {
    const value = this.value(expression, environment);
    if (value.kind === "duration") return;
    const { span } = expression;
    throw notADuration(span, value);
  }

  /** What the variable of a `for` holds. */
  item(expression: Expression, environment: Environment): Value {
    return this.evaluate(expression, environment, (evaluation, settled) => {
      const value = evaluation.operand(settled);
      const [first] = itemsOf(evaluation, value, expression.span);
      return first ?? evaluation.byte(0);
    });
  }

  /** What a `set` of the target's memory would write. */
  assignment(place: Expression, value: Expression, environment: Environment): void {
    this.evaluate(place, environment, (evaluation, settled) =>
      memoryWrite(evaluation, settled, this.settled(value, evaluation)),
    );
  }

  private evaluate<T>(
    expression: Expression,
    environment: Environment,
    work: (evaluation: Evaluation, settled: Expression) => T,
  ): T {
    const evaluation: Evaluation = new Evaluation(
      {
        program: this.program,
        view: null,
        inspection: null,
        memo: new Memo(),
        recipe: () => Promise.reject(new Error("there is no process to run a recipe in")),
        recipeType: this.recipe,
        warn: () => undefined,
        ran: () => undefined,
      },
      environment,
      (part): Expression => this.settled(part, evaluation),
    );
    return work(evaluation, this.settled(expression, evaluation));
  }

  private settled(expression: Expression, evaluation: Evaluation): Expression {
    return settleCasts(
      expression,
      (name) =>
        evaluation.environment.lookup(name) === null &&
        this.program.type({ kind: "typedef", name }) !== null,
    );
  }
}
