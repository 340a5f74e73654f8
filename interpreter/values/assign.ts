/** What `set PLACE = VALUE` writes: converted to the place's type, checked to fit. */
import type { Expression } from "../../lang/ast.js";
import type { CType } from "../../native/engine.js";
import { Builtins } from "./builtins.js";
import { isCharacter, isPointerLike, isSameStruct, plain, typeText, sizeOf } from "./c_types.js";
import type { Environment } from "./environment.js";
import type { Evaluation } from "./evaluation.js";
import { EvaluationError } from "./evaluation_error.js";
import {
  bytesOfBits,
  convert,
  encode,
  encodeBits,
  isScalar,
  rangeOf,
  type Scalar,
} from "./scalars.js";
import type { CValue, Place, Value } from "./value.js";
import { describe, shown } from "./wording.js";

export interface MemoryWrite {
  readonly type: CType;
  readonly place: Place;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** What of the place is left as it is, behind a text that does not fill its array. */
  readonly rest: Uint8Array;
}

/** @throws EvaluationError not-assignable, value-out-of-range, text-too-long, wrong-operand… */
export function memoryWrite(
  evaluation: Evaluation,
  target: Expression,
  value: Expression,
): MemoryWrite {
  const place = placeOf(evaluation, target);
  const { type } = place;
  const given = evaluation.operand(value);
  const own = plain(type);
  if (own.kind === "array" && given.kind === "text" && (isCharacter(own.element) || given.raw)) {
    const bytes = textFor(evaluation, type, target, given.bytes, given.raw, value);
    return write(evaluation, target, place, bytes);
  }
  if (own.kind === "array" || own.kind === "struct") {
    const same =
      given.kind === "c" &&
      (own.kind === "struct"
        ? isSameStruct(type, given.type)
        : typeText(own) === typeText(plain(given.type)));
    if (given.kind !== "c" || !same) throw mismatch(value, given, type);
    return write(evaluation, target, place, evaluation.bytes(given, value.span));
  }
  if (!isScalar(type))
    throw new EvaluationError(
      "not-assignable",
      target.span,
      `a \`${typeText(type)}\` cannot be set`,
    );
  if (given.kind === "text")
    throw isPointerLike(type)
      ? new EvaluationError(
          "wrong-operand",
          value.span,
          `\`${shown(target.span)}\` is a pointer: a text of the script is no memory of the target's`,
          { suggestion: "set copies texts into arrays only" },
        )
      : mismatch(value, given, type);
  const scalar = evaluation.scalarOrNull(given, value.span);
  if (scalar === null) throw mismatch(value, given, type);
  const bits = place.place.bits;
  const fitting = fit(evaluation, scalar, type, bits, value, target);
  if (bits === null) return write(evaluation, target, place, encode(fitting));
  const before = evaluation.read(place.place.address, bytesOfBits(bits), target.span);
  return {
    type,
    place: place.place,
    before,
    after: encodeBits(before, bits, BigInt(fitting.value)),
    rest: Buffer.alloc(0),
  };
}

function placeOf(evaluation: Evaluation, target: Expression): CValue & { readonly place: Place } {
  let inner = target;
  while (inner.kind === "parenthesized") inner = inner.expression;
  if (inner.kind === "invocation" && inner.name.text === "bytes")
    return new Builtins(evaluation).bytesPlace(inner);
  const value = evaluation.operand(target);
  if (value.kind === "c" && value.place !== null && value.bytes === null)
    return { ...value, place: value.place };
  // `check` has no places for what only a process has (thread-local variables).
  if (evaluation.typesOnly && value.kind === "c" && target.kind === "variable")
    return evaluation.at(value.type, evaluation.address(0n, target.span)) as CValue & {
      readonly place: Place;
    };
  throw new EvaluationError(
    "not-assignable",
    target.span,
    value.kind === "untyped"
      ? `there is no debug information for \`${value.entity.name}\`: what it holds is not known`
      : `\`${shown(target.span)}\` is a value, not a place that can be set`,
    value.kind === "untyped"
      ? { suggestion: `cast its address: *(int *)&${value.entity.name}`, refused: true }
      : {},
  );
}

