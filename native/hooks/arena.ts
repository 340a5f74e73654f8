/**
 * A hook arena: where the stubs, the relocated entries, the dispatch chains and the dispatch
 * slots of up to 512 functions of one module live, within reach of its code.
 *
 *     base - 0x12000   doors    rw-   two bytes a hook; mapped where there are hooks that may be passed by
 *     base - 0x11000   slots    r--   one 8-byte pointer a hook
 *     base - 0x10000   stubs    r-x   128 bytes a hook: `jmp *slot`, then the relocated entry
 *     base + p*64 KiB  plane p  r-x   128 bytes a hook: one dispatch chain
 *
 * `base` is aligned to 16 MiB, so that the chains of one hook in different planes differ in
 * one byte of their address: a slot is changed by a store of that byte, which no processor
 * and no kernel copy loop can tear, and which needs no thread to be held. Planes are mapped
 * when they are first needed.
 *
 * A hook that mostly has nothing to do may be passed by: its stub looks at its door and goes on with the relocated
 * entry beside it while both bytes are zero, so that a call touches two cache lines instead of ten. The first byte is
 * the runtime's, the second the engine's, for a function that is replaced by an update as well.
 */
import { Encoder } from "./encoder.js";

export const hooksPerArena = 512;
const cellSize = 128n;
const planeSize = 0x10000n;
export const planesPerArena = 256;
export const arenaAlignment = 1n << 24n;
/** Below `base`. */
export const arenaHead = 0x12000n;
const doorsAt = 0x12000n;
const slotsAt = 0x11000n;
const stubsAt = 0x10000n;
/** Offset of the relocated entry inside its 128 bytes. */
const copyOffset = 16n;
export const copyRoom = Number(cellSize - copyOffset);
export const chainRoom = Number(cellSize);
/** Where the code stands that passes a hook by, if it does not fit before the relocated entry. */
const aside = 64n;

export interface ArenaMapping {
  readonly start: bigint;
  /** Bytes. */
  readonly size: bigint;
  readonly write: boolean;
  readonly execute: boolean;
}

/** What a stub depends on. */
export interface StubbedEntry {
  /** Pushes that the stub takes back. */
  readonly pushes: number;
  /** The relocated entry. */
  readonly copy: Buffer;
}

export interface PlacedCode {
  readonly address: bigint;
  readonly bytes: Buffer;
}

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
  /** The runtime's byte of a hook's door; the engine's is the next. */
  door(hook: number): bigint {
    return this.base - doorsAt + BigInt(hook) * 2n;
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
  stubCode(hook: number, { pushes }: StubbedEntry): PlacedCode {
    const address = this.stub(hook);
    const code = new Encoder(address);
    if (pushes > 0) code.moveStack(pushes * 8);
    code.jumpThrough(this.slot(hook));
    return { address, bytes: code.bytes() };
  }

  /**
   * Code of the stub of a hook that may be passed by; changes flags only. `null`: the relocated entry leaves no room.
   * @param unless bits of the 32 that the second argument points to, if it does: the hook is called if one is set
   */
  passingCode(
    hook: number,
    unless: number,
    { pushes, copy }: StubbedEntry,
  ): readonly PlacedCode[] | null {
    if (pushes > 0) return null;
    const code = new Encoder(this.stub(hook));
    if (unless === 0) {
      code.compareWord(this.door(hook), 0);
      code.shortJumpIf("equal", this.copy(hook));
      code.jumpThrough(this.slot(hook));
      return [{ address: this.stub(hook), bytes: code.bytes() }];
    }
    if (copyOffset + BigInt(copy.length) > aside) return null;
    code.shortJump(this.stub(hook) + aside);
    const tests = new Encoder(this.stub(hook) + aside);
    const called = tests.here + 23n;
    tests.compareWord(this.door(hook), 0);
    tests.shortJumpIf("not equal", called);
    tests.testArgument();
    tests.shortJumpIf("equal", this.copy(hook));
    tests.testArgumentBits(unless);
    tests.shortJumpIf("equal", this.copy(hook));
    if (tests.here !== called) throw new Error("a jump past the tests leads elsewhere");
    tests.jumpThrough(this.slot(hook));
    return [
      { address: this.stub(hook), bytes: code.bytes() },
      { address: this.stub(hook) + aside, bytes: tests.bytes() },
    ];
  }

  /** The mappings of a new arena: the slots, the stubs and plane 0. */
  mappings(): ArenaMapping[] {
    return [
      { start: this.base - slotsAt, size: 0x1000n, write: false, execute: false },
      { start: this.base - stubsAt, size: 0x10000n, write: false, execute: true },
      this.planeMapping(0),
    ];
  }
  doorMapping(): ArenaMapping {
    return { start: this.base - doorsAt, size: 0x1000n, write: true, execute: false };
  }
  planeMapping(plane: number): ArenaMapping {
    const start = this.base + BigInt(plane) * planeSize;
    return { start, size: planeSize, write: false, execute: true };
  }
}
