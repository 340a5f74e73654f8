/** C's arithmetic on constants: conversions and results as gcc has them on x86-64 (LP64). */
import type { BinaryOperator, IntegerType, UnaryOperator } from "../ast.js";
import { integerWidth, stringBytes } from "../literals.js";
import type { ConstantValue } from "./checked.js";

/** A result, or why there is none. */
export type Result =
  | { readonly kind: "value"; readonly value: ConstantValue }
  | { readonly kind: "wrong-type"; readonly expected: string }
  | { readonly kind: "impossible"; readonly reason: string; readonly suggestion?: string };

type IntegerValue = Extract<ConstantValue, { kind: "integer" }>;
type FloatValue = Extract<ConstantValue, { kind: "float" }>;

function done(value: ConstantValue): Result {
  return { kind: "value", value };
}

function truth(value: boolean): Result {
  return done({ kind: "integer", value: value ? 1n : 0n, type: "int" });
}

function impossible(reason: string, suggestion?: string): Result {
  return { kind: "impossible", reason, ...(suggestion === undefined ? {} : { suggestion }) };
}

/** What kind of value it is, with an article, for messages. */
export function describeValue(value: ConstantValue): string {
  switch (value.kind) {
    case "integer":
      return "an integer";
    case "float":
      return "a floating-point number";
    case "string":
      return "a text";
    case "boolean":
      return "a truth value";
    case "duration":
      return "a duration";
    case "size":
      return "a size";
    case "null":
      return "NULL";
  }
}

/** Whether a value counts as true; undefined for texts, durations and sizes. */
export function isTrue(value: ConstantValue): boolean | undefined {
  switch (value.kind) {
    case "integer":
      return value.value !== 0n;
    case "float":
      return value.value !== 0;
    case "boolean":
      return value.value;
    case "null":
      return false;
    default:
      return undefined;
  }
}

/** A truth value takes part in arithmetic as C's 0 or 1. */
function asNumber(value: ConstantValue): IntegerValue | FloatValue | undefined {
  if (value.kind === "boolean")
    return { kind: "integer", value: value.value ? 1n : 0n, type: "int" };
  return value.kind === "integer" || value.kind === "float" ? value : undefined;
}

export function unary(operator: UnaryOperator, operand: ConstantValue): Result {
  if (operator === "!") {
    const holds = isTrue(operand);
    return holds === undefined ? { kind: "wrong-type", expected: "a condition" } : truth(!holds);
  }
  if (operator === "-" && operand.kind === "duration") {
    return impossible("a duration cannot be negative");
  }
  const value = asNumber(operand);
  if (value === undefined) return { kind: "wrong-type", expected: "a number" };
  if (value.kind === "float") {
    if (operator === "-") return done({ ...value, value: -value.value });
    if (operator === "+") return done(value);
    return { kind: "wrong-type", expected: "an integer" };
  }
  switch (operator) {
    case "-":
      return fitted(-value.value, value.type);
    case "+":
      return done(value);
    case "~":
      return fitted(~value.value, value.type);
    default:
      return { kind: "wrong-type", expected: "a variable of the target" };
  }
}

/** All operators but `&&` and `||`, which do not always need their right side. */
export function binary(
  operator: BinaryOperator,
  left: ConstantValue,
  right: ConstantValue,
): Result {
  if (left.kind === "string" || right.kind === "string") return texts(operator, left, right);
  if (left.kind === "null" || right.kind === "null") return nulls(operator, left, right);
  if (isMeasure(left) || isMeasure(right)) return measures(operator, left, right);
  const [a, b] = [asNumber(left), asNumber(right)];
  if (a === undefined || b === undefined) return { kind: "wrong-type", expected: "a number" };
  if (a.kind === "integer" && b.kind === "integer") return integers(operator, a, b);
  return floats(operator, a, b);
}

// --- integers -----------------------------------------------------------------------

/** Wraps an unsigned result; a signed one that does not fit is a mistake (undefined in C). */
function fitted(value: bigint, type: IntegerType): Result {
  const { bits, unsigned } = integerWidth(type);
  if (unsigned) return done({ kind: "integer", value: BigInt.asUintN(bits, value), type });
  if (BigInt.asIntN(bits, value) === value) return done({ kind: "integer", value, type });
  const suggestion =
    bits === 32 ? "give one operand the suffix `L`" : "give one operand the suffix `u`";
  return impossible(`the result ${value} does not fit into \`${type}\``, suggestion);
}

const ranks: readonly IntegerType[] = [
  "int",
  "unsigned int",
  "long",
  "unsigned long",
  "long long",
  "unsigned long long",
];

/** C11 6.3.1.8 for the six integer types that constants have. */
function commonType(a: IntegerType, b: IntegerType): IntegerType {
  const [low, high] = ranks.indexOf(a) < ranks.indexOf(b) ? [a, b] : [b, a];
  const { bits, unsigned } = integerWidth(high);
  const lower = integerWidth(low);
  // `long long` cannot hold every `unsigned long`: the unsigned type of its rank is taken.
  if (!unsigned && lower.unsigned && lower.bits === bits) {
    return high === "long long" ? "unsigned long long" : high;
  }
  return high;
}

