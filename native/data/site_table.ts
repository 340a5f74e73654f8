/** The runtime's tables of hot and of rewritten instructions, straight from memory; see polus_runtime.h. */
import { addon, type TargetHandle } from "../addon/addon.js";
import type { RuntimeRecord } from "../record/record.js";
import { exportedSymbol } from "./control_block.js";

/** `POLUS_STUB_SIZE`. */
export const stubSize = 128n;
/** Of them code; the rest are addresses. */
export const stubCodeSize = 112n;
export const mostMoved = 16;
const siteSize = 152;
const hotSize = 16;
/** Of a runtime that does not say. */
const entriesOnce = 64;
/** Beyond this the runtime cannot be trusted. */
const mostEntries = 1 << 16;

/** Offsets in `struct polus_site`. */
const at = {
  state: 0,
  address: 8,
  replaced: 16,
  stub: 24,
  instead: 32,
  behind: 40,
  hits: 48,
  original: 56,
  moved: 88,
} as const;

/** `struct polus_site`. */
export interface Site {
  readonly number: number;
  /** Of the entry in the table. */
  readonly entry: bigint;
  /** A jump stands at `address`, or is about to. */
  readonly known: boolean;
  readonly address: bigint;
  /** What the jump stands on. */
  readonly original: Buffer;
  /** 0n: the entry was never used. */
  readonly stub: bigint;
  readonly hits: number;
}

/** How many sites and hot addresses the tables hold. */
function tableSizes(target: TargetHandle, runtime: RuntimeRecord): readonly [number, number] {
  const sizes = exportedSymbol(runtime, "polus_table_sizes");
  if (sizes === null) return [entriesOnce, entriesOnce];
  const bytes = addon.readMemory(target, sizes, 16);
  const size = (offset: number): number =>
    Math.min(Number(bytes.readBigUInt64LE(offset)), mostEntries);
  return [size(0), size(8)];
}

/** All entries; none for the runtime of an older polus, which rewrites nothing. */
export function readSites(target: TargetHandle, runtime: RuntimeRecord): readonly Site[] {
  const table = exportedSymbol(runtime, "polus_sites");
  if (table === null) return [];
  const [length] = tableSizes(target, runtime);
  const bytes = addon.readMemory(target, table, length * siteSize);
  return Array.from({ length }, (_, number): Site => {
    const one = bytes.subarray(number * siteSize, (number + 1) * siteSize);
    const replaced = Math.min(Number(one.readBigUInt64LE(at.replaced)), at.moved - at.original);
    return {
      number,
      entry: table + BigInt(number * siteSize),
      known: one.readBigUInt64LE(at.state) !== 0n,
      address: one.readBigUInt64LE(at.address),
      original: Buffer.from(one.subarray(at.original, at.original + replaced)),
      stub: one.readBigUInt64LE(at.stub),
      hits: Number(one.readBigUInt64LE(at.hits)),
    };
  });
}

/** What a site's entry says apart from what the runtime writes itself. */
export interface SitePlan {
  readonly original: Uint8Array;
  readonly instead: bigint;
  readonly behind: bigint;
  /** Offsets in the stub and from the site's address, of copied instructions. */
  readonly moved: readonly (readonly [stub: number, program: number])[];
}

export function writeSite(target: TargetHandle, entry: bigint, plan: SitePlan): void {
  const bytes = Buffer.alloc(siteSize);
  bytes.writeBigUInt64LE(plan.instead, at.instead);
  bytes.writeBigUInt64LE(plan.behind, at.behind);
  bytes.set(plan.original, at.original);
  for (const [index, [stub, program]] of plan.moved.slice(0, mostMoved).entries()) {
    bytes.writeUInt16LE(stub, at.moved + index * 4);
    bytes.writeUInt16LE(program, at.moved + index * 4 + 2);
  }
  const put = (from: number, to: number): void =>
    addon.writeMemory(target, entry + BigInt(from), bytes.subarray(from, to));
  put(at.instead, at.hits);
  put(at.original, siteSize);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(plan.original.length));
  // What says that the rest is there.
  addon.writeMemory(target, entry + BigInt(at.replaced), length);
}

/** How often stores at an address were caught. */
export function readHot(target: TargetHandle, runtime: RuntimeRecord): ReadonlyMap<bigint, number> {
  const table = exportedSymbol(runtime, "polus_hot");
  if (table === null) return new Map();
  const [, length] = tableSizes(target, runtime);
  const bytes = addon.readMemory(target, table, length * hotSize);
  const hot = new Map<bigint, number>();
  for (let offset = 0; offset < bytes.length; offset += hotSize) {
    const address = bytes.readBigUInt64LE(offset);
    if (address !== 0n) hot.set(address, Number(bytes.readBigUInt64LE(offset + 8)));
  }
  return hot;
}

/** The site of the program's code whose stub holds an address; what a stub executes may have one of its own. */
export function siteOfStub(sites: readonly Site[], pc: bigint): Site | null {
  const site = sites.find((s) => s.stub !== 0n && pc >= s.stub && pc < s.stub + stubSize);
  return site === undefined ? null : (siteOfStub(sites, site.address) ?? site);
}