function write(
  evaluation: Evaluation,
  target: Expression,
  { type, place }: CValue & { readonly place: Place },
  after: Uint8Array,
): MemoryWrite {
  const size = Math.max(sizeOf(type) ?? 0, after.length);
  const whole = evaluation.read(place.address, size, target.span);
  const [before, rest] = [whole.subarray(0, after.length), whole.subarray(after.length)];
  return { type, place, before, after, rest };
}

/** A text with its zero; the rest of the array is left as it is. */
function textFor(
  evaluation: Evaluation,
  type: CType,
  target: Expression,
  text: Uint8Array,
  raw: boolean,
  value: Expression,
): Uint8Array {
  const room = evaluation.size(type, target.span);
  const bytes = raw ? text : Buffer.concat([text, Buffer.alloc(1)]);
  if (bytes.length <= room) return bytes;
  throw new EvaluationError(
    "text-too-long",
    value.span,
    `\`${shown(target.span)}\` has room for ${room} bytes, the text needs ${bytes.length}${raw ? "" : " with its closing zero"}`,
  );
}

function mismatch(value: Expression, given: Value, type: CType): EvaluationError {
  return new EvaluationError(
    "wrong-operand",
    value.span,
    `\`${shown(value.span)}\` is ${describe(given)}: it cannot be put into a \`${typeText(type)}\``,
  );
}

/** True if an expression has the same value whatever the process holds. */
function isConstant(expression: Expression, environment: Environment): boolean {
  switch (expression.kind) {
    case "integer":
    case "character":
    case "size":
      return true;
    case "variable": {
      const binding = environment.lookup(expression.name.text);
      if (binding?.kind === "parameter") return isConstant(binding.expression, binding.environment);
      return binding?.kind === "constant";
    }
    case "parenthesized":
      return isConstant(expression.expression, environment);
    case "unary":
      return isConstant(expression.operand, environment);
    case "binary":
      return isConstant(expression.left, environment) && isConstant(expression.right, environment);
    default:
      return false;
  }
}

function fit(
  evaluation: Evaluation,
  scalar: Scalar,
  type: CType,
  bits: Place["bits"],
  value: Expression,
  target: Expression,
): Scalar {
  const own = plain(type);
  const from = plain(scalar.type);
  if (own.kind === "pointer") {
    // As in C, of integers only the constant 0 is a pointer.
    const isNull = scalar.value === 0n && isConstant(value, evaluation.environment);
    if (from.kind === "pointer" || isNull) return { type, value: BigInt(scalar.value) };
    throw new EvaluationError(
      "wrong-operand",
      value.span,
      `\`${shown(value.span)}\` is a \`${typeText(scalar.type)}\`: it cannot be put into a pointer`,
      { suggestion: `cast it: (${typeText(type)})${shown(value.span)}` },
    );
  }
  if (from.kind === "pointer") {
    throw new EvaluationError(
      "wrong-operand",
      value.span,
      `\`${shown(value.span)}\` is a pointer: it cannot be put into a \`${typeText(type)}\``,
      { suggestion: `cast it: (${typeText(type)})${shown(value.span)}` },
    );
  }
  const range = own.kind === "integer" && own.encoding === "boolean" ? null : rangeOf(type, bits);
  // A sample of a type says nothing about the value.
  if (range === null || (evaluation.typesOnly && !isConstant(value, evaluation.environment)))
    return convert(scalar, type);
  const { value: number } = scalar;
  if (typeof number === "number" && !Number.isFinite(number)) throw outOfRange();
  const whole = typeof number === "bigint" ? number : BigInt(Math.trunc(number));
  if (whole < range.least || whole > range.most) throw outOfRange();
  return { type, value: whole };

  function outOfRange(): EvaluationError {
    const what = bits === null ? `a \`${typeText(type)}\`` : `a bit-field of ${bits.count} bits`;
    const span = range === null ? "" : `, which holds ${range.least} to ${range.most}`;
    return new EvaluationError(
      "value-out-of-range",
      value.span,
      `${number} does not fit into \`${shown(target.span)}\`, ${what}${span}`,
    );
  }
}
