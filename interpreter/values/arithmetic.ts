/** C's operators on scalars, and the language's own on durations and sizes. */
import type { BinaryOperator, UnaryOperator } from "../../lang/ast.js";
import type { Span } from "../../lang/source.js";
import type { CType } from "../../native/engine.js";
import { intType, plain, typeText } from "./c_types.js";
import { EvaluationError } from "./evaluation_error.js";
import {
  commonType,
  convert,
  isIntegral,
  isTrueScalar,
  promoted,
  shapeOf,
  wrap,
  type Scalar,
} from "./scalars.js";
import type { DurationValue, SizeValue, Value } from "./value.js";

const comparisons: ReadonlySet<string> = new Set(["<", ">", "<=", ">=", "==", "!="]);

export function isComparison(operator: BinaryOperator): boolean {
  return comparisons.has(operator);
}

function truth(holds: boolean): Scalar {
  return { type: intType, value: holds ? 1n : 0n };
}

export function compare<T extends bigint | number>(
  operator: BinaryOperator,
  left: T,
  right: T,
): boolean {
  switch (operator) {
    case "<":
      return left < right;
    case ">":
      return left > right;
    case "<=":
      return left <= right;
    case ">=":
      return left >= right;
    case "==":
      return left === right;
    default:
      return left !== right;
  }
}

/** The type of a binary operation on arithmetic operands; only types, so that `check` can ask. */
export function binaryType(operator: BinaryOperator, left: CType, right: CType, span: Span): CType {
  if (operator === "&&" || operator === "||" || isComparison(operator)) return intType;
  const integers = isIntegral(left) && isIntegral(right);
  if (["%", "&", "|", "^", "<<", ">>"].includes(operator) && !integers) {
    throw new EvaluationError(
      "wrong-operand",
      span,
      `\`${operator}\` needs integers, not \`${typeText(isIntegral(left) ? right : left)}\``,
    );
  }
  return operator === "<<" || operator === ">>" ? promoted(left) : commonType(left, right);
}

/** Integers and floating numbers; pointers are the caller's. */
export function binaryScalar(
  operator: BinaryOperator,
  left: Scalar,
  right: Scalar,
  span: Span,
): Scalar {
  const type = binaryType(operator, left.type, right.type, span);
  if (isComparison(operator)) {
    const common = commonType(left.type, right.type);
    const [a, b] = [convert(left, common).value, convert(right, common).value];
    return truth(
      typeof a === "bigint" && typeof b === "bigint"
        ? compare(operator, a, b)
        : compare(operator, Number(a), Number(b)),
    );
  }
  if (operator === "<<" || operator === ">>") return shift(operator, left, right, type, span);
  const [a, b] = [convert(left, type).value, convert(right, type).value];
  if (typeof a === "bigint" && typeof b === "bigint") {
    const { bits, signed } = shapeOf(type);
    return { type, value: wrap(onIntegers(operator, a, b, span), bits, signed) };
  }
  const value = onNumbers(operator, Number(a), Number(b));
  return convert({ type, value }, type);
}

function onIntegers(operator: BinaryOperator, a: bigint, b: bigint, span: Span): bigint {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
    case "%":
      if (b === 0n) throw new EvaluationError("division-by-zero", span, "this divides by zero");
      return operator === "/" ? a / b : a % b;
    case "&":
      return a & b;
    case "|":
      return a | b;
    default:
      return a ^ b;
  }
}

function onNumbers(operator: BinaryOperator, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    default:
      return a / b;
  }
}

function shift(
  operator: BinaryOperator,
  left: Scalar,
  right: Scalar,
  type: CType,
  span: Span,
): Scalar {
  const { bits, signed } = shapeOf(type);
  const count = BigInt(right.value);
  if (count < 0n || count >= BigInt(bits)) {
    throw new EvaluationError(
      "shift-out-of-range",
      span,
      `a \`${typeText(type)}\` has ${bits} bits: it cannot be shifted by ${count}`,
    );
  }
  const value = BigInt(convert(left, type).value);
  return { type, value: wrap(operator === "<<" ? value << count : value >> count, bits, signed) };
}

export function unaryScalar(operator: UnaryOperator, operand: Scalar, span: Span): Scalar {
  if (operator === "!") return truth(!isTrueScalar(operand));
  const own = plain(operand.type);
  if (own.kind === "pointer" || (operator === "~" && !isIntegral(operand.type))) {
    throw new EvaluationError(
      "wrong-operand",
      span,
      `\`${operator}\` needs ${operator === "~" ? "an integer" : "a number"}, not \`${typeText(operand.type)}\``,
    );
  }
  const type = promoted(operand.type);
  const { value } = convert(operand, type);
  if (operator === "+") return { type, value };
  if (typeof value === "number") return { type, value: -value };
  const { bits, signed } = shapeOf(type);
  return { type, value: wrap(operator === "-" ? -value : ~value, bits, signed) };
}

/**
 * Durations and sizes: sums and differences of like ones, products with integers, comparisons.
 * @returns `undefined` if neither operand is one
 */
export function binaryQuantity(
  operator: BinaryOperator,
  left: Value,
  right: Value,
  integerOf: (value: Value) => bigint | null,
): DurationValue | SizeValue | boolean | bigint | null | undefined {
  const isDuration = left.kind === "duration" || right.kind === "duration";
  if (!isDuration && left.kind !== "size" && right.kind !== "size") return undefined;
  const amount = (value: Value): bigint | null =>
    value.kind === "duration" ? value.nanoseconds : value.kind === "size" ? value.bytes : null;
  const make = (value: bigint): DurationValue | SizeValue =>
    isDuration ? { kind: "duration", nanoseconds: value } : { kind: "size", bytes: value };
  const [a, b] = [amount(left), amount(right)];
  if (left.kind === right.kind && a !== null && b !== null) {
    if (isComparison(operator)) return compare(operator, a, b);
    if (operator === "+") return make(a + b);
    if (operator === "-") return make(a - b);
    if (operator === "/" || operator === "%") {
      if (b === 0n) return null;
      return operator === "/" ? a / b : make(a % b);
    }
    return null;
  }
  const factor = a === null ? integerOf(left) : integerOf(right);
  const quantity = a ?? b;
  if (factor === null || quantity === null) return null;
  if (operator === "*") return make(quantity * factor);
  if (operator === "/" && b === null) return factor === 0n ? null : make(quantity / factor);
  // A size is a number of bytes: it mixes with integers; a duration has no such unit.
  if (isDuration) return null;
  const [x, y] = [a ?? integerOf(left) ?? 0n, b ?? integerOf(right) ?? 0n];
  if (isComparison(operator)) return compare(operator, x, y);
  if (operator === "+") return make(x + y);
  return operator === "-" ? make(x - y) : null;
}
