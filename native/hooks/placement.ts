/** Where in a target's address space our mappings go. */
import { EngineError } from "../engine.js";
import type { MapEntry } from "../process/proc.js";

/** A rel32 reaches 2 GiB; a margin keeps every displacement of an image inside. */
const reach = (1n << 31n) - (1n << 24n);
/** Room left free towards anything that grows or that the kernel places by itself. */
const growthMargin = 64n << 20n;
const lowestAddress = 1n << 20n;
export const pageSize = 4096n;

export function pageUp(value: bigint): bigint {
  return (value + pageSize - 1n) & ~(pageSize - 1n);
}

/** A free range [start, end). */
interface Gap {
  readonly start: bigint;
  readonly end: bigint;
}

function gapsOf(maps: readonly { readonly start: bigint; readonly end: bigint }[]): Gap[] {
  const gaps: Gap[] = [];
  let at = lowestAddress;
  for (const map of maps) {
    if (map.start > at) gaps.push({ start: at, end: map.start });
    if (map.end > at) at = map.end;
  }
  return gaps;
}

/** Plans mappings one after another: what it has given out is taken for it. */
export class Placement {
  private readonly taken: { start: bigint; end: bigint }[];
  private readonly heapEnd: bigint;

  constructor(maps: readonly MapEntry[]) {
    this.taken = maps.map(({ start, end }) => ({ start, end }));
    this.heapEnd = maps.find((m) => m.path === "[heap]")?.end ?? 0n;
    // The stack grows down to its limit; nothing of ours goes near it.
    const stack = maps.find((m) => m.path === "[stack]");
    if (stack !== undefined)
      this.taken.push({ start: stack.start - (256n << 20n), end: stack.start });
    this.sort();
  }

  /**
   * A free range within reach of [nearStart, nearEnd): below it if possible (nothing grows
   * downwards there), else above, far from a growing heap.
   * @param alignment power of two
   * @throws EngineError refused NO_ROOM
   */
  reserve(size: bigint, alignment: bigint, nearStart: bigint, nearEnd: bigint): bigint {
    const lowest = nearEnd > reach ? nearEnd - reach : lowestAddress;
    const highest = nearStart + reach;
    const alignDown = (value: bigint): bigint => value & ~(alignment - 1n);
    for (const margin of [growthMargin, 0n]) {
      const gaps = gapsOf(this.taken);
      // Below, the highest first.
      for (const gap of [...gaps].reverse()) {
        if (gap.start >= nearStart) continue;
        const end = gap.end < nearStart ? gap.end : nearStart;
        const at = alignDown(end - margin - size);
        if (at >= gap.start + pageSize && at >= lowest && at > 0n) return this.take(at, size);
      }
      // Above: as high as reach allows, so that a heap in between can grow.
      for (const gap of [...gaps].reverse()) {
        if (gap.end <= nearEnd) continue;
        const end = gap.end < highest ? gap.end : highest;
        const at = alignDown(end - margin - size);
        const floor =
          this.heapEnd > gap.start - pageSize ? gap.start + growthMargin : gap.start + pageSize;
        if (at >= floor && at >= nearEnd) return this.take(at, size);
      }
    }
    throw new EngineError(
      "NO_ROOM",
      "refused",
      `there is no free range of ${size} bytes within 2 GiB of the module`,
      {
        help: "the program maps memory all around its code; nothing can be done from outside",
      },
    );
  }

  private take(start: bigint, size: bigint): bigint {
    // A page on both sides keeps the kernel from merging it with a neighbour.
    this.taken.push({ start: start - pageSize, end: start + size + pageSize });
    this.sort();
    return start;
  }

  private sort(): void {
    this.taken.sort((a, b) => (a.start < b.start ? -1 : 1));
  }
}
