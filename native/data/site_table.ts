/** The runtime's tables of hot and of rewritten instructions, straight from memory; see polus_runtime.h. */
import { addon, type TargetHandle } from "../addon/addon.js";
import type { RuntimeRecord } from "../record/record.js";
import { exportedSymbol } from "./control_block.js";

/** `POLUS_STUB_SIZE`. */
export const stubSize = 128n;
/** Of them code; the rest are addresses. */
export const stubCodeSize = 112n;
export const mostMoved = 16;
/** Of a runtime that does not say; its jumps stand at the stores. */
const siteSizeOnce = 152;
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
  before: 152,
} as const;

/** `struct polus_site`. */
export interface Site {
  readonly number: number;
  /** Of the entry in the table. */
  readonly entry: bigint;
  /** A jump stands at `jumpAt`, or is about to. */
  readonly known: boolean;
  /** Of the store. */
  readonly address: bigint;
  readonly jumpAt: bigint;
  /** In the stub. */
  readonly jumpTo: bigint;
  /** What the jump stands on. */
  readonly original: Buffer;
  /** 0n: the entry was never used. */
  readonly stub: bigint;
  readonly hits: number;
}

/** Whether its jumps may stand before their stores, and in stubs: an older one would lead threads astray. */
export function placesJumpsFreely(runtime: RuntimeRecord): boolean {
  return exportedSymbol(runtime, "polus_table_sizes") !== null;
}

/** How many sites and hot addresses the tables hold, and bytes of a site. */
function tableSizes(
  target: TargetHandle,
  runtime: RuntimeRecord,
): readonly [sites: number, hot: number, siteSize: number] {
  const sizes = exportedSymbol(runtime, "polus_table_sizes");
  if (sizes === null) return [entriesOnce, entriesOnce, siteSizeOnce];
  const bytes = addon.readMemory(target, sizes, 24);
  const size = (offset: number): number =>
    Math.min(Number(bytes.readBigUInt64LE(offset)), mostEntries);
  return [size(0), size(8), size(16)];
}

/** All entries; none for the runtime of an older polus, which rewrites nothing. */
export function readSites(target: TargetHandle, runtime: RuntimeRecord): readonly Site[] {
  const table = exportedSymbol(runtime, "polus_sites");
  if (table === null) return [];
  const [length, , siteSize] = tableSizes(target, runtime);
  const bytes = addon.readMemory(target, table, length * siteSize);
  return Array.from({ length }, (_, number): Site => {
    const one = bytes.subarray(number * siteSize, (number + 1) * siteSize);
    const replaced = Math.min(Number(one.readBigUInt64LE(at.replaced)), at.moved - at.original);
    const before = siteSize > at.before ? one.readBigUInt64LE(at.before) : 0n;
    const address = one.readBigUInt64LE(at.address);
    const stub = one.readBigUInt64LE(at.stub);
    return {
      number,
      entry: table + BigInt(number * siteSize),
      known: one.readBigUInt64LE(at.state) !== 0n,
      address,
      jumpAt: address - before,
      jumpTo: before === 0n ? stub : stub + startInStub(one),
      original: Buffer.from(one.subarray(at.original, at.original + replaced)),
      stub,
      hits: Number(one.readBigUInt64LE(at.hits)),
    };
  });
}

/** Where the copy of the instruction lies that the jump stands on. */
function startInStub(site: Buffer): bigint {
  for (let index = 0; index < mostMoved; index++) {
    const stub = site.readUInt16LE(at.moved + index * 4);
    if (stub !== 0 && site.readUInt16LE(at.moved + index * 4 + 2) === 0) return BigInt(stub);
  }
  return 0n;
}

/** What a site's entry says apart from what the runtime writes itself. */
export interface SitePlan {
  readonly original: Uint8Array;
  readonly instead: bigint;
  readonly behind: bigint;
  /** Bytes from the jump to the store. */
  readonly before: number;
  /** Offsets in the stub and from the jump, of copied instructions. */
  readonly moved: readonly (readonly [stub: number, program: number])[];
}

export function writeSite(
  target: TargetHandle,
  runtime: RuntimeRecord,
  entry: bigint,
  plan: SitePlan,
): void {
  const [, , siteSize] = tableSizes(target, runtime);
  const bytes = Buffer.alloc(siteSize);
  if (siteSize > at.before) bytes.writeBigUInt64LE(BigInt(plan.before), at.before);
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

/** The site whose stub holds an address of code. */
export function siteOfStub(sites: readonly Site[], pc: bigint): Site | null {
  return sites.find((s) => s.stub !== 0n && pc >= s.stub && pc < s.stub + stubSize) ?? null;
}

/** The same, of the program's own code: what a stub executes may have a stub of its own. */
export function programSiteOfStub(sites: readonly Site[], pc: bigint): Site | null {
  const site = siteOfStub(sites, pc);
  if (site === null) return null;
  // The table lies in the program's memory: what it says may lead back to itself.
  const others = sites.filter((s) => s !== site);
  return programSiteOfStub(others, site.address) ?? site;
}
