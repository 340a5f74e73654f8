/**
 * A hook arena: where the stubs, the relocated entries, the dispatch chains and the dispatch
 * slots of up to 512 functions of one module live, within reach of its code.
 *
 *     base - 0x11000   slots    r--   one 8-byte pointer a hook
 *     base - 0x10000   stubs    r-x   128 bytes a hook: `jmp *slot`, then the relocated entry
 *     base + p*64 KiB  plane p  r-x   128 bytes a hook: one dispatch chain
 *
 * `base` is aligned to 16 MiB, so that the chains of one hook in different planes differ in
 * one byte of their address: a slot is changed by a store of that byte, which no processor
 * and no kernel copy loop can tear, and which needs no thread to be held. Planes are mapped
 * when they are first needed.
 */
import { Encoder } from "./encoder.js";

export const hooksPerArena = 512;
const cellSize = 128n;
const planeSize = 0x10000n;
export const planesPerArena = 256;
export const arenaAlignment = 1n << 24n;
/** Below `base`. */
export const arenaHead = 0x11000n;
const slotsAt = 0x11000n;
const stubsAt = 0x10000n;
/** Offset of the relocated entry inside its 128 bytes. */
const copyOffset = 16n;
export const copyRoom = Number(cellSize - copyOffset);
export const chainRoom = Number(cellSize);

export class Arena {
  constructor(
    /** Aligned to 16 MiB. */
    readonly base: bigint,
  ) {}

  slot(hook: number): bigint {
    return this.base - slotsAt + BigInt(hook) * 8n;
  }
  stub(hook: number): bigint {
    return this.base - stubsAt + BigInt(hook) * cellSize;
  }
  /** Where the relocated entry of a hook goes. */
  copy(hook: number): bigint {
    return this.stub(hook) + copyOffset;
  }
  cell(hook: number, plane: number): bigint {
    return this.base + BigInt(plane) * planeSize + BigInt(hook) * cellSize;
  }
  /** Plane of a slot's value, -1 if it is none of this hook's. */
  planeOf(hook: number, cell: bigint): number {
    const offset = cell - this.base - BigInt(hook) * cellSize;
    if (offset < 0n || offset % planeSize !== 0n || offset / planeSize >= BigInt(planesPerArena))
      return -1;
    return Number(offset / planeSize);
  }
  /**
   * Code of a stub: takes back what the function's entry has pushed before its jump, then one
   * indirect jump through the hook's slot. Destroys nothing.
   */
  stubCode(hook: number, pushes: number): Buffer {
    const code = new Encoder(this.stub(hook));
    if (pushes > 0) code.moveStack(pushes * 8);
    code.jumpThrough(this.slot(hook));
    return code.bytes();
  }

  /** The mappings of a new arena: the slots, the stubs and plane 0. */
  mappings(): { readonly start: bigint; readonly size: bigint; readonly execute: boolean }[] {
    return [
      { start: this.base - slotsAt, size: 0x1000n, execute: false },
      { start: this.base - stubsAt, size: 0x10000n, execute: true },
      this.planeMapping(0),
    ];
  }
  planeMapping(plane: number): {
    readonly start: bigint;
    readonly size: bigint;
    readonly execute: boolean;
  } {
    return { start: this.base + BigInt(plane) * planeSize, size: planeSize, execute: true };
  }
}
