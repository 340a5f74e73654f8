/** Runs statements for one process. Updates, which concern several, are the host's. */
import type {
  ApplyStatement,
  AssertStatement,
  Block,
  ForStatement,
  IfStatement,
  InvocationExpression,
  RollbackStatement,
  SetStatement,
  Statement,
  WaitStatement,
  WhileStatement,
} from "../../lang/ast.js";
import type { CheckedScope } from "../../lang/check/checked.js";
import { textOf, type Span } from "../../lang/source.js";
import { formatAddress } from "../../native/address.js";
import type { Inspection } from "../../native/engine.js";
import { diagnose } from "../diagnose.js";
import { formatDuration } from "../values/print.js";
import type { RunContext } from "./context.js";
import type { Assignment, Binding, Environment, Expressions, Value } from "./evaluation.js";
import {
  Interrupted,
  ScriptError,
  type RecipeCall,
  type ScriptErrorParts,
} from "./script_error.js";
import type { Turn } from "./turns.js";
import { hex, type UndoLog, type Write } from "./undo.js";
import { Variables } from "./variables.js";

const mostLoopTurns = 1_000_000;
const deepestRecipes = 100;
/** After so long without one the event loop gets its turn: signals come through it. */
const breathMs = 10;
const firstPollMs = 2;
const longestPollMs = 500;
const pollGrowth = 1.5;
/** How often a `set` begins anew since the place changed under it. */
const mostRetries = 5;

/** How a statement ended. */
export type Completion =
  | { readonly kind: "normal" | "break" | "continue" }
  | { readonly kind: "return"; readonly value: Value | undefined };

const normal: Completion = { kind: "normal" };

/** Where statements run: the names that they see, and who called. */
export interface Frame {
  readonly scope: CheckedScope;
  readonly variables: Variables;
  /** Innermost last. */
  readonly calls: readonly RecipeCall[];
  /** In the recovery of a taint. */
  readonly repair: Write["repair"];
}

/** What statements need of the run that they belong to. */
export interface StatementHost {
  readonly context: RunContext;
  readonly log: UndoLog;
  /** The process as it is now; sessions come and go while a script runs. */
  inspect(pid: number): Promise<Inspection>;
  /** Before a repair is written: the process's record learns of it, so that it can be taken back without us. */
  announce(repair: Write): Promise<void>;
  /** Applies or rolls back, in all processes that have come to this statement. */
  changeUpdates(
    statement: ApplyStatement | RollbackStatement,
    frame: Frame,
    turn: Turn,
  ): Promise<void>;
}

export class StatementRunner {
  private breathed = performance.now();
  /** The frame of each environment: a recipe that an expression runs continues its chain. */
  private readonly frames = new WeakMap<Environment, Frame>();

  constructor(
    private readonly host: StatementHost,
    readonly pid: number,
    private readonly turn: Turn,
    /** Made for this runner: recipes in expressions come back to `recipe`. */
    makeExpressions: (runner: StatementRunner) => Expressions,
  ) {
    this.expressions = makeExpressions(this);
  }

  readonly expressions: Expressions;

  /** A frame at the top level of a file. */
  outermost(
    scope: CheckedScope,
    repair: Write["repair"] = null,
    names?: Map<string, Binding>,
  ): Frame {
    return this.known({ scope, variables: new Variables(scope, names), calls: [], repair });
  }

  /** Runs statements one after another in a frame whose variables they add to. */
  async statements(statements: readonly Statement[], frame: Frame): Promise<Completion> {
    for (const statement of statements) {
      const completion = await this.statement(statement, frame);
      if (completion.kind !== "normal") return completion;
    }
    return normal;
  }

  async block(block: Block, frame: Frame, names: Readonly<Record<string, Value>> = {}) {
    const variables = new Variables(frame.variables);
    for (const [name, value] of Object.entries(names)) variables.declare(name, value);
    return this.statements(block.statements, this.known({ ...frame, variables }));
  }

  /** Whether a condition holds; for the checks of taints. */
  async holds(condition: Parameters<Expressions["truth"]>[0], frame: Frame): Promise<boolean> {
    await this.begin();
    return this.expressions.truth(condition, frame.variables);
  }

  /** Runs a recipe that an expression names, for the value that it returns. */
  async recipe(invocation: InvocationExpression, environment: Environment): Promise<Value> {
    const frame = this.frames.get(environment);
    if (frame === undefined) throw new Error("an expression has an unknown environment");
    const value = await this.invoke(invocation, frame);
    if (value !== undefined) return value;
    throw this.error(frame, {
      code: "no-value",
      message: `recipe \`${invocation.name.text}\` ended without \`return EXPR\``,
      span: invocation.span,
    });
  }

  get context(): RunContext {
    return this.host.context;
  }

