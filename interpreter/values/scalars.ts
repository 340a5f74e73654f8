/** Scalars of C: from bytes to numbers and back, and C's conversions between them. */
import type { CType } from "../../native/engine.js";
import { intType, integer, plain, unsignedLongType } from "./c_types.js";

/** A number with its C type: bigint for integers, enums and pointers, number for floating types. */
export interface Scalar {
  readonly type: CType;
  readonly value: bigint | number;
}

export function isScalar(type: CType): boolean {
  const own = plain(type);
  return (
    own.kind === "integer" ||
    own.kind === "enum" ||
    own.kind === "pointer" ||
    (own.kind === "float" && !own.complex)
  );
}

export function isIntegral(type: CType): boolean {
  const own = plain(type);
  return own.kind === "integer" || own.kind === "enum";
}

/** Bits and sign of an integral or pointer type. */
export function shapeOf(type: CType): { readonly bits: number; readonly signed: boolean } {
  const own = plain(type);
  switch (own.kind) {
    case "integer":
      return { bits: own.encoding === "boolean" ? 1 : own.size * 8, signed: own.signed };
    case "enum":
      return { bits: (own.size ?? 4) * 8, signed: own.signed };
    default:
      return { bits: 64, signed: false };
  }
}

export function wrap(value: bigint, bits: number, signed: boolean): bigint {
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let at = bytes.length - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[at] ?? 0);
  return value;
}

function toBytes(value: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let rest = BigInt.asUintN(size * 8, value);
  for (let at = 0; at < size; at++) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** A bit-field's value out of the bytes that hold it, the first of which holds its first bit. */
export function decodeBits(
  bytes: Uint8Array,
  bits: { readonly first: number; readonly count: number },
  type: CType,
): Scalar {
  const raw = (littleEndian(bytes) >> BigInt(bits.first)) & ((1n << BigInt(bits.count)) - 1n);
  return { type, value: wrap(raw, bits.count, shapeOf(type).signed) };
}

/** The bytes with a bit-field's bits exchanged. */
export function encodeBits(
  before: Uint8Array,
  bits: { readonly first: number; readonly count: number },
  value: bigint,
): Uint8Array {
  const mask = ((1n << BigInt(bits.count)) - 1n) << BigInt(bits.first);
  const old = littleEndian(before);
  return toBytes((old & ~mask) | ((value << BigInt(bits.first)) & mask), before.length);
}

/** How many bytes hold a bit-field. */
export function bytesOfBits(bits: { readonly first: number; readonly count: number }): number {
  return Math.ceil((bits.first + bits.count) / 8);
}

export function decode(bytes: Uint8Array, type: CType): Scalar {
  const own = plain(type);
  if (own.kind === "float") return { type, value: decodeFloat(bytes, own.size) };
  const { signed } = shapeOf(type);
  const raw = littleEndian(bytes);
  // Any byte but zero reads as true, as gdb shows it.
  if (own.kind === "integer" && own.encoding === "boolean") return { type, value: raw };
  return { type, value: wrap(raw, bytes.length * 8, signed) };
}

export function encode({ type, value }: Scalar): Uint8Array {
  const own = plain(type);
  if (own.kind === "float") return encodeFloat(Number(value), own.size);
  const size = own.kind === "integer" || own.kind === "enum" ? (own.size ?? 4) : 8;
  return toBytes(BigInt(value), size);
}

function decodeFloat(bytes: Uint8Array, size: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 4) return view.getFloat32(0, true);
  if (size === 8) return view.getFloat64(0, true);
  // x87: 64 bits of mantissa with its leading one, 15 of exponent, a sign (Intel SDM 4.2).
  const mantissa = view.getBigUint64(0, true);
  const word = view.getUint16(8, true);
  const sign = (word & 0x8000) === 0 ? 1 : -1;
  const exponent = word & 0x7fff;
  if (exponent === 0x7fff)
    return mantissa << 1n === 0n || BigInt.asUintN(63, mantissa) === 0n ? sign * Infinity : NaN;
  if (mantissa === 0n) return sign < 0 ? -0 : 0;
  return sign * scaled(mantissa, exponent - 16383 - 63);
}

function scaled(mantissa: bigint, exponent: number): number {
  // In two steps, so that neither overflows where the result does not.
  const half = Math.trunc(exponent / 2);
  return Number(mantissa) * 2 ** half * 2 ** (exponent - half);
}

function encodeFloat(value: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  if (size === 4) view.setFloat32(0, value, true);
  else if (size === 8) view.setFloat64(0, value, true);
  else encodeExtended(view, value);
  return bytes;
}

