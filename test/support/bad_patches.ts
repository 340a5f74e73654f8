/** Patch objects that must be refused: damaged by hand, or built with what a patch may not have. */
import { readFileSync } from "node:fs";
import { generatedSource } from "./toolchain.js";
import { buildPatch } from "./patches.js";

const aarch64 = 183;
const i386 = 3;

/** Offsets in an ELF header. */
const classOffset = 4;
const typeOffset = 16;
const machineOffset = 18;

function goodBytes(): Buffer {
  return Buffer.from(readFileSync(buildPatch("basic.c")));
}

/** Says that it is for AArch64. */
export function otherMachine(): Buffer {
  const bytes = goodBytes();
  bytes.writeUInt16LE(aarch64, machineOffset);
  return bytes;
}

/** Says that it is a 32-bit object for the i386. */
export function otherClass(): Buffer {
  const bytes = goodBytes();
  bytes.writeUInt8(1, classOffset);
  bytes.writeUInt16LE(i386, machineOffset);
  return bytes;
}

/** Says that it is an executable. */
export function notShared(): Buffer {
  const bytes = goodBytes();
  bytes.writeUInt16LE(2, typeOffset);
  return bytes;
}

/** The first `length` bytes only. */
export function truncated(length: number): Buffer {
  return goodBytes().subarray(0, length);
}

/** Size of the undamaged object. */
export function goodSize(): number {
  return goodBytes().length;
}

/** A generator of numbers in [0, 2^32) that gives the same ones every time. */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Noise, with or without an ELF magic at its front. */
export function noise(seed: number, length: number, withMagic: boolean): Buffer {
  const next = seededNumbers(seed);
  const bytes = Buffer.from(Array.from({ length }, () => next() & 0xff));
  if (withMagic) goodBytes().copy(bytes, 0, 0, 20);
  return bytes;
}

/** The good object with some of its bytes changed. */
export function corrupted(seed: number): Buffer {
  const next = seededNumbers(seed);
  const bytes = goodBytes();
  // Mostly the headers and tables at the front, which a reader believes.
  const range = next() % 4 === 0 ? bytes.length : 0x600;
  for (let change = next() % 8; change >= 0; change--) {
    bytes.writeUInt8(next() & 0xff, next() % range);
  }
  return bytes;
}

/** Compiles a line of C as a patch. */
export function inlinePatch(name: string, text: string, flags: readonly string[] = []): string {
  return buildPatch(generatedSource(`${name}.c`, `${text}\n`), flags);
}
