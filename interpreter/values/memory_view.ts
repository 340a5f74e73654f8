/**
 * A process's memory as one evaluation sees it: what was read once stays the same, and what was
 * read is known, so that it can be compared with one held moment afterwards.
 */
import { address, type Address } from "../../native/address.js";
import type { MemoryRange, Moment } from "../../native/engine.js";

const pageSize = 4096n;
/** More than this is not compared while the program is held. */
const mostRanges = 4096;
const mostBytes = 1 << 20;

/** What a view reads from. */
export interface MemorySource {
  /** Fewer bytes where memory ends. */
  readSome(at: Address, length: number): Uint8Array;
}

export class MemoryView {
  private readonly pages = new Map<bigint, Uint8Array>();
  private readonly seen = new Map<bigint, number>();
  private bytes = 0;
  private snapshot: readonly { readonly start: bigint; readonly end: bigint }[] = [];
  private outside = false;

  constructor(private readonly source: MemorySource) {}

  /** Exactly `length` bytes; `null` if not all of them can be read. */
  read(at: Address, length: number): Uint8Array | null {
    const bytes = this.peek(at, length);
    if (bytes === null) return null;
    const end = at + BigInt(length);
    if (!this.snapshot.some((part) => at >= part.start && end <= part.end)) this.outside = true;
    const known = this.seen.get(at);
    if (known === undefined || known < length) {
      this.seen.set(at, length);
      this.bytes += length - (known ?? 0);
    }
    return bytes;
  }

  /** Like `read`, for what only makes a value easier to look at: it takes no part in the moment. */
  peek(at: Address, length: number): Uint8Array | null {
    if (length < 0 || at + BigInt(length) > 1n << 47n) return null;
    const result = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const place = at + BigInt(done);
      const start = place & ~(pageSize - 1n);
      const page = this.page(start);
      const offset = Number(place - start);
      const part = page.subarray(offset, offset + length - done);
      if (part.length === 0) return null;
      result.set(part, done);
      done += part.length;
      if (done < length && offset + part.length < Number(pageSize)) return null;
    }
    return result;
  }

  private page(start: bigint): Uint8Array {
    const known = this.pages.get(start);
    if (known !== undefined) return known;
    const page = Uint8Array.from(this.source.readSome(address(start), Number(pageSize)));
    this.pages.set(start, page);
    return page;
  }

  /** What was read; `null` if that is too much to be compared in a moment. */
  ranges(): readonly MemoryRange[] | null {
    if (this.seen.size > mostRanges || this.bytes > mostBytes) return null;
    return [...this.seen].map(([at, length]) => ({ address: address(at), length }));
  }

  /** True if all that was read is one word, which no other thread can be half-way through writing. */
  get isOneWord(): boolean {
    if (this.seen.size > 1) return this.seen.size === 0;
    const [only] = this.seen;
    if (only === undefined) return true;
    const [at, length] = only;
    return length <= 8 && at % BigInt(Math.max(1, 2 ** Math.ceil(Math.log2(length)))) === 0n;
  }

  /** True if everything read since `adopt` came from the adopted moment. */
  get isOneMoment(): boolean {
    return !this.outside;
  }

  /** True if a held moment holds the bytes that were seen. */
  agrees(ranges: readonly MemoryRange[], moment: Moment): boolean {
    return ranges.every((range, index) => {
      const there = moment.contents[index] ?? null;
      const here = this.peek(range.address, range.length);
      return there !== null && here !== null && Buffer.compare(there, here) === 0;
    });
  }

  /** Starts over on the contents of a moment. */
  adopt(ranges: readonly MemoryRange[], moment: Moment): void {
    this.reset();
    this.snapshot = ranges.map((range) => ({
      start: range.address,
      end: range.address + BigInt(range.length),
    }));
    ranges.forEach((range, index) => {
      const contents = moment.contents[index] ?? null;
      if (contents !== null) this.patch(range.address, contents);
    });
  }

  private patch(at: Address, contents: Uint8Array): void {
    for (let done = 0; done < contents.length;) {
      const place = at + BigInt(done);
      const start = place & ~(pageSize - 1n);
      const page = this.page(start);
      const offset = Number(place - start);
      const part = contents.subarray(done, done + Number(pageSize) - offset);
      page.set(part.subarray(0, Math.max(0, page.length - offset)), offset);
      done += part.length;
    }
  }

  /** Forgets everything: memory may have changed. */
  reset(): void {
    this.pages.clear();
    this.seen.clear();
    this.bytes = 0;
    this.snapshot = [];
    this.outside = false;
  }
}