  /** The process as it is now. */
  inspect(): Promise<Inspection> {
    return this.host.inspect(this.pid);
  }

  /** What the chain of an environment's frame is, for errors of expressions. */
  callsOf(environment: Environment): readonly RecipeCall[] {
    return this.frames.get(environment)?.calls ?? [];
  }

  private known(frame: Frame): Frame {
    this.frames.set(frame.variables, frame);
    return frame;
  }

  private error(frame: Frame, parts: ScriptErrorParts): ScriptError {
    return new ScriptError(parts, frame.calls, this.pid);
  }

  /** Before each statement: others have their turn, signals are seen. */
  private async begin(): Promise<void> {
    await this.turn.next();
    if (performance.now() - this.breathed > breathMs) {
      await new Promise((resolve) => setImmediate(resolve));
      this.breathed = performance.now();
    }
    const by = this.host.context.interruption.requestedBy;
    if (by !== null) throw new Interrupted(`stopped by ${by}`);
  }

  private async statement(statement: Statement, frame: Frame): Promise<Completion> {
    await this.begin();
    const { expressions } = this;
    const { variables } = frame;
    const { context } = this.host;
    switch (statement.kind) {
      case "set":
        await this.set(statement, frame);
        return normal;
      case "let":
        variables.declare(statement.name.text, await expressions.value(statement.value, variables));
        return normal;
      case "print": {
        const values = [];
        for (const value of statement.values) {
          values.push(await expressions.print(value, variables));
        }
        context.reporter.print(this.pid, values);
        return normal;
      }
      case "expression-statement":
        context.reporter.print(this.pid, [
          await expressions.print(statement.expression, variables),
        ]);
        return normal;
      case "assert":
        await this.assert(statement, frame);
        return normal;
      case "if":
        return this.if(statement, frame);
      case "while":
        return this.while(statement, frame);
      case "for":
        return this.for(statement, frame);
      case "break":
      case "continue":
        return { kind: statement.kind };
      case "return":
        return {
          kind: "return",
          value:
            statement.value === undefined
              ? undefined
              : await expressions.value(statement.value, variables),
        };
      case "sleep":
        await this.pause(Number(await expressions.duration(statement.duration, variables)) / 1e6);
        return normal;
      case "wait":
        await this.wait(statement, frame);
        return normal;
      case "call-statement":
        await expressions.call(statement.call, variables);
        return normal;
      case "recipe-statement":
        await this.invoke(statement.invocation, frame);
        return normal;
      case "apply":
      case "rollback":
        await this.host.changeUpdates(statement, frame, this.turn);
        return normal;
      case "warn":
        this.warn(statement.message.value, statement.span, frame);
        return normal;
      case "fail":
        throw this.error(frame, {
          code: "script-failed",
          message: statement.message.value,
          span: statement.span,
        });
    }
  }

  // --- what changes the target -----------------------------------------------------------------

  private async set(statement: SetStatement, frame: Frame): Promise<void> {
    const { place, value } = statement;
    for (let attempt = 1; ; attempt++) {
      const assignment = await this.expressions.assignment(place, value, frame.variables);
      if (assignment.kind === "variable") {
        assignment.binding.value = assignment.value;
        return;
      }
      if (await this.write(assignment, statement, frame, attempt)) return;
    }
  }

  /** False: what the value was made from has changed meanwhile, so that it is to be made anew. */
  private async write(
    assignment: Assignment & { readonly kind: "memory" },
    { place, span }: SetStatement,
    frame: Frame,
    attempt: number,
  ): Promise<boolean> {
    const { context, log } = this.host;
    const { address, before, after, shared } = assignment;
    if (Buffer.compare(before, after) === 0) return true;
    const last = attempt > mostRetries;
    const inspection = await this.host.inspect(this.pid);
    const name = textOf(place.span);
    const intended = { pid: this.pid, place: name, span, address, after, repair: frame.repair };
    context.tally.touched = true;
    if (frame.repair !== null) await this.host.announce({ ...intended, before });
    const result = await inspection.writeTogether([
      { address, bytes: after, ...(last && !shared ? {} : { expected: before }) },
    ]);
    context.tally.held(result.heldUs);
    if (!result.written) {
      if (!last) return false;
      throw this.error(frame, {
        code: "changed-meanwhile",
        message: `\`${textOf(place.span)}\` cannot be set: the program keeps changing it`,
        span: place.span,
      });
    }
    const found = result.before[0] ?? before;
    log.wrote({ ...intended, before: found });
    context.journal.append({
      record: "write",
      pid: this.pid,
      place: name,
      address: formatAddress(address),
      before: hex(found),
      after: hex(after),
      why: "script",
    });
    context.reporter.progress({
      event: "set",
      pid: this.pid,
      address: formatAddress(address),
      place: name,
      before: assignment.beforeText,
      after: assignment.afterText,
    });
    return true;
  }

