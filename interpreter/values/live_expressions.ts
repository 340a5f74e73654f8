/** Expressions of statements, evaluated for a live process, each at one moment. */
import type { CallExpression, Expression, InvocationExpression } from "../../lang/ast.js";
import { settleCasts } from "../../lang/casts.js";
import type { Span } from "../../lang/source.js";
import { EngineError, type Inspection } from "../../native/engine.js";
import type { PrintedValue } from "../progress/events.js";
import type { Assignment, Expressions } from "../run/evaluation.js";
import { memoryWrite } from "./assign.js";
import { plain, sizeOf } from "./c_types.js";
import type { Environment } from "./environment.js";
import { Evaluation, type Surroundings } from "./evaluation.js";
import { EvaluationError } from "./evaluation_error.js";
import { itemsOf } from "./items.js";
import { MemoryView } from "./memory_view.js";
import { Memo, Pending } from "./pending.js";
import { usualLimits, ValuePrinter, type PrintLimits } from "./print_value.js";
import { constantIsSet, notADuration, ownVariable } from "./script_variables.js";
import type { Value } from "./value.js";
import { shown } from "./wording.js";

/** How often an evaluation is repeated since memory changed under it. */
const mostRounds = 12;

/** What expressions need of whoever runs the script. */
export interface ExpressionHost {
  /** The process as it is now; asked for each evaluation. */
  inspect(): Promise<Inspection>;
  recipe(node: InvocationExpression, environment: Environment): Promise<object>;
  warn(span: Span, message: string): void;
  /** A function of the target ran, in whole or in part. */
  ran(name: string): void;
  /** Makes the error that the run understands, with the chain of recipes of that environment. */
  error(error: EvaluationError, environment: Environment): Error;
}

export class LiveExpressions implements Expressions {
  private readonly settled = new WeakMap<Expression, Expression>();

  constructor(
    private readonly host: ExpressionHost,
    private readonly limits: PrintLimits = usualLimits,
  ) {}

  value(expression: Expression, environment: Environment): Promise<Value> {
    return this.run(expression, environment, (evaluation, settled) =>
      atHand(evaluation, evaluation.operand(settled), expression.span),
    );
  }

  truth(expression: Expression, environment: Environment): Promise<boolean> {
    return this.run(expression, environment, (evaluation, settled) => evaluation.truth(settled));
  }

  async duration(expression: Expression, environment: Environment): Promise<bigint> {
    const value = await this.value(expression, environment);
    if (value.kind === "duration") return value.nanoseconds;
    throw this.host.error(notADuration(expression.span, value), environment);
  }

  print(expression: Expression, environment: Environment): Promise<PrintedValue> {
    return this.run(expression, environment, (evaluation, settled) => {
      const { view, inspection } = evaluation.around;
      const printer = new ValuePrinter(
        {
          symbolAt: (at) => inspection?.symbolAt(at) ?? null,
          peek: (at, length) => view?.peek(at, length) ?? null,
        },
        this.limits,
      );
      return printer.print(atHand(evaluation, evaluation.operand(settled), expression.span));
    });
  }

  async *items(expression: Expression, environment: Environment): AsyncIterable<Value> {
    const items = await this.run(expression, environment, (evaluation, settled) =>
      itemsOf(evaluation, evaluation.operand(settled), expression.span),
    );
    yield* items;
  }

  async assignment(
    place: Expression,
    value: Expression,
    environment: Environment,
  ): Promise<Assignment> {
    const variable = ownVariable(place, environment);
    if (variable === "constant") throw this.host.error(constantIsSet(place), environment);
    if (variable !== null)
      return { kind: "variable", binding: variable, value: await this.value(value, environment) };
    return this.run(place, environment, (evaluation, settled) => {
      const write = memoryWrite(evaluation, settled, this.settle(value, evaluation));
      const { view, inspection } = evaluation.around;
      const printer = new ValuePrinter(
        {
          symbolAt: (at) => inspection?.symbolAt(at) ?? null,
          peek: (at, length) => view?.peek(at, length) ?? null,
        },
        this.limits,
      );
      const text = (bytes: Uint8Array): string =>
        printer.print(
          evaluation.valueIn(write.type, write.place, Buffer.concat([bytes, write.rest])),
        ).text;
      return {
        kind: "memory",
        address: write.place.address,
        before: write.before,
        after: write.after,
        beforeText: text(write.before),
        afterText: text(write.after),
        shared: write.place.bits !== null,
      };
    });
  }

