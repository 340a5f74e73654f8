/** Expressions over words of a fake process: integers, texts and durations, as constants have them. */
import type { CallExpression, Expression } from "../../lang/ast.js";
import { binary, isTrue, unary, type Result } from "../../lang/check/arithmetic.js";
import type { ConstantValue } from "../../lang/check/checked.js";
import { address } from "../../native/address.js";
import type { Inspection } from "../../native/engine.js";
import type {
  Assignment,
  Environment,
  Expressions,
  Value,
} from "../../interpreter/run/evaluation.js";
import { ScriptError } from "../../interpreter/run/script_error.js";
import type { StatementRunner } from "../../interpreter/run/statements.js";
import type { UndoLog } from "../../interpreter/run/undo.js";
import { printConstant } from "../../interpreter/values/print.js";
import type { PrintedValue } from "../../interpreter/progress/events.js";

function fromResult(result: Result): ConstantValue {
  if (result.kind === "value") return result.value;
  throw new Error(JSON.stringify(result));
}

function word(bytes: Uint8Array): bigint {
  return Buffer.from(bytes).readBigInt64LE();
}

export class FakeExpressions implements Expressions {
  constructor(
    private readonly inspect: () => Promise<Inspection>,
    private readonly runner: StatementRunner,
    private readonly log: UndoLog,
  ) {}

  async value(expression: Expression, environment: Environment): Promise<ConstantValue> {
    const evaluate = (part: Expression): Promise<ConstantValue> => this.value(part, environment);
    switch (expression.kind) {
      case "integer":
      case "string":
      case "boolean":
      case "duration":
        return expression;
      case "parenthesized":
        return evaluate(expression.expression);
      case "unary":
        return fromResult(unary(expression.operator, await evaluate(expression.operand)));
      case "binary": {
        const left = await evaluate(expression.left);
        const short =
          expression.operator === "&&" ? false : expression.operator === "||" ? true : null;
        if (short !== null && isTrue(left) === short) return { kind: "boolean", value: short };
        const right = await evaluate(expression.right);
        if (short !== null) return { kind: "boolean", value: isTrue(right) === true };
        return fromResult(binary(expression.operator, left, right));
      }
      case "variable": {
        const binding = environment.lookup(expression.name.text);
        if (binding?.kind === "constant") return binding.value;
        if (binding?.kind === "variable") return binding.value as ConstantValue;
        if (binding?.kind === "parameter")
          return this.value(binding.expression, binding.environment);
        const { bytes } = await this.place(expression, environment);
        return { kind: "integer", value: word(bytes), type: "long" };
      }
      case "invocation":
        return (await this.runner.recipe(expression, environment)) as ConstantValue;
      case "call":
        return this.call(expression, environment);
      default:
        throw new Error(`no ${expression.kind} here`);
    }
  }

  async truth(expression: Expression, environment: Environment): Promise<boolean> {
    return isTrue(await this.value(expression, environment)) === true;
  }

  async duration(expression: Expression, environment: Environment): Promise<bigint> {
    const value = await this.value(expression, environment);
    if (value.kind !== "duration") throw new Error("no duration");
    return value.nanoseconds;
  }

  async print(expression: Expression, environment: Environment): Promise<PrintedValue> {
    return printConstant(await this.value(expression, environment));
  }

  /** 0, 1, 2… up to an integer, without it. */
  async *items(expression: Expression, environment: Environment): AsyncGenerator<Value> {
    const end = await this.value(expression, environment);
    if (end.kind !== "integer") throw new Error("no integer");
    for (let value = 0n; value < end.value; value++) yield { kind: "integer", value, type: "long" };
  }

  async assignment(
    place: Expression,
    value: Expression,
    environment: Environment,
  ): Promise<Assignment> {
    if (place.kind !== "variable") throw new Error("no variable");
    const binding = environment.lookup(place.name.text);
    const result = await this.value(value, environment);
    if (binding?.kind === "variable") return { kind: "variable", binding, value: result };
    const target = await this.place(place, environment);
    if (result.kind !== "integer") throw new Error("no integer");
    const after = Buffer.alloc(8);
    after.writeBigInt64LE(result.value);
    return {
      kind: "memory",
      address: target.address,
      before: target.bytes,
      after,
      beforeText: String(word(target.bytes)),
      afterText: String(result.value),
      shared: false,
    };
  }

  async call(call: CallExpression, environment: Environment): Promise<ConstantValue> {
    const [first] = call.arguments;
    const given = first === undefined ? null : await this.value(first, environment);
    const inspection = await this.inspect();
    const result = await inspection.call({
      function: address(0x400000n),
      arguments: given?.kind === "integer" ? [{ kind: "integer", value: given.value }] : [],
      variadic: false,
      timeLimitMs: 1000,
    });
    this.log.ran(call.callee.kind === "variable" ? call.callee.name.text : "?");
    return { kind: "integer", value: BigInt.asIntN(64, result.integers[0]), type: "long" };
  }

  private async place(
    expression: Expression & { kind: "variable" },
    environment: Environment,
  ): Promise<{ address: ReturnType<typeof address>; bytes: Uint8Array }> {
    const binding = environment.lookup(expression.name.text);
    if (binding?.kind === "parameter" && binding.expression.kind === "variable") {
      return this.place(binding.expression, binding.environment);
    }
    const fail = (code: string, message: string, kind: "failed" | "refused"): never => {
      const parts = { code, message, span: expression.span, kind };
      throw new ScriptError(parts, this.runner.callsOf(environment), this.runner.pid);
    };
    const name = expression.name.text;
    if (name === "wild") return fail("wild-pointer", "wild points nowhere", "failed");
    const inspection = await this.inspect();
    try {
      const entity = inspection.entity({ name });
      if (entity.kind !== "variable" || entity.storage.kind !== "static")
        throw new Error("no word");
      const { address: at } = entity.storage;
      return { address: at, bytes: inspection.readSome(at, 8) };
    } catch {
      return fail("unknown-name", `the program has no ${name}`, "refused");
    }
  }
}
