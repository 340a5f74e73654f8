/** Evaluates one expression on a memory view: synchronous, without effects, repeatable. */
import type {
  CastExpression,
  Expression,
  IndexExpression,
  MemberExpression,
  Name,
  UnaryExpression,
} from "../../lang/ast.js";
import { didYouMean } from "../../lang/diagnostics/suggest.js";
import type { Span } from "../../lang/source.js";
import { address, formatAddress, type Address } from "../../native/address.js";
import type { CType, Inspection, ProgramNames } from "../../native/engine.js";
import { binaryScalar, unaryScalar } from "./arithmetic.js";
import { binary } from "./binary.js";
import { Builtins } from "./builtins.js";
import { callTarget } from "./calls.js";
import {
  findMember,
  integer,
  intType,
  isPointerLike,
  isSameStruct,
  longType,
  memberNames,
  plain,
  sizeOf,
  targetOf,
  typeText,
  unsignedLongType,
  voidPointer,
} from "./c_types.js";
import type { Environment } from "./environment.js";
import { EvaluationError } from "./evaluation_error.js";
import { membersNamed } from "./member_names.js";
import type { MemoryView } from "./memory_view.js";
import { constantValue, resolveVariable, typeNamed } from "./names.js";
import type { Memo } from "./pending.js";
import {
  bytesOfBits,
  convert,
  decode,
  decodeBits,
  encode,
  isIntegral,
  isScalar,
  isTrueScalar,
  shapeOf,
  type Scalar,
} from "./scalars.js";
import type { CValue, Place, Value } from "./value.js";
import { describe, shown, untyped } from "./wording.js";

/** More than this is not read as one value. */
const largestValue = 64 << 20;

/** What an evaluation works with. */
export interface Surroundings {
  readonly program: ProgramNames;
  /** `null`: only types are wanted (`sizeof`, `polus check`): nothing is read and every pointer leads somewhere. */
  readonly view: MemoryView | null;
  /** `null`: there is no process. */
  readonly inspection: Inspection | null;
  readonly memo: Memo;
  /** Runs a recipe of the script. */
  readonly recipe: (
    node: Extract<Expression, { kind: "invocation" }>,
    environment: Environment,
  ) => Promise<Value>;
  /** Without a process: a value of the type that a recipe returns. */
  readonly recipeType?: (
    node: Extract<Expression, { kind: "invocation" }>,
    environment: Environment,
  ) => Value;
  readonly warn: (span: Span, message: string) => void;
  /** A function of the target ran, in whole or in part: what it did stays. */
  readonly ran: (name: string) => void;
}

export class Evaluation {
  constructor(
    readonly around: Surroundings,
    readonly environment: Environment,
    /** Settles what may be a cast, always to the same tree. */
    private readonly settle: (expression: Expression) => Expression,
  ) {}

  get typesOnly(): boolean {
    return this.around.view === null;
  }

  within(environment: Environment): Evaluation {
    return new Evaluation(this.around, environment, this.settle);
  }

  /** An expression of another place in the script, a recipe's argument, that is not settled yet. */
  elsewhere(expression: Expression, environment: Environment): Value {
    return this.within(environment).operand(this.settle(expression));
  }

  /** The value, or the place that holds it. */
  operand(expression: Expression): Value {
    switch (expression.kind) {
      case "integer":
      case "float":
      case "duration":
      case "size":
      case "string":
      case "boolean":
      case "null":
        return constantValue(expression);
      case "character":
        return this.made({ type: intType, value: BigInt(expression.value) });
      case "variable":
        return resolveVariable(this, expression);
      case "parenthesized":
        return this.operand(expression.expression);
      case "member":
        return this.member(expression);
      case "index":
        return this.index(expression);
      case "unary":
        return this.unary(expression);
      case "binary":
        return binary(this, expression);
      case "conditional":
        return this.conditional(expression);
      case "cast":
        return this.cast(expression);
      case "sizeof": {
        const { operand } = expression;
        const type =
          operand.kind === "type-name"
            ? typeNamed(this, operand)
            : this.typeOfOperand(operand, expression.span);
        return this.made({
          type: unsignedLongType,
          value: BigInt(this.size(type, expression.span)),
        });
      }
      case "call":
        return callTarget(this, expression);
      case "invocation":
        return new Builtins(this).invoke(expression);
      case "operator-chain":
        throw new Error("casts were not settled");
    }
  }