function encodeExtended(view: DataView, value: number): void {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  if (Number.isNaN(value) || !Number.isFinite(value)) {
    view.setBigUint64(0, Number.isNaN(value) ? 0xc000000000000000n : 0x8000000000000000n, true);
    view.setUint16(8, sign | 0x7fff, true);
    return;
  }
  if (value === 0) {
    view.setUint16(8, sign, true);
    return;
  }
  const scratch = new DataView(new ArrayBuffer(8));
  scratch.setFloat64(0, Math.abs(value));
  const raw = scratch.getBigUint64(0);
  let exponent = Number(raw >> 52n);
  let mantissa = raw & 0xfffffffffffffn;
  if (exponent === 0) exponent = 1;
  else mantissa |= 1n << 52n;
  while (mantissa >> 52n === 0n) {
    mantissa <<= 1n;
    exponent -= 1;
  }
  view.setBigUint64(0, mantissa << 11n, true);
  view.setUint16(8, sign | (exponent - 1023 + 16383), true);
}

/** Integer promotion (C11 6.3.1.1). */
export function promoted(type: CType): CType {
  const own = plain(type);
  if (own.kind === "enum")
    return (own.size ?? 4) > 4
      ? integerOf((own.size ?? 8) * 8, own.signed)
      : own.signed
        ? intType
        : integerOf(32, false);
  if (own.kind !== "integer") return own;
  return own.size < 4 || own.encoding === "boolean" ? intType : own;
}

function integerOf(bits: number, signed: boolean): CType {
  if (bits <= 32) return signed ? intType : integer("unsigned int", 4, false);
  if (bits <= 64) return signed ? integer("long", 8, true) : unsignedLongType;
  return signed ? integer("__int128", 16, true) : integer("unsigned __int128", 16, false);
}

const ranks = ["int", "long", "long long", "__int128"];

function rankOf(type: CType): number {
  const own = plain(type);
  if (own.kind !== "integer") return 0;
  const rank = ranks.indexOf(own.name.replace(/^unsigned /, ""));
  return rank >= 0 ? rank : own.size === 16 ? 3 : own.size === 8 ? 1 : 0;
}

/** The usual arithmetic conversions (C11 6.3.1.8). */
export function commonType(left: CType, right: CType): CType {
  const [a, b] = [plain(left), plain(right)];
  if (a.kind === "float" || b.kind === "float") {
    const sizeA = a.kind === "float" ? a.size : 0;
    const sizeB = b.kind === "float" ? b.size : 0;
    return sizeA >= sizeB ? a : b;
  }
  const [pa, pb] = [promoted(a), promoted(b)];
  const [sa, sb] = [shapeOf(pa), shapeOf(pb)];
  const [ra, rb] = [rankOf(pa), rankOf(pb)];
  if (sa.signed === sb.signed) return ra >= rb ? pa : pb;
  const [unsigned, signed] = sa.signed ? [pb, pa] : [pa, pb];
  if (rankOf(unsigned) >= rankOf(signed)) return unsigned;
  if (shapeOf(signed).bits > shapeOf(unsigned).bits) return signed;
  const own = plain(signed);
  return own.kind === "integer" ? integer(`unsigned ${own.name}`, own.size, false) : signed;
}

/** C's conversion to a type; out of range it wraps, as gcc defines it. */
export function convert(scalar: Scalar, type: CType): Scalar {
  const own = plain(type);
  const { value } = scalar;
  if (own.kind === "float") {
    const number = Number(value);
    return { type, value: own.size === 4 ? Math.fround(number) : number };
  }
  if (own.kind === "integer" && own.encoding === "boolean")
    return { type, value: value === 0 || value === 0n ? 0n : 1n };
  const { bits, signed } = shapeOf(type);
  const whole = typeof value === "bigint" ? value : truncated(value);
  return { type, value: wrap(whole, bits, signed) };
}

function truncated(value: number): bigint {
  return Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
}

export function isTrueScalar({ value }: Scalar): boolean {
  return value !== 0 && value !== 0n;
}

/** The range of an integral type or bit-field; `null` for pointers and floating types. */
export function rangeOf(
  type: CType,
  bits: { readonly count: number } | null,
): { readonly least: bigint; readonly most: bigint } | null {
  if (!isIntegral(type)) return null;
  const shape = shapeOf(type);
  const width = BigInt(bits?.count ?? shape.bits);
  return shape.signed
    ? { least: -(1n << (width - 1n)), most: (1n << (width - 1n)) - 1n }
    : { least: 0n, most: (1n << width) - 1n };
}
