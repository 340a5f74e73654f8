/**
 * Signal masks that lie on stacks: a handler that returns brings back the mask that its thread had before,
 * as the kernel has saved it (struct rt_sigframe of x86-64, arch/x86/include/asm/sigframe.h).
 */
import { addon, type TargetHandle, type ThreadSnapshot } from "../addon/addon.js";

/** mov $15,%rax; syscall: what a handler returns to. */
const restorer = Buffer.from([0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05]);
/** From the return address on: flags, link and stack of ucontext, then the registers. */
const registersAt = 8 + 8 + 8 + 24;
const segmentsAt = registersAt + 18 * 8;
const maskAt = registersAt + 256;
const userCodeSegment = 0x33;

export interface SavedMask {
  readonly address: bigint;
  readonly mask: bigint;
}

/** The masks in a thread's signal frames, as far as its stack was copied. */
export function savedMasks(target: TargetHandle, thread: ThreadSnapshot): readonly SavedMask[] {
  const { stack, stackStart } = thread;
  const known = new Map<bigint, boolean>();
  const returnsFromHandler = (at: bigint): boolean => {
    const before = known.get(at);
    if (before !== undefined) return before;
    const is = addon.readMemorySome(target, at, restorer.length).equals(restorer);
    known.set(at, is);
    return is;
  };
  const found: SavedMask[] = [];
  for (let at = 0; at + maskAt + 8 <= stack.length; at += 8) {
    if (stack.readUInt16LE(at + segmentsAt) !== userCodeSegment) continue;
    if (!returnsFromHandler(stack.readBigUInt64LE(at))) continue;
    found.push({
      address: stackStart + BigInt(at + maskAt),
      mask: stack.readBigUInt64LE(at + maskAt),
    });
  }
  return found;
}