  private withoutMemory(): Evaluation {
    return new Evaluation({ ...this.around, view: null }, this.environment, this.settle);
  }

  byte(value: number): CValue {
    return this.made({ type: integer("unsigned char", 1, false), value: BigInt(value) });
  }

  /** A value of that type out of the bytes at a place. */
  valueIn(type: CType, place: Place, bytes: Uint8Array): CValue {
    return place.bits === null
      ? { kind: "c", type, place: null, bytes }
      : this.made(decodeBits(bytes, place.bits, type));
  }

  made(scalar: Scalar): CValue {
    return { kind: "c", type: scalar.type, place: null, bytes: encode(scalar) };
  }

  // --- bytes and scalars -------------------------------------------------------------------------

  size(type: CType, span: Span): number {
    const size = sizeOf(type);
    if (size !== null) return size;
    throw new EvaluationError(
      "incomplete-type",
      span,
      `the size of \`${typeText(type)}\` is not known`,
    );
  }

  /** A value's bytes, read now if need be. */
  bytes(value: CValue, span: Span): Uint8Array {
    if (value.bytes !== null) return value.bytes;
    const { place, type } = value;
    const bits = place?.bits ?? null;
    const size = bits === null ? this.size(type, span) : bytesOfBits(bits);
    if (place === null || this.around.view === null) return new Uint8Array(size);
    return this.read(place.address, size, span);
  }

  read(at: Address, length: number, span: Span): Uint8Array {
    if (this.around.view === null) return new Uint8Array(Math.min(length, largestValue));
    if (length > largestValue)
      throw new EvaluationError(
        "too-large",
        span,
        `this is ${length} bytes long: too much to read`,
      );
    const bytes = this.around.view.read(at, length);
    if (bytes !== null) return bytes;
    throw new EvaluationError(
      at < 4096n ? "null-pointer" : "wild-pointer",
      span,
      `\`${shown(span)}\` lies at ${formatAddress(at)}, where no memory can be read`,
    );
  }

  /** A value as a number or pointer; arrays and functions decay. */
  scalar(value: Value, span: Span): Scalar {
    const found = this.scalarOrNull(value, span);
    if (found !== null) return found;
    throw this.wrongOperand(
      span,
      `\`${shown(span)}\` is ${describe(value)}, not a number or pointer`,
    );
  }

  scalarOrNull(value: Value, span: Span): Scalar | null {
    if (value.kind === "untyped") throw untyped(span, value.entity);
    if (value.kind === "size") return { type: unsignedLongType, value: value.bytes };
    if (value.kind !== "c") return null;
    const own = plain(value.type);
    if (own.kind === "array" || own.kind === "function") {
      const target = own.kind === "array" ? own.element : own;
      if (value.place === null) return null;
      return { type: { kind: "pointer", target }, value: value.place.address };
    }
    if (!isScalar(value.type)) return null;
    const bytes = this.bytes(value, span);
    const bits = value.place?.bits ?? null;
    return bits !== null && value.bytes === null
      ? decodeBits(bytes, bits, value.type)
      : decode(bytes, value.type);
  }

  integer(expression: Expression): bigint {
    const { type, value } = this.scalar(this.operand(expression), expression.span);
    if (typeof value === "bigint" && isIntegral(type)) return value;
    throw this.wrongOperand(
      expression.span,
      `\`${shown(expression.span)}\` is a \`${typeText(type)}\`, not an integer`,
    );
  }

