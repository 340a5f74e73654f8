/** Values as a good debugger shows them: typed, bounded in depth and length, nothing unprintable. */
import { address, formatAddress, type Address } from "../../native/address.js";
import type { ArrayType, CType, EnumType, StructType, SymbolPlace } from "../../native/engine.js";
import type { PrintedValue } from "../progress/events.js";
import { isCharacter, plain, sizeOf, typeText } from "./c_types.js";
import { formatDuration, formatFloat, formatSize } from "./print.js";
import { bytesOfBits, decode, decodeBits } from "./scalars.js";
import type { CValue, Value } from "./value.js";

export interface PrintLimits {
  /** Structs and arrays inside each other. */
  readonly depth: number;
  /** Elements of an array or list. */
  readonly elements: number;
  /** Characters of a text. */
  readonly characters: number;
}

export const usualLimits: PrintLimits = { depth: 6, elements: 100, characters: 200 };

/** As many alike elements are shown once, with their number. */
const foldedFrom = 10;

/** What printing looks up beside the value itself; reads take no part in the value's moment. */
export interface PrintSources {
  readonly symbolAt: (at: Address) => SymbolPlace | null;
  /** `null` where that much cannot be read. */
  readonly peek: (at: Address, length: number) => Uint8Array | null;
}

export class ValuePrinter {
  constructor(
    private readonly sources: PrintSources,
    private readonly limits: PrintLimits = usualLimits,
  ) {}

  /** A value whose bytes are at hand. */
  print(value: Value): PrintedValue {
    switch (value.kind) {
      case "c":
        return { text: this.c(value), type: typeText(value.type) };
      case "untyped":
        return {
          text: `<${value.entity.name} at ${formatAddress(value.address)}, of unknown type>`,
          type: "unknown",
        };
      case "duration":
        return { text: formatDuration(value.nanoseconds), type: "duration" };
      case "size":
        return { text: formatSize(value.bytes), type: "size" };
      case "text":
        return value.raw
          ? { text: this.hex(value.bytes), type: `unsigned char [${value.bytes.length}]` }
          : {
              text: Buffer.from(value.bytes).toString("utf8"),
              type: `char [${value.bytes.length + 1}]`,
            };
      case "list":
        return { text: this.list(value.items), type: "list" };
      case "record":
        return { text: value.text, type: value.name };
    }
  }

  private list(items: readonly Value[]): string {
    const shown = items.slice(0, this.limits.elements).map((item) => this.print(item).text);
    return `[${bounded(shown, items.length)}]`;
  }

  private hex(bytes: Uint8Array): string {
    const shown = Buffer.from(bytes.subarray(0, this.limits.characters));
    const pairs = shown.toString("hex").replace(/..(?=.)/g, "$& ");
    return bytes.length > shown.length ? `${pairs} …` : pairs;
  }

  private c(value: CValue): string {
    const { type, place } = value;
    if (value.bytes === null) {
      if (plain(type).kind === "function" && place !== null)
        return `{${typeText(type)}} ${this.pointer(place.address)}`;
      return "<not read>";
    }
    return this.typed(type, value.bytes, 0);
  }

  private typed(type: CType, bytes: Uint8Array, depth: number): string {
    const own = plain(type);
    switch (own.kind) {
      case "void":
        return "void";
      case "integer": {
        const { value } = decode(bytes, own);
        if (own.encoding === "boolean")
          return value === 0n ? "false" : value === 1n ? "true" : String(value);
        if (own.encoding === "character") return character(BigInt(value), own.size);
        return String(value);
      }
      case "float":
        return own.complex ? this.complex(bytes, own.size / 2) : floating(bytes, own.size);
      case "enum":
        return enumText(own, BigInt(decode(bytes, own).value));
      case "pointer":
        return this.pointerTo(own.target, BigInt(decode(bytes, own).value));
      case "function":
        return "{…}";
      case "array":
        return this.array(own, bytes, depth);
      case "struct":
        return this.struct(own, bytes, depth);
    }
  }

  private complex(bytes: Uint8Array, size: number): string {
    return `${floating(bytes.subarray(0, size), size)} + ${floating(bytes.subarray(size), size)}i`;
  }

  private struct(type: StructType, bytes: Uint8Array, depth: number): string {
    if (depth >= this.limits.depth) return "{…}";
    const parts: string[] = [];
    for (const member of type.members) {
      // An unnamed bit-field is padding.
      if (member.name === null && member.bits !== null) continue;
      let text: string;
      if (member.bits !== null) {
        const holder = bytes.subarray(member.offset, member.offset + bytesOfBits(member.bits));
        const { value } = decodeBits(holder, member.bits, member.type);
        text = this.bitField(member.type, BigInt(value));
      } else {
        const size = sizeOf(member.type);
        text =
          size === null
            ? "{…}"
            : this.typed(
                member.type,
                bytes.subarray(member.offset, member.offset + size),
                depth + 1,
              );
      }
      parts.push(member.name === null ? text : `${member.name} = ${text}`);
    }
    return `{${parts.join(", ")}}`;
  }

  private bitField(type: CType, value: bigint): string {
    const own = plain(type);
    if (own.kind === "enum") return enumText(own, value);
    if (own.kind === "integer" && own.encoding === "boolean")
      return value === 0n ? "false" : "true";
    return String(value);
  }

