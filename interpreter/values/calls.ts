/** `call f(…)`: arguments by the function's prototype, the result by its type (System V ABI, x86-64). */
import type { CallExpression, Expression } from "../../lang/ast.js";
import {
  EngineError,
  type CallArgument,
  type CType,
  type FunctionType,
} from "../../native/engine.js";
import { address, type Address } from "../../native/address.js";
import { isPointerLike, longType, plain, sizeOf, typeText } from "./c_types.js";
import type { Evaluation } from "./evaluation.js";
import { EvaluationError } from "./evaluation_error.js";
import { convert, isScalar, promoted, shapeOf, wrap, type Scalar } from "./scalars.js";
import type { Value } from "./value.js";
import { describe, shown } from "./wording.js";

const timeLimitMs = 1000;

interface Callee {
  readonly address: Address;
  readonly type: FunctionType | null;
}

export function callTarget(evaluation: Evaluation, node: CallExpression): Value {
  const callee = calleeOf(evaluation, node);
  const result = callee.type?.result ?? longType;
  const passed = argumentsOf(evaluation, node, callee.type);
  checkResult(node, result);
  const { inspection, memo } = evaluation.around;
  if (evaluation.typesOnly)
    return { kind: "c", type: result, place: null, bytes: new Uint8Array(sizeOf(result) ?? 0) };
  if (inspection === null)
    throw new EvaluationError(
      "call-failed",
      node.span,
      "there is no process to call a function in",
    );
  return memo.need(
    node,
    evaluation.environment,
    async () => {
      try {
        const answer = await inspection.call({
          function: callee.address,
          arguments: passed,
          variadic: callee.type === null || callee.type.variadic || !callee.type.prototyped,
          timeLimitMs,
        });
        if (answer.locksMayBeHeld.length > 0)
          evaluation.around.warn(
            node.span,
            `\`${shown(node.callee.span)}\` ran on a thread that may hold a lock (it is inside ${answer.locksMayBeHeld.join(", ")})`,
          );
        evaluation.around.ran(shown(node.callee.span));
        return resultValue(result, answer.integers[0], answer.vector);
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        if (error.kind !== "refused") evaluation.around.ran(shown(node.callee.span));
        throw new EvaluationError("call-failed", node.span, error.message, {
          suggestion: error.details.help,
          refused: error.kind === "refused",
        });
      }
    },
    { hasEffect: true },
  );
}

function calleeOf(evaluation: Evaluation, { callee }: CallExpression): Callee {
  const value = evaluation.operand(callee);
  if (value.kind === "untyped") return { address: value.address, type: null };
  if (value.kind === "c") {
    const own = plain(value.type);
    if (own.kind === "function" && value.place !== null)
      return { address: value.place.address, type: own };
    const target = own.kind === "pointer" ? plain(own.target) : null;
    if (target?.kind === "function") {
      const to = BigInt(evaluation.scalar(value, callee.span).value);
      if (to === 0n && !evaluation.typesOnly)
        throw new EvaluationError(
          "null-pointer",
          callee.span,
          `\`${shown(callee.span)}\` is NULL: it cannot be called`,
        );
      return { address: address(BigInt.asUintN(47, to)), type: target };
    }
  }
  throw new EvaluationError(
    "wrong-operand",
    callee.span,
    `\`${shown(callee.span)}\` is ${describe(value)}, not a function`,
  );
}

function argumentsOf(
  evaluation: Evaluation,
  node: CallExpression,
  type: FunctionType | null,
): readonly CallArgument[] {
  const given = node.arguments;
  if (type?.prototyped === true) {
    const wanted = type.parameters.length;
    if (type.variadic ? given.length < wanted : given.length !== wanted) {
      throw new EvaluationError(
        "wrong-argument",
        node.span,
        `\`${shown(node.callee.span)}\` takes ${type.variadic ? "at least " : ""}${wanted} argument${wanted === 1 ? "" : "s"}, not ${given.length}`,
      );
    }
  }
  return given.map((argument, index) =>
    argumentOf(evaluation, argument, type?.parameters[index]?.type ?? null),
  );
}