  truth(expression: Expression): boolean {
    const value = this.operand(expression);
    if (value.kind === "c" || value.kind === "size" || value.kind === "untyped")
      return isTrueScalar(this.scalar(value, expression.span));
    throw this.wrongOperand(
      expression.span,
      `\`${shown(expression.span)}\` is ${describe(value)}: it neither holds nor fails to`,
    );
  }

  wrongOperand(span: Span, message: string, suggestion?: string): EvaluationError {
    return new EvaluationError("wrong-operand", span, message, { suggestion });
  }

  // --- places --------------------------------------------------------------------------------------

  at(type: CType, place: Address, bits: Place["bits"] = null): CValue {
    return { kind: "c", type, place: { address: place, bits }, bytes: null };
  }

  /** `base + offset` as an address; an error where no program has memory. */
  address(value: bigint, span: Span): Address {
    const wrapped = BigInt.asUintN(64, value);
    if (this.typesOnly) return address(wrapped & ((1n << 47n) - 1n));
    if (wrapped < 1n << 47n) return address(wrapped);
    throw new EvaluationError(
      "wild-pointer",
      span,
      `\`${shown(span)}\` leads to ${formatAddress(wrapped)}, which is no address of a program`,
    );
  }

  private dereference(pointer: Scalar, span: Span, what: string): CValue {
    const target = targetOf(pointer.type);
    if (target === null)
      throw this.wrongOperand(
        span,
        `\`${shown(span)}\` is a \`${typeText(pointer.type)}\`, not a pointer`,
      );
    if (plain(target).kind === "void")
      throw this.wrongOperand(
        span,
        `\`${shown(span)}\` is a \`void *\`: nothing says what it leads to`,
        `cast it: *(TYPE *)${shown(span)}`,
      );
    const to = BigInt(pointer.value);
    if (to === 0n && !this.typesOnly)
      throw new EvaluationError("null-pointer", span, `\`${shown(span)}\` is NULL: ${what}`);
    return this.at(target, this.address(to, span));
  }

  private member({ object, operator, member, span }: MemberExpression): Value {
    const owner = this.operand(object);
    if (owner.kind === "record") {
      const field = owner.fields.get(member.text);
      if (field !== undefined) return field;
      throw this.unknownMember(member.span, member.text, `a ${owner.name}`, [
        ...owner.fields.keys(),
      ]);
    }
    if (owner.kind === "list" || (owner.kind === "text" && owner.raw)) {
      const length = owner.kind === "list" ? owner.items.length : owner.bytes.length;
      if (member.text === "length") return this.made({ type: longType, value: BigInt(length) });
      throw this.unknownMember(member.span, member.text, "a list", ["length"]);
    }
    if (owner.kind === "untyped") throw untyped(object.span, owner.entity);
    if (owner.kind !== "c")
      throw this.wrongOperand(object.span, `${describe(owner)} has no members`);
    let holder: CValue = owner;
    if (operator === "->" || isPointerLike(owner.type)) {
      const pointer = this.scalar(owner, object.span);
      const target = targetOf(pointer.type);
      if (operator === "." && target !== null && plain(target).kind === "struct")
        throw this.wrongOperand(
          object.span,
          `\`${shown(object.span)}\` is a pointer: its members are reached by \`->\``,
          `${shown(object.span)}->${member.text}`,
        );
      holder = this.dereference(pointer, object.span, `it has no member \`${member.text}\``);
    }
    const struct = plain(holder.type);
    if (struct.kind !== "struct")
      throw this.wrongOperand(
        object.span,
        `\`${shown(object.span)}\` is a \`${typeText(owner.type)}\`: it has no members`,
      );
    if (struct.size === null) this.size(holder.type, object.span);
    const [first, ...others] = membersNamed(member, struct, this.environment);
    return others.reduce(
      (part, name) => this.memberOf(part, name, span),
      this.memberOf(holder, first, span),
    );
  }