  // --- what goes on or not -----------------------------------------------------------------------

  private async assert(statement: AssertStatement, frame: Frame): Promise<void> {
    const { condition, message } = statement;
    if (await this.expressions.truth(condition, frame.variables)) return;
    throw this.error(frame, {
      code: "assertion-failed",
      message:
        message === undefined
          ? `\`${oneLine(condition.span)}\` does not hold`
          : `assertion failed: ${message.value}`,
      span: condition.span,
    });
  }

  private warn(message: string, span: Span, frame: Frame): void {
    const error = this.error(frame, { code: "script-warning", message, span });
    const { notes } = error.diagnostic(false);
    this.host.context.reporter.diagnostic(
      diagnose({ severity: "warning", code: "script-warning", message, span, notes }),
    );
  }

  private async if(statement: IfStatement, frame: Frame): Promise<Completion> {
    const { condition, whenTrue, whenFalse } = statement;
    if (await this.expressions.truth(condition, frame.variables)) {
      return this.block(whenTrue, frame);
    }
    if (whenFalse === undefined) return normal;
    return whenFalse.kind === "if" ? this.if(whenFalse, frame) : this.block(whenFalse, frame);
  }

  private async while(
    { condition, body, span }: WhileStatement,
    frame: Frame,
  ): Promise<Completion> {
    for (let turns = 0; ; turns++) {
      if (turns > 0) await this.begin();
      if (!(await this.expressions.truth(condition, frame.variables))) return normal;
      if (turns === mostLoopTurns) {
        throw this.error(frame, {
          code: "endless-loop",
          message: `this loop has turned ${mostLoopTurns} times: it was given up`,
          span: span.file.span(span.start, condition.span.end),
        });
      }
      const completion = await this.block(body, frame);
      if (completion.kind === "break") return normal;
      if (completion.kind === "return") return completion;
    }
  }

  private async for({ name, iterable, body }: ForStatement, frame: Frame): Promise<Completion> {
    for await (const item of this.expressions.items(iterable, frame.variables)) {
      const completion = await this.block(body, frame, { [name.text]: item });
      if (completion.kind === "break") return normal;
      if (completion.kind === "return") return completion;
    }
    return normal;
  }

  private async invoke(invocation: InvocationExpression, frame: Frame): Promise<Value | undefined> {
    const recipe = frame.scope.recipes.get(invocation.name.text);
    if (recipe === undefined) throw new Error(`no recipe ${invocation.name.text} was checked`);
    const calls = [...frame.calls, { recipe: recipe.name, span: invocation.span }];
    if (calls.length > deepestRecipes) {
      throw this.error(frame, {
        code: "endless-recursion",
        message: `recipe \`${recipe.name}\` is ${deepestRecipes} calls deep: it was given up`,
        span: invocation.span,
      });
    }
    const variables = new Variables(recipe.scope);
    recipe.parameters.forEach((parameter, index) => {
      const expression = invocation.arguments[index];
      if (expression === undefined) return;
      variables.bind(parameter, {
        kind: "parameter",
        expression,
        environment: frame.variables,
      });
    });
    const inner = this.known({ scope: recipe.scope, variables, calls, repair: frame.repair });
    const completion = await this.block(recipe.declaration.body, inner);
    return completion.kind === "return" ? completion.value : undefined;
  }

  // --- time ----------------------------------------------------------------------------------------

  private async pause(milliseconds: number): Promise<void> {
    await this.turn.pause(milliseconds, this.host.context.interruption.abortSignal);
    await this.begin();
  }

  private async wait({ condition, within }: WaitStatement, frame: Frame): Promise<void> {
    const { reporter } = this.host.context;
    const limit = await this.expressions.duration(within, frame.variables);
    const deadline = performance.now() + Number(limit) / 1e6;
    const what = oneLine(condition.span);
    let interval = firstPollMs;
    for (let told = false; ; told = true) {
      // Looked at once more when the time is out: what came true in the last interval counts.
      const left = deadline - performance.now();
      if (await this.expressions.truth(condition, frame.variables)) return;
      if (left <= 0) {
        throw this.error(frame, {
          code: "wait-ran-out",
          message: `\`${what}\` did not come to hold within ${formatDuration(limit)}`,
          span: condition.span,
        });
      }
      if (!told) reporter.progress({ event: "waiting", pid: this.pid, why: `until ${what}` });
      await this.pause(Math.min(interval, left));
      interval = Math.min(longestPollMs, interval * pollGrowth);
    }
  }
}

/** What a span covers, in one line. */
export function oneLine(span: Span): string {
  return textOf(span).replace(/\s+/g, " ");
}