  call(call: CallExpression, environment: Environment): Promise<Value> {
    return this.value(call, environment);
  }

  // --- one moment ------------------------------------------------------------------------------------

  private settle(expression: Expression, evaluation: Evaluation): Expression {
    let settled = this.settled.get(expression);
    if (settled === undefined) {
      settled = settleCasts(
        expression,
        (name) =>
          evaluation.environment.lookup(name) === null &&
          evaluation.around.program.type({ kind: "typedef", name }) !== null,
      );
      this.settled.set(expression, settled);
    }
    return settled;
  }

  /**
   * Evaluates without holding anybody, then compares all that was read with one held moment; where
   * they differ, evaluates again on that moment. What takes time is done in between.
   */
  private async run<T>(
    expression: Expression,
    environment: Environment,
    body: (evaluation: Evaluation, settled: Expression) => T,
  ): Promise<T> {
    try {
      return await this.settleAndRun(expression, environment, body);
    } catch (error) {
      if (error instanceof EvaluationError) throw this.host.error(error, environment);
      if (error instanceof EngineError && error.kind !== "inconsistent") {
        throw this.host.error(
          new EvaluationError("engine", expression.span, error.message, {
            suggestion: error.details.help,
            refused: error.kind === "refused",
          }),
          environment,
        );
      }
      throw error;
    }
  }

  private async settleAndRun<T>(
    expression: Expression,
    environment: Environment,
    body: (evaluation: Evaluation, settled: Expression) => T,
  ): Promise<T> {
    const inspection = await this.host.inspect();
    const view = new MemoryView(inspection);
    const around: Surroundings = {
      program: inspection,
      view,
      inspection,
      memo: new Memo(),
      recipe: async (node, inner) => (await this.host.recipe(node, inner)) as Value,
      warn: (span, message) => this.host.warn(span, message),
      ran: (name) => this.host.ran(name),
    };
    const evaluation: Evaluation = new Evaluation(around, environment, (part): Expression =>
      this.settle(part, evaluation),
    );
    const attempt = async (): Promise<Attempt<T>> => {
      for (;;) {
        try {
          return { value: body(evaluation, this.settle(expression, evaluation)), error: null };
        } catch (error) {
          if (error instanceof Pending) {
            await error.perform();
            if (error.hasEffect) view.reset();
            continue;
          }
          if (error instanceof EvaluationError) return { value: null, error };
          throw error;
        }
      }
    };
    let attempted = await attempt();
    for (let round = 0; !view.isOneWord && round < mostRounds; round++) {
      const ranges = view.ranges();
      if (ranges === null) {
        this.host.warn(
          expression.span,
          `\`${shown(expression.span)}\` reads so much that the program was not held: parts may be of different moments`,
        );
        break;
      }
      const moment = await inspection.readTogether(ranges);
      if (!moment.held) {
        this.host.warn(
          expression.span,
          `\`${shown(expression.span)}\` was read while a thread could not be held: parts may be of different moments`,
        );
        break;
      }
      if (view.agrees(ranges, moment)) break;
      view.adopt(ranges, moment);
      attempted = await attempt();
      if (view.isOneMoment) break;
      if (round === mostRounds - 1)
        this.host.warn(
          expression.span,
          `\`${shown(expression.span)}\` changes faster than it can be read: parts may be of different moments`,
        );
    }
    if (attempted.error !== null) throw attempted.error;
    return attempted.value;
  }
}

type Attempt<T> =
  | { readonly value: T; readonly error: null }
  | { readonly value: null; readonly error: EvaluationError };

/** A value that no longer needs the process's memory; it keeps its place, so that `&` works on it. */
function atHand(evaluation: Evaluation, value: Value, span: Span): Value {
  if (value.kind !== "c" || value.bytes !== null) return value;
  if (value.place !== null && value.place.bits !== null)
    return evaluation.made(evaluation.scalar(value, span));
  if (plain(value.type).kind === "function") return value;
  // An array of unknown length is as good as a pointer to its first element.
  if (plain(value.type).kind === "array" && sizeOf(value.type) === null)
    return evaluation.made(evaluation.scalar(value, span));
  return { ...value, bytes: evaluation.bytes(value, span) };
}
