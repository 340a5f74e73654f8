/** The values of literals: C's numbers, characters and texts, and the language's own units. */
import type {
  CharacterLiteral,
  DurationLiteral,
  FloatLiteral,
  IntegerLiteral,
  IntegerType,
  SizeLiteral,
  StringLiteral,
} from "./ast.js";
import { diagnose } from "./diagnostics/codes.js";
import type { Diagnostic } from "./diagnostics/diagnostic.js";
import { didYouMean } from "./diagnostics/suggest.js";
import type { Span } from "./source.js";

type Report = (diagnostic: Diagnostic) => void;

const nanoseconds: ReadonlyMap<string, bigint> = new Map([
  ["us", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);

const bytes: ReadonlyMap<string, bigint> = new Map([
  ["KiB", 1n << 10n],
  ["MiB", 1n << 20n],
  ["GiB", 1n << 30n],
]);

/** Durations and sizes stay below this, so that every sum of two fits into 64 bits. */
const unitLimit = 1n << 62n;

const floatTypes = { "": "double", f: "float", l: "long double" } as const;

/** Reads a number; a mistake is reported and read as 0. */
export function numberLiteral(
  text: string,
  span: Span,
  report: Report,
): IntegerLiteral | FloatLiteral | DurationLiteral | SizeLiteral {
  const wrong = (reason: string, suggestion?: string | undefined): IntegerLiteral => {
    report(diagnose("invalid-number", span, { reason }, { suggestion }));
    return { kind: "integer", span, value: 0n, type: "int" };
  };
  // Most numbers are small and plain.
  if (/^(?:0|[1-9]\d{0,8})$/.test(text)) {
    return { kind: "integer", span, value: BigInt(text), type: "int" };
  }
  const prefixed = /^0([xXbB])(.*)$/.exec(text);
  if (prefixed?.[1] !== undefined && prefixed[2] !== undefined) {
    return prefixedInteger(prefixed[1].toLowerCase(), prefixed[2], text, span, wrong);
  }
  const parts = /^(\d*)(\.\d*)?([eE][+-]?\d+)?(.*)$/.exec(text);
  const [, whole = "", fraction, exponent, suffix = ""] = parts ?? [];
  const unit = nanoseconds.get(suffix) ?? bytes.get(suffix);
  if (unit !== undefined && exponent === undefined) {
    const amount = scaled(whole, fraction?.slice(1) ?? "", unit);
    if (amount === undefined) return wrong(`\`${text}\` is finer than can be told`);
    if (amount >= unitLimit) return wrong(`\`${text}\` is too large`);
    return nanoseconds.has(suffix)
      ? { kind: "duration", span, nanoseconds: amount }
      : { kind: "size", span, bytes: amount };
  }
  if (fraction !== undefined || exponent !== undefined) {
    const type = floatTypes[suffix.toLowerCase() as keyof typeof floatTypes];
    if (type === undefined) return wrong(...unknownSuffix(text, suffix));
    const value = Number(`${whole === "" ? "0" : whole}${fraction ?? ""}${exponent ?? ""}`);
    if (!Number.isFinite(value)) return wrong(`\`${text}\` is too large for a double`);
    return { kind: "float", span, value: type === "float" ? Math.fround(value) : value, type };
  }
  const kind = integerSuffix(suffix);
  if (kind === undefined) return wrong(...unknownSuffix(text, suffix));
  if (/^0\d/.test(whole)) {
    if (/[89]/.test(whole)) return wrong(`\`${text}\` begins with 0, so it is octal: no 8 or 9`);
    return typedInteger(BigInt(`0o${whole.slice(1)}`), kind, false, text, span, wrong);
  }
  return typedInteger(BigInt(whole), kind, true, text, span, wrong);
}

/** `whole.fraction * unit`, or undefined if that is no whole number. */
function scaled(whole: string, fraction: string, unit: bigint): bigint | undefined {
  const power = 10n ** BigInt(Math.min(fraction.length, 40));
  const product = BigInt(`0${whole}${fraction.slice(0, 40)}`) * unit;
  return fraction.length > 40 || product % power !== 0n ? undefined : product / power;
}

type Wrong = (reason: string, suggestion?: string | undefined) => IntegerLiteral;

function prefixedInteger(
  prefix: string,
  rest: string,
  text: string,
  span: Span,
  wrong: Wrong,
): IntegerLiteral {
  const digits = (prefix === "x" ? /^[0-9a-fA-F]*/ : /^[01]*/).exec(rest)?.[0] ?? "";
  if (digits === "") return wrong(`\`${text}\` has no digits`);
  const suffix = rest.slice(digits.length);
  const kind = integerSuffix(suffix);
  if (kind === undefined) return wrong(...unknownSuffix(text, suffix));
  return typedInteger(BigInt(`0${prefix}${digits}`), kind, false, text, span, wrong);
}

interface IntegerSuffix {
  readonly unsigned: boolean;
  readonly rank: 0 | 1 | 2;
}

function integerSuffix(suffix: string): IntegerSuffix | undefined {
  const match = /^(?:([uU])(l|L|ll|LL)?|(l|L|ll|LL)([uU])?)?$/.exec(suffix);
  if (match === null) return undefined;
  const long = match[2] ?? match[3] ?? "";
  return {
    unsigned: (match[1] ?? match[4]) !== undefined,
    rank: long.length === 2 ? 2 : long.length === 1 ? 1 : 0,
  };
}

function unknownSuffix(text: string, suffix: string): [string, string | undefined] {
  const shown = suffix === "" ? text : suffix;
  const units = [...nanoseconds.keys(), ...bytes.keys(), "u", "l", "ul", "ll", "ull"];
  const spelled: Readonly<Record<string, string>> = {
    sec: "s",
    second: "s",
    seconds: "s",
    min: "m",
    minutes: "m",
    hours: "h",
    K: "KiB",
    k: "KiB",
    KB: "KiB",
    kB: "KiB",
    M: "MiB",
    MB: "MiB",
    G: "GiB",
    GB: "GiB",
  };
  const meant = spelled[suffix];
  const suggestion = meant === undefined ? didYouMean(suffix, units) : `did you mean \`${meant}\`?`;
  return [`\`${shown}\` is no suffix of a number: \`${text}\``, suggestion];
}

const integerTypes: readonly { readonly type: IntegerType; readonly rank: number }[] = [
  { type: "int", rank: 0 },
  { type: "unsigned int", rank: 0 },
  { type: "long", rank: 1 },
  { type: "unsigned long", rank: 1 },
  { type: "long long", rank: 2 },
  { type: "unsigned long long", rank: 2 },
];

/** Width in bits and sign of an integer type (LP64). */
export function integerWidth(type: IntegerType): { bits: number; unsigned: boolean } {
  return { bits: type.endsWith("int") ? 32 : 64, unsigned: type.startsWith("unsigned") };
}

/** C11 6.4.4.1: the first type of the literal's list that holds its value. */
function typedInteger(
  value: bigint,
  suffix: IntegerSuffix,
  decimal: boolean,
  text: string,
  span: Span,
  wrong: Wrong,
): IntegerLiteral {
  for (const { type, rank } of integerTypes) {
    const { bits, unsigned } = integerWidth(type);
    if (rank < suffix.rank || (suffix.unsigned && !unsigned)) continue;
    if (unsigned && decimal && !suffix.unsigned) continue;
    if (value < 1n << BigInt(unsigned ? bits : bits - 1)) {
      return { kind: "integer", span, value, type };
    }
  }
  const help = value < 1n << 64n ? `write \`${text}u\`` : undefined;
  return wrong(`\`${text}\` is too large for any integer type`, help);
}

const simpleEscapes: Readonly<Record<string, number>> = {
  n: 10,
  t: 9,
  r: 13,
  "0": 0,
  a: 7,
  b: 8,
  f: 12,
  v: 11,
  e: 27,
  "\\": 92,
  "'": 39,
  '"': 34,
  "?": 63,
};

/** Reads `"…"` (with its quotes; the closing one may be missing). */
export function stringLiteral(text: string, span: Span, report: Report): StringLiteral {
  const closed = text.length > 1 && text.endsWith('"');
  const body = text.slice(1, closed ? -1 : undefined);
  if (!body.includes("\\")) return { kind: "string", span, value: body };
  const escaped = unescape(body, span, report);
  return { kind: "string", span, value: escaped.toString("utf8"), escaped };
}

/** What a text stands for, without a closing zero. */
export function stringBytes({
  value,
  escaped,
}: Pick<StringLiteral, "value" | "escaped">): Uint8Array {
  return escaped ?? Buffer.from(value, "utf8");
}

/** Reads `'…'`; a mistake is reported and read as 0. */
export function characterLiteral(text: string, span: Span, report: Report): CharacterLiteral {
  const body = text.slice(1, text.length > 1 && text.endsWith("'") ? -1 : undefined);
  const value = body.includes("\\") ? unescape(body, span, report) : Buffer.from(body, "utf8");
  if (value.length !== 1) {
    const reason =
      value.length === 0
        ? "there is no character between the quotes"
        : "this is more than one character (one byte)";
    const suggestion =
      value.length === 0 ? undefined : `a text is written in double quotes: \`"${body}"\``;
    report(diagnose("invalid-character", span, { reason }, { suggestion }));
    return { kind: "character", span, value: 0 };
  }
  return { kind: "character", span, value: value.readInt8(0) };
}

/** Replaces C's escapes; `span` is that of the literal with its opening quote. */
function unescape(body: string, span: Span, report: Report): Buffer {
  const parts: Buffer[] = [];
  const pattern =
    /\\(?:x([0-9a-fA-F]+)|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|([^]?))|[^\\]+/g;
  for (const match of body.matchAll(pattern)) {
    const [whole, hex, short, long, octal, letter] = match;
    const wrong = (): void => {
      const start = span.start + 1 + match.index;
      const place = span.file.span(start, start + whole.length);
      report(diagnose("invalid-escape", place, { escape: whole }));
      parts.push(Buffer.from("?"));
    };
    const byte =
      hex !== undefined
        ? Number.parseInt(hex, 16)
        : octal !== undefined
          ? Number.parseInt(octal, 8)
          : letter !== undefined
            ? (simpleEscapes[letter] ?? -1)
            : undefined;
    if (byte !== undefined) {
      if (byte >= 0 && byte <= 255) parts.push(Buffer.from([byte]));
      else wrong();
    } else if (short !== undefined || long !== undefined) {
      const point = Number.parseInt(short ?? long ?? "", 16);
      if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) wrong();
      else parts.push(Buffer.from(String.fromCodePoint(point), "utf8"));
    } else {
      parts.push(Buffer.from(whole, "utf8"));
    }
  }
  return Buffer.concat(parts);
}