  /** A member of a struct or union, which may be in the process or at hand. */
  memberOf(holder: CValue, member: Name, span: Span): CValue {
    const struct = plain(holder.type);
    if (struct.kind !== "struct")
      throw this.wrongOperand(
        member.span,
        `a \`${typeText(holder.type)}\` has no member \`${member.text}\``,
      );
    const found = findMember(struct, member.text);
    if (found === null)
      throw this.unknownMember(
        member.span,
        member.text,
        `\`${typeText(holder.type)}\``,
        memberNames(struct),
      );
    return this.part(holder, found.type, found.offset, found.bits, span);
  }

  /** Part of a struct or array that may be in the process or at hand. */
  private part(
    holder: CValue,
    type: CType,
    offset: number,
    bits: Place["bits"],
    span: Span,
  ): CValue {
    if (holder.bytes === null && holder.place !== null)
      return this.at(type, this.address(holder.place.address + BigInt(offset), span), bits);
    const size = bits === null ? this.size(type, span) : bytesOfBits(bits);
    const bytes = this.bytes(holder, span).subarray(offset, offset + size);
    if (bits !== null) return this.made(decodeBits(bytes, bits, type));
    return { kind: "c", type, place: null, bytes };
  }

  private unknownMember(
    span: Span,
    name: string,
    owner: string,
    known: readonly string[],
  ): EvaluationError {
    return new EvaluationError("unknown-member", span, `${owner} has no member \`${name}\``, {
      suggestion: didYouMean(name, known),
      refused: true,
    });
  }

  private index({ object, index, span }: IndexExpression): Value {
    const owner = this.operand(object);
    if (owner.kind === "list" || owner.kind === "text") {
      const at = this.integer(index);
      const length = owner.kind === "list" ? owner.items.length : owner.bytes.length;
      const item = owner.kind === "list" ? owner.items[Number(at)] : owner.bytes[Number(at)];
      if (this.typesOnly)
        return owner.kind === "list" && owner.items[0] ? owner.items[0] : this.byte(0);
      if (at < 0n || item === undefined) {
        throw new EvaluationError(
          "index-out-of-range",
          index.span,
          `this list has ${length} elements: there is no [${at}]`,
        );
      }
      return typeof item === "number" ? this.byte(item) : item;
    }
    const count = this.integer(index);
    const array = owner.kind === "c" ? plain(owner.type) : null;
    if (owner.kind === "c" && array?.kind === "array" && owner.bytes !== null) {
      const size = this.size(array.element, span);
      return this.part(owner, array.element, Number(count) * size, null, span);
    }
    const pointer = this.scalar(owner, object.span);
    const target = targetOf(pointer.type);
    if (target === null)
      throw this.wrongOperand(
        object.span,
        `\`${shown(object.span)}\` is a \`${typeText(pointer.type)}\`: it has no elements`,
      );
    const element = this.dereference(pointer, object.span, `it has no element [${count}]`);
    const at = BigInt(pointer.value) + count * BigInt(this.size(target, span));
    return this.at(element.type, this.address(at, span));
  }

  // --- operators -----------------------------------------------------------------------------------

  private unary({ operator, operand, span }: UnaryExpression): Value {
    const value = this.operand(operand);
    if (operator === "&") return this.addressOf(value, operand.span);
    if (operator === "*") {
      const pointer = this.scalar(value, operand.span);
      const target = targetOf(pointer.type);
      if (target !== null && plain(target).kind === "function")
        return this.at(target, this.address(BigInt(pointer.value), operand.span));
      return this.dereference(pointer, operand.span, "it leads nowhere");
    }
    if (operator === "!") return this.made({ type: intType, value: this.truth(operand) ? 0n : 1n });
    if (operator === "-" && value.kind === "duration")
      return { kind: "duration", nanoseconds: -value.nanoseconds };
    return this.made(unaryScalar(operator, this.scalar(value, operand.span), span));
  }

  private addressOf(value: Value, span: Span): Value {
    if (value.kind === "untyped") return this.made({ type: voidPointer, value: value.address });
    if (value.kind !== "c" || value.place === null)
      throw this.wrongOperand(span, `\`${shown(span)}\` is a mere value: it has no address`);
    if (value.place.bits !== null)
      throw this.wrongOperand(span, `\`${shown(span)}\` is a bit-field: it has no address`);
    return this.made({
      type: { kind: "pointer", target: value.type },
      value: value.place.address,
    });
  }

