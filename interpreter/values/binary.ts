/** Operators with two operands. */
import type { BinaryExpression, BinaryOperator } from "../../lang/ast.js";
import type { Span } from "../../lang/source.js";
import { offsetBy } from "../../native/address.js";
import { binaryQuantity, binaryScalar, compare, isComparison } from "./arithmetic.js";
import {
  intType,
  isCharacter,
  isPointerLike,
  longType,
  plain,
  targetOf,
  typeText,
} from "./c_types.js";
import type { Evaluation } from "./evaluation.js";
import type { EvaluationError } from "./evaluation_error.js";
import { isIntegral, type Scalar } from "./scalars.js";
import type { TextValue, Value } from "./value.js";
import { describe } from "./wording.js";

/** `left operator right`, with C's conversions; texts compare with C text by contents. */
export function binary(
  evaluation: Evaluation,
  { operator, left, right, span, operatorSpan }: BinaryExpression,
): Value {
  if (operator === "&&" || operator === "||") {
    const first = evaluation.truth(left);
    const decided = first === (operator === "||");
    const holds = decided && !evaluation.typesOnly ? first : evaluation.truth(right);
    return evaluation.made({ type: intType, value: holds ? 1n : 0n });
  }
  const a = evaluation.operand(left);
  const b = evaluation.operand(right);
  const quantity = binaryQuantity(operator, a, b, (value) => {
    const scalar = evaluation.scalarOrNull(value, span);
    return typeof scalar?.value === "bigint" && isIntegral(scalar.type) ? scalar.value : null;
  });
  if (quantity !== undefined) {
    if (quantity === null) throw mismatch(evaluation, operator, a, b, operatorSpan);
    if (typeof quantity === "boolean")
      return evaluation.made({ type: intType, value: quantity ? 1n : 0n });
    if (typeof quantity === "bigint") return evaluation.made({ type: longType, value: quantity });
    return quantity;
  }
  const texts = compareTexts(evaluation, operator, a, left.span, b, right.span);
  if (texts !== null) return evaluation.made({ type: intType, value: texts ? 1n : 0n });
  if (a.kind === "text" || b.kind === "text")
    throw mismatch(evaluation, operator, a, b, operatorSpan);
  const x = evaluation.scalar(a, left.span);
  const y = evaluation.scalar(b, right.span);
  if (isPointerLike(x.type) || isPointerLike(y.type))
    return evaluation.made(onPointers(evaluation, operator, x, y, span));
  if (evaluation.typesOnly && (operator === "/" || operator === "%"))
    return evaluation.made(binaryScalar("+", x, y, span));
  return evaluation.made(binaryScalar(operator, x, y, span));
}

function mismatch(
  evaluation: Evaluation,
  operator: BinaryOperator,
  a: Value,
  b: Value,
  span: Span,
): EvaluationError {
  return evaluation.wrongOperand(
    span,
    `\`${operator}\` cannot take ${describe(a)} and ${describe(b)}`,
  );
}

/** C text against a literal, by contents; `null` if this is no such comparison. */
function compareTexts(
  evaluation: Evaluation,
  operator: BinaryOperator,
  a: Value,
  spanA: Span,
  b: Value,
  spanB: Span,
): boolean | null {
  if (a.kind !== "text" && b.kind !== "text") return null;
  if (operator !== "==" && operator !== "!=") return null;
  const same =
    a.kind === "text"
      ? hasText(evaluation, b, a, spanB)
      : b.kind === "text"
        ? hasText(evaluation, a, b, spanA)
        : null;
  return same === null ? null : same === (operator === "==");
}

function hasText(
  evaluation: Evaluation,
  value: Value,
  text: TextValue,
  span: Span,
): boolean | null {
  if (value.kind === "text") return Buffer.compare(value.bytes, text.bytes) === 0;
  if (value.kind !== "c") return null;
  const target = targetOf(value.type);
  if (target === null || !(isCharacter(target) || text.raw)) return null;
  const wanted = text.raw ? text.bytes : Buffer.concat([text.bytes, Buffer.alloc(1)]);
  if (plain(value.type).kind === "array") {
    const own = evaluation.bytes(value, span);
    // An array that the text fills to its end has no room for the zero.
    const length = Math.min(own.length, wanted.length);
    return (
      own.length >= text.bytes.length &&
      Buffer.compare(own.subarray(0, length), wanted.subarray(0, length)) === 0
    );
  }
  const { value: to } = evaluation.scalar(value, span);
  if (to === 0n) return false;
  // Byte by byte to the first that differs: what lies behind a shorter text need not be readable.
  const at = evaluation.address(BigInt(to), span);
  for (let index = 0; index < wanted.length; index++) {
    const byte = evaluation.read(offsetBy(at, index), 1, span)[0];
    if (byte !== wanted[index]) return false;
  }
  return true;
}

function onPointers(
  evaluation: Evaluation,
  operator: BinaryOperator,
  x: Scalar,
  y: Scalar,
  span: Span,
): Scalar {
  const [p, q] = [isPointerLike(x.type), isPointerLike(y.type)];
  if (isComparison(operator)) {
    const whole = (scalar: Scalar): bigint => BigInt.asUintN(64, BigInt(scalar.value));
    if (typeof x.value === "bigint" && typeof y.value === "bigint")
      return { type: intType, value: compare(operator, whole(x), whole(y)) ? 1n : 0n };
  } else if (operator === "-" && p && q) {
    const [a, b] = [step(evaluation, x, span), step(evaluation, y, span)];
    if (a === b) {
      const distance = BigInt(x.value) - BigInt(y.value);
      return { type: longType, value: distance / a };
    }
  } else if ((operator === "+" && p !== q) || (operator === "-" && p && !q)) {
    const [pointer, other] = p ? [x, y] : [y, x];
    if (isIntegral(other.type)) {
      const distance = BigInt(other.value) * step(evaluation, pointer, span);
      const value = BigInt(pointer.value) + (operator === "+" ? distance : -distance);
      return { type: pointer.type, value: BigInt.asUintN(64, value) };
    }
  }
  throw evaluation.wrongOperand(
    span,
    `\`${operator}\` cannot take \`${typeText(x.type)}\` and \`${typeText(y.type)}\``,
  );
}

/** Bytes from one element to the next; of `void *` one, as gcc has it. */
function step(evaluation: Evaluation, pointer: Scalar, span: Span): bigint {
  const target = targetOf(pointer.type);
  if (target === null || plain(target).kind === "void" || plain(target).kind === "function")
    return 1n;
  return BigInt(Math.max(1, evaluation.size(target, span)));
}
