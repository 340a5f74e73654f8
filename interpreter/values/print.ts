/** Values as `print` shows them, with the name of their type. */
import type { ConstantValue } from "../../lang/check/checked.js";
import { stringBytes } from "../../lang/literals.js";
import type { PrintedValue } from "../progress/events.js";

const durationUnits: readonly (readonly [name: string, nanoseconds: bigint])[] = [
  ["h", 3_600_000_000_000n],
  ["m", 60_000_000_000n],
  ["s", 1_000_000_000n],
  ["ms", 1_000_000n],
  ["us", 1_000n],
];

const sizeUnits: readonly (readonly [name: string, bytes: bigint])[] = [
  ["GiB", 1n << 30n],
  ["MiB", 1n << 20n],
  ["KiB", 1n << 10n],
];

/** In the largest unit that leaves no rest: `90s`, `2m`, `250us`. */
export function formatDuration(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return "0s";
  for (const [name, unit] of durationUnits) {
    if (nanoseconds % unit === 0n) return `${nanoseconds / unit}${name}`;
  }
  return `${nanoseconds}ns`;
}

/** In the largest unit that leaves no rest; plain bytes else: `4KiB`, `1000`. */
export function formatSize(bytes: bigint): string {
  if (bytes === 0n) return "0";
  for (const [name, unit] of sizeUnits) {
    if (bytes % unit === 0n) return `${bytes / unit}${name}`;
  }
  return `${bytes}`;
}

/** A floating number with as many digits as tell it from its neighbours, always recognisable as one. */
export function formatFloat(value: number, type: "float" | "double" | "long double"): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (Object.is(value, -0)) return "-0.0";
  const text = type === "float" ? shortestFloat(value) : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** The shortest decimal that rounds to the same 32-bit float. */
function shortestFloat(value: number): string {
  const single = Math.fround(value);
  for (let digits = 1; digits <= 9; digits++) {
    const candidate = Number(single.toPrecision(digits));
    if (Math.fround(candidate) === single) return String(candidate);
  }
  return String(single);
}

/** A constant's text and type. */
export function printConstant(value: ConstantValue): PrintedValue {
  switch (value.kind) {
    case "integer":
      return { text: value.value.toString(), type: value.type };
    case "float":
      return { text: formatFloat(value.value, value.type), type: value.type };
    case "string":
      return { text: value.value, type: `char [${stringBytes(value).length + 1}]` };
    case "boolean":
      return { text: value.value ? "true" : "false", type: "_Bool" };
    case "duration":
      return { text: formatDuration(value.nanoseconds), type: "duration" };
    case "size":
      return { text: formatSize(value.bytes), type: "size" };
    case "null":
      return { text: "NULL", type: "void *" };
  }
}
