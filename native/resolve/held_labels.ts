/**
 * Labels (`g$`, `g$file.c`) that the images of active patches define: what a later patch means by
 * them is the newest definition. They are looked up in the image in the target's memory, by its
 * GNU hash table (binutils' gnu-hash.h), since the patch's file may be gone.
 */
import { addon, type TargetHandle } from "../addon/addon.js";
import type { TargetRecord } from "../record/record.js";

interface Tables {
  readonly base: bigint;
  readonly symbols: bigint;
  readonly strings: bigint;
  readonly hash: bigint;
}

const tag = { null: 0n, strtab: 5n, symtab: 6n, gnuHash: 0x6ffffef5n } as const;
const symbolSize = 24n;
const mostDynamicEntries = 256;
/** A chain of a sane table is far shorter; the memory may be hostile. */
const longestChain = 65536;

/** Address of the newest active definition of a label, `null` if no patch that the process carries has one. */
export function heldDefinition(
  target: TargetHandle,
  record: TargetRecord,
  selector: number,
  label: string,
): bigint | null {
  const active = record.updates
    .flatMap(({ patches }) => patches)
    .flatMap(({ level, digest }) => (level === null || level > selector ? [] : [{ level, digest }]))
    .toSorted((left, right) => right.level - left.level);
  for (const { digest } of active) {
    const image = record.images.find((one) => one.digest === digest);
    const tables = image === undefined ? null : tablesOf(target, image.base);
    const found = tables === null ? null : lookUp(target, tables, label);
    if (found !== null) return found;
  }
  return null;
}

function tablesOf(target: TargetHandle, base: bigint): Tables | null {
  const header = addon.readMemorySome(target, base, 64);
  if (header.length < 64 || header.readUInt32BE(0) !== 0x7f454c46) return null;
  const place = base + header.readBigUInt64LE(32);
  const count = Math.min(header.readUInt16LE(56), 64);
  const segments = addon.readMemorySome(target, place, count * 56);
  for (let at = 0; at + 56 <= segments.length; at += 56) {
    // PT_DYNAMIC; p_vaddr.
    if (segments.readUInt32LE(at) !== 2) continue;
    return dynamicTables(target, base, base + segments.readBigUInt64LE(at + 16));
  }
  return null;
}

function dynamicTables(target: TargetHandle, base: bigint, section: bigint): Tables | null {
  const entries = addon.readMemorySome(target, section, mostDynamicEntries * 16);
  const values = new Map<bigint, bigint>();
  for (let at = 0; at + 16 <= entries.length; at += 16) {
    const key = entries.readBigUInt64LE(at);
    if (key === tag.null) break;
    values.set(key, base + entries.readBigUInt64LE(at + 8));
  }
  const symbols = values.get(tag.symtab);
  const strings = values.get(tag.strtab);
  const hash = values.get(tag.gnuHash);
  if (symbols === undefined || strings === undefined || hash === undefined) return null;
  return { base, symbols, strings, hash };
}

function lookUp(target: TargetHandle, tables: Tables, label: string): bigint | null {
  const head = addon.readMemorySome(target, tables.hash, 16);
  if (head.length < 16) return null;
  const buckets = head.readUInt32LE(0);
  const first = head.readUInt32LE(4);
  const bloomWords = head.readUInt32LE(8);
  if (buckets === 0) return null;
  const wanted = gnuHash(label);
  const bucketTable = tables.hash + 16n + BigInt(bloomWords) * 8n;
  let index = word(target, bucketTable + BigInt(wanted % buckets) * 4n);
  if (index === null || index < first) return null;
  const chain = bucketTable + BigInt(buckets) * 4n;
  for (let count = 0; count < longestChain; count++, index++) {
    const hash = word(target, chain + BigInt(index - first) * 4n);
    if (hash === null) return null;
    if ((hash | 1) >>> 0 === (wanted | 1) >>> 0) {
      const found = definitionAt(target, tables, index, label);
      if (found !== null) return found;
    }
    if ((hash & 1) === 1) return null;
  }
  return null;
}

function definitionAt(
  target: TargetHandle,
  { base, symbols, strings }: Tables,
  index: number,
  label: string,
): bigint | null {
  const symbol = addon.readMemorySome(target, symbols + BigInt(index) * symbolSize, 24);
  if (symbol.length < 24 || symbol.readUInt16LE(6) === 0) return null;
  const bytes = Buffer.byteLength(label) + 1;
  const name = addon.readMemorySome(target, strings + BigInt(symbol.readUInt32LE(0)), bytes);
  if (name.toString("utf8") !== `${label}\0`) return null;
  return base + symbol.readBigUInt64LE(8);
}

function word(target: TargetHandle, address: bigint): number | null {
  const bytes = addon.readMemorySome(target, address, 4);
  return bytes.length < 4 ? null : bytes.readUInt32LE(0);
}

function gnuHash(name: string): number {
  let hash = 5381;
  for (const byte of Buffer.from(name, "utf8")) hash = (Math.imul(hash, 33) + byte) >>> 0;
  return hash;
}