  private conditional({
    condition,
    whenTrue,
    whenFalse,
    span,
  }: Extract<Expression, { kind: "conditional" }>): Value {
    const holds = this.truth(condition);
    if (this.typesOnly) this.operand(holds ? whenFalse : whenTrue);
    const chosen = holds ? whenTrue : whenFalse;
    const value = this.operand(chosen);
    if (value.kind !== "c" || !isScalar(value.type)) return value;
    const other = this.typeOfOperandOrNull(holds ? whenFalse : whenTrue);
    if (other === null || !isScalar(other) || isPointerLike(other) || isPointerLike(value.type))
      return value;
    // C's usual conversions: `c ? 1 : 2.0` is a double either way.
    const scalar = this.scalar(value, chosen.span);
    const { type } = binaryScalar(
      "+",
      { ...scalar, value: isFloat(scalar) ? 0 : 0n },
      zero(other),
      span,
    );
    return this.made(convert(scalar, type));
  }

  /** A type without reading anything; `null` for what is no value of C's, or is wrong. */
  private typeOfOperandOrNull(expression: Expression): CType | null {
    try {
      const value = this.withoutMemory().operand(expression);
      return value.kind === "c" ? value.type : null;
    } catch {
      return null;
    }
  }

  private typeOfOperand(expression: Expression, span: Span): CType {
    const inner = expression.kind === "parenthesized" ? expression.expression : expression;
    if (inner.kind === "variable" && inner.function === undefined && inner.place === undefined) {
      const known = this.environment.lookup(inner.name.text) !== null;
      const type = known
        ? null
        : this.around.program.type({ kind: "typedef", name: inner.name.text });
      if (type !== null) return type;
    }
    const value = this.withoutMemory().operand(expression);
    if (value.kind === "c") return value.type;
    if (value.kind === "text")
      return { kind: "array", element: integer("char", 1, true), count: value.bytes.length + 1 };
    if (value.kind === "untyped") {
      const size = "size" in value.entity ? value.entity.size : null;
      if (size !== null) return { kind: "array", element: integer("char", 1, true), count: size };
      throw untyped(span, value.entity);
    }
    throw this.wrongOperand(span, `${describe(value)} has no size in C`);
  }

  private cast(expression: CastExpression): Value {
    const { type: name, operand, span } = expression;
    const type = typeNamed(this, name);
    const own = plain(type);
    const value = this.operand(operand);
    if (own.kind === "void") return { kind: "c", type, place: null, bytes: new Uint8Array() };
    if (value.kind === "untyped")
      throw untyped(operand.span, value.entity, `*(${typeText(type)} *)&${value.entity.name}`);
    if (value.kind === "c" && isSameStruct(value.type, type)) return { ...value, type };
    const scalar = this.scalar(value, operand.span);
    if (!isScalar(type))
      throw this.wrongOperand(span, `nothing can be cast to \`${typeText(type)}\``);
    if (own.kind === "float" && isPointerLike(scalar.type))
      throw this.wrongOperand(span, "a pointer cannot be cast to a floating type");
    if (own.kind === "pointer" && isFloat(scalar))
      throw this.wrongOperand(span, "a floating value cannot be cast to a pointer");
    // A negative integer becomes a pointer with its sign.
    const from = own.kind === "pointer" ? { ...scalar, value: signedWord(scalar) } : scalar;
    return this.made(convert(from, type));
  }
}

function signedWord(scalar: Scalar): bigint {
  const { bits, signed } = shapeOf(scalar.type);
  const value = BigInt(scalar.value);
  return BigInt.asUintN(64, signed ? BigInt.asIntN(bits, value) : value);
}

function isFloat(scalar: Scalar): boolean {
  return plain(scalar.type).kind === "float";
}

function zero(type: CType): Scalar {
  return { type, value: plain(type).kind === "float" ? 0 : 0n };
}