  private array(type: ArrayType, bytes: Uint8Array, depth: number): string {
    if (isCharacter(type.element)) return this.text(bytes);
    if (depth >= this.limits.depth) return "{…}";
    const size = sizeOf(type.element) ?? 0;
    const count = size === 0 ? 0 : Math.floor(bytes.length / size);
    const shown: string[] = [];
    let at = 0;
    for (; at < count && shown.length < this.limits.elements;) {
      const element = bytes.subarray(at * size, (at + 1) * size);
      let same = 1;
      while (
        at + same < count &&
        Buffer.compare(element, bytes.subarray((at + same) * size, (at + same + 1) * size)) === 0
      )
        same++;
      const text = this.typed(type.element, element, depth + 1);
      if (same >= foldedFrom) {
        shown.push(`${text} <repeats ${same} times>`);
        at += same;
      } else {
        shown.push(text);
        at += 1;
      }
    }
    if (at < count) shown.push("…");
    return `{${shown.join(", ")}}`;
  }

  /** A char array: its text without the zeros that fill it up. */
  private text(bytes: Uint8Array): string {
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === 0) end--;
    return this.quoted(bytes.subarray(0, end));
  }

  private quoted(bytes: Uint8Array): string {
    const shown = bytes.subarray(0, this.limits.characters);
    return `"${escaped(shown)}"${bytes.length > shown.length ? "…" : ""}`;
  }

  private pointerTo(target: CType, value: bigint): string {
    const text = this.pointer(value);
    if (!isCharacter(target) || value === 0n || value >= 1n << 47n) return text;
    const pointed = this.pointedText(value);
    return pointed === null ? text : `${text} ${pointed}`;
  }

  private pointedText(value: bigint): string | null {
    const most = this.limits.characters + 1;
    // To the end of the text or of what can be read, in pieces that end with their page.
    const bytes: number[] = [];
    for (let at = value; bytes.length < most;) {
      const room = Number(4096n - (at & 4095n));
      const piece = this.sources.peek(address(at), Math.min(room, most - bytes.length));
      if (piece === null) break;
      const zero = piece.indexOf(0);
      bytes.push(...(zero < 0 ? piece : piece.subarray(0, zero)));
      if (zero >= 0) return this.quoted(Uint8Array.from(bytes));
      at += BigInt(piece.length);
      if (at >= 1n << 47n) break;
    }
    return bytes.length === 0 ? null : this.quoted(Uint8Array.from(bytes));
  }

  private pointer(value: bigint): string {
    if (value === 0n) return "NULL";
    const text = formatAddress(value);
    const symbol = value < 1n << 47n ? this.sources.symbolAt(address(value)) : null;
    if (symbol === null) return text;
    return `${text} <${symbol.name}${symbol.offset === 0 ? "" : `+${symbol.offset}`}>`;
  }
}

function bounded(shown: readonly string[], all: number): string {
  return all > shown.length ? [...shown, "…"].join(", ") : shown.join(", ");
}

function floating(bytes: Uint8Array, size: number): string {
  const name = size === 4 ? "float" : size === 8 ? "double" : "long double";
  return formatFloat(
    Number(decode(bytes, { kind: "float", name, size, complex: false }).value),
    name,
  );
}

function character(value: bigint, size: number): string {
  if (size !== 1)
    return `${value}${value >= 32n && value < 0x110000n && (value < 127n || value > 159n) ? ` '${String.fromCodePoint(Number(value))}'` : ""}`;
  const text = escaped(Uint8Array.of(Number(BigInt.asUintN(8, value))));
  return `${value} '${text === '\\"' ? '"' : text === "'" ? "\\'" : text}'`;
}

/** The enumerator of that value; several where they are flags; else the number. */
export function enumText(type: EnumType, value: bigint): string {
  const exact = type.enumerators.find((one) => one.value === value);
  if (exact !== undefined) return exact.name;
  const isFlags = type.enumerators.every(
    ({ value: bit }) => bit >= 0n && (bit & (bit - 1n)) === 0n,
  );
  if (!isFlags || value <= 0n) return String(value);
  let rest = value;
  const names: string[] = [];
  for (const one of type.enumerators) {
    if (one.value === 0n || (rest & one.value) === 0n) continue;
    names.push(one.name);
    rest &= ~one.value;
  }
  if (names.length === 0) return String(value);
  if (rest !== 0n) names.push(`unknown: 0x${rest.toString(16)}`);
  return `(${names.join(" | ")})`;
}

const escapes: Readonly<Record<number, string>> = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  27: "\\033",
  34: '\\"',
  92: "\\\\",
};

/** Bytes as the inside of a C literal; whole UTF-8 characters stay. */
export function escaped(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at] ?? 0;
    const known = escapes[byte];
    if (known !== undefined) text += known;
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte);
    else {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
      const whole = Buffer.from(bytes.subarray(at, at + length)).toString("utf8");
      if (length > 1 && /^[^\p{C}\ufffd]$/u.test(whole)) {
        text += whole;
        at += length;
        continue;
      }
      text += `\\${byte.toString(8).padStart(3, "0")}`;
    }
    at += 1;
  }
  return text;
}