function integers(operator: BinaryOperator, left: IntegerValue, right: IntegerValue): Result {
  if (operator === "<<" || operator === ">>") return shifted(operator, left, right.value);
  const type = commonType(left.type, right.type);
  const { bits, unsigned } = integerWidth(type);
  const convert = (value: bigint): bigint => (unsigned ? BigInt.asUintN(bits, value) : value);
  const [a, b] = [convert(left.value), convert(right.value)];
  switch (operator) {
    case "*":
      return fitted(a * b, type);
    case "+":
      return fitted(a + b, type);
    case "-":
      return fitted(a - b, type);
    case "/":
      return b === 0n ? impossible("division by zero") : fitted(a / b, type);
    case "%":
      return b === 0n ? impossible("division by zero") : fitted(a % b, type);
    case "&":
      return fitted(a & b, type);
    case "|":
      return fitted(a | b, type);
    case "^":
      return fitted(a ^ b, type);
    default:
      return compared(operator, a, b);
  }
}

function shifted(operator: "<<" | ">>", left: IntegerValue, count: bigint): Result {
  const { bits } = integerWidth(left.type);
  if (count < 0n || count >= BigInt(bits)) {
    return impossible(`\`${left.type}\` can be shifted by 0 to ${bits - 1}, not by ${count}`);
  }
  if (operator === ">>") return fitted(left.value >> count, left.type);
  return fitted(left.value << count, left.type);
}

function compared<T extends bigint | number>(operator: BinaryOperator, a: T, b: T): Result {
  switch (operator) {
    case "<":
      return truth(a < b);
    case ">":
      return truth(a > b);
    case "<=":
      return truth(a <= b);
    case ">=":
      return truth(a >= b);
    case "==":
      return truth(a === b);
    case "!=":
      return truth(a !== b);
    default:
      return { kind: "wrong-type", expected: "an integer" };
  }
}

// --- floating-point numbers -----------------------------------------------------------

function floats(
  operator: BinaryOperator,
  left: IntegerValue | FloatValue,
  right: IntegerValue | FloatValue,
): Result {
  const order = ["float", "double", "long double"] as const;
  const rank = Math.max(
    ...[left, right].map((v) => (v.kind === "float" ? order.indexOf(v.type) : 0)),
  );
  const type = order[rank] ?? "double";
  const round = (value: number): number => (type === "float" ? Math.fround(value) : value);
  const a = round(Number(left.value));
  const b = round(Number(right.value));
  const result = (value: number): Result => done({ kind: "float", value: round(value), type });
  switch (operator) {
    case "*":
      return result(a * b);
    case "/":
      return result(a / b);
    case "+":
      return result(a + b);
    case "-":
      return result(a - b);
    default:
      return compared(operator, a, b);
  }
}

// --- durations and sizes ----------------------------------------------------------------

type Measure = Extract<ConstantValue, { kind: "duration" | "size" }>;

function isMeasure(value: ConstantValue): value is Measure {
  return value.kind === "duration" || value.kind === "size";
}

function amountOf(value: Measure): bigint {
  return value.kind === "duration" ? value.nanoseconds : value.bytes;
}

function measured(kind: Measure["kind"], amount: bigint): Result {
  if (amount < 0n) return impossible(`a ${kind} cannot be negative`);
  if (amount >= 1n << 63n) return impossible(`this ${kind} is too large`);
  return done(kind === "duration" ? { kind, nanoseconds: amount } : { kind, bytes: amount });
}

/** Sums and comparisons of one kind, multiples and parts by integers, ratios. */
function measures(operator: BinaryOperator, left: ConstantValue, right: ConstantValue): Result {
  if (isMeasure(left) && isMeasure(right)) {
    if (left.kind !== right.kind) return { kind: "wrong-type", expected: describeValue(left) };
    const [a, b] = [amountOf(left), amountOf(right)];
    if (operator === "+") return measured(left.kind, a + b);
    if (operator === "-") return measured(left.kind, a - b);
    if (operator === "/") {
      return b === 0n ? impossible("division by zero") : fitted(a / b, "long");
    }
    if (operator === "%") {
      return b === 0n ? impossible("division by zero") : measured(left.kind, a % b);
    }
    const result = compared(operator, a, b);
    return result.kind === "wrong-type" ? { kind: "wrong-type", expected: "an integer" } : result;
  }
  const [measure, other] = isMeasure(left) ? [left, right] : [right, left];
  if (!isMeasure(measure)) return { kind: "wrong-type", expected: "a number" };
  const factor = asNumber(other);
  if (factor?.kind === "integer") {
    if (operator === "*") return measured(measure.kind, amountOf(measure) * factor.value);
    if (operator === "/" && measure === left) {
      if (factor.value === 0n) return impossible("division by zero");
      return measured(measure.kind, amountOf(measure) / factor.value);
    }
  }
  const scales = operator === "*" || (operator === "/" && measure === left);
  return { kind: "wrong-type", expected: scales ? "an integer" : describeValue(measure) };
}

// --- texts and NULL -----------------------------------------------------------------------

function texts(operator: BinaryOperator, left: ConstantValue, right: ConstantValue): Result {
  if (left.kind !== "string" || right.kind !== "string") {
    return { kind: "wrong-type", expected: "a text" };
  }
  const same = Buffer.compare(stringBytes(left), stringBytes(right)) === 0;
  switch (operator) {
    case "==":
      return truth(same);
    case "!=":
      return truth(!same);
    case "+": {
      const escaped = Buffer.concat([stringBytes(left), stringBytes(right)]);
      return done({ kind: "string", value: escaped.toString("utf8"), escaped });
    }
    default:
      return { kind: "wrong-type", expected: "a number" };
  }
}

function nulls(operator: BinaryOperator, left: ConstantValue, right: ConstantValue): Result {
  if (left.kind !== "null" || right.kind !== "null")
    return { kind: "wrong-type", expected: "NULL" };
  if (operator === "==") return truth(true);
  if (operator === "!=") return truth(false);
  return { kind: "wrong-type", expected: "a number" };
}