function argumentOf(
  evaluation: Evaluation,
  expression: Expression,
  wanted: CType | null,
): CallArgument {
  const { span } = expression;
  const value = evaluation.operand(expression);
  const wrong = (): EvaluationError =>
    new EvaluationError(
      "wrong-argument",
      span,
      `\`${shown(span)}\` is ${describe(value)}${wanted === null ? ", which cannot be passed" : `; the function takes a \`${typeText(wanted)}\``}`,
    );
  if (value.kind === "text") {
    if (wanted !== null && !isPointerLike(wanted)) throw wrong();
    return { kind: "bytes", bytes: Buffer.concat([value.bytes, Buffer.alloc(1)]) };
  }
  if (value.kind === "c" && value.place === null && plain(value.type).kind === "array") {
    // An array that is no variable of the target's travels with the call.
    return { kind: "bytes", bytes: evaluation.bytes(value, span) };
  }
  const scalar = evaluation.scalarOrNull(value, span);
  if (scalar === null || (wanted !== null && !isScalar(wanted) && !isPointerLike(wanted)))
    throw wrong();
  const passed = wanted === null ? defaultPromoted(scalar) : convertArgument(scalar, wanted, wrong);
  const own = plain(passed.type);
  if (own.kind === "float") {
    if (own.size === 16)
      throw new EvaluationError("wrong-argument", span, "a `long double` cannot be passed");
    return { kind: "float", value: Number(passed.value), size: own.size === 4 ? 4 : 8 };
  }
  const { bits, signed } = shapeOf(passed.type);
  // Registers hold small integers extended, as callees of other compilers expect them.
  return {
    kind: "integer",
    value: BigInt.asUintN(64, wrap(BigInt(passed.value), Math.max(bits, 8), signed)),
  };
}

function convertArgument(scalar: Scalar, wanted: CType, wrong: () => EvaluationError): Scalar {
  const pointer = isPointerLike(scalar.type);
  const own = plain(wanted);
  if (own.kind === "float" && pointer) throw wrong();
  if (isPointerLike(wanted)) {
    if (plain(scalar.type).kind === "float") throw wrong();
    if (!pointer && scalar.value !== 0n) throw wrong();
    return { type: wanted, value: BigInt(scalar.value) };
  }
  if (pointer && own.kind !== "integer") throw wrong();
  return convert(scalar, wanted);
}

/** What C passes where no prototype says otherwise (C11 6.5.2.2). */
function defaultPromoted(scalar: Scalar): Scalar {
  const own = plain(scalar.type);
  if (own.kind === "float" && own.size === 4)
    return {
      type: { kind: "float", name: "double", size: 8, complex: false },
      value: scalar.value,
    };
  return isPointerLike(scalar.type) ? scalar : convert(scalar, promoted(scalar.type));
}

function checkResult(node: CallExpression, type: CType): void {
  const own = plain(type);
  const fits = own.kind === "void" || (isScalar(type) && sizeOf(type) !== 16);
  if (fits) return;
  throw new EvaluationError(
    "wrong-argument",
    node.span,
    `\`${shown(node.callee.span)}\` returns a \`${typeText(type)}\`, which cannot be fetched`,
    { suggestion: "call it through a function of a patch that stores the result", refused: true },
  );
}

function resultValue(type: CType, integer: bigint, vector: Uint8Array): Value {
  const own = plain(type);
  const size = sizeOf(type) ?? 0;
  if (own.kind === "void") return { kind: "c", type, place: null, bytes: new Uint8Array() };
  if (own.kind === "float") return { kind: "c", type, place: null, bytes: vector.slice(0, size) };
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, integer), true);
  return { kind: "c", type, place: null, bytes: bytes.slice(0, size) };
}
