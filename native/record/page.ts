/**
 * The control region: the selector and the record, in memory of the target that the target
 * itself can only read.
 *
 *     0     magic, 16 bytes
 *     16    address of the region itself
 *     24    selector: level up to which updates are active (its low byte is what changes)
 *     32    half of the record that is valid (low byte: 0 or 1)
 *     4096  two halves, each: length (8 bytes), SHA-256 (32 bytes), JSON
 *
 * A record is written into the half that is not valid, then the byte that chooses is
 * stored: whoever reads sees the old record or the new one, whole.
 */
import { createHash } from "node:crypto";
import { addon, type TargetHandle } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import { readMaps } from "../process/proc.js";
import { DamagedRecord, decodeRecord, encodeRecord } from "./codec.js";
import { emptyRecord, type TargetRecord } from "./record.js";

const magic = Buffer.from("POLUS\x00record\x00v\x01\x00", "latin1");
const selfAt = 16n;
export const selectorOffset = 24n;
const validAt = 32n;
const halvesAt = 4096n;
const halfSize = 1n << 20n;
const halfHeader = 40n;

/** Virtual size; only pages that are written take memory. */
export const controlSize = halvesAt + 2n * halfSize;

export class ControlRegion {
  private constructor(
    private readonly target: TargetHandle,
    private readonly pid: number,
    readonly address: bigint,
  ) {}

  /** The region of a process that carries one; `null` if it does not. */
  static find(pid: number, target: TargetHandle): ControlRegion | null {
    for (const map of readMaps(pid)) {
      if (
        map.inode !== 0 ||
        map.path !== "" ||
        map.permissions !== "r--p" ||
        map.end - map.start < controlSize
      )
        continue;
      const head = addon.readMemorySome(target, map.start, 24);
      if (
        head.length === 24 &&
        head.subarray(0, 16).equals(magic) &&
        head.readBigUInt64LE(16) === map.start
      ) {
        return new ControlRegion(target, pid, map.start);
      }
    }
    return null;
  }

  /** Makes a freshly mapped region one that is found: the magic comes last. */
  static create(pid: number, target: TargetHandle, address: bigint): ControlRegion {
    const region = new ControlRegion(target, pid, address);
    region.write(emptyRecord);
    const self = Buffer.alloc(8);
    self.writeBigUInt64LE(address);
    addon.writeMemory(target, address + selfAt, self);
    addon.faultPoint();
    addon.writeMemory(target, address, magic);
    addon.faultPoint();
    return region;
  }

  /** Address of the byte that chains compare. */
  get selectorAddress(): bigint {
    return this.address + selectorOffset;
  }

  get selector(): number {
    return this.byte(selectorOffset);
  }

  /** Activation and rollback: one store of one byte. Nobody is held. */
  select(level: number): void {
    addon.faultPoint();
    addon.writeMemory(this.target, this.selectorAddress, Buffer.from([level]));
    addon.faultPoint();
  }

  /** @throws EngineError inconsistent RECORD_DAMAGED */
  read(): TargetRecord {
    const half = this.half(this.byte(validAt) & 1);
    const head = addon.readMemory(this.target, half, Number(halfHeader));
    const length = head.readBigUInt64LE(0);
    if (length > halfSize - halfHeader) throw this.damaged("its length is impossible");
    const json = addon.readMemory(this.target, half + halfHeader, Number(length));
    if (!createHash("sha256").update(json).digest().equals(head.subarray(8, 40)))
      throw this.damaged("its checksum is wrong");
    try {
      return decodeRecord(json);
    } catch (error) {
      if (error instanceof DamagedRecord) throw this.damaged(error.message);
      throw error;
    }
  }

  /** @throws EngineError refused RECORD_FULL before anything is written */
  write(record: TargetRecord): void {
    const json = encodeRecord(record);
    if (BigInt(json.length) > halfSize - halfHeader) {
      throw new EngineError(
        "RECORD_FULL",
        "refused",
        `process ${this.pid} carries so many updates that its record is full`,
        { pid: this.pid },
      );
    }
    const next = 1 - (this.byte(validAt) & 1);
    const head = Buffer.alloc(Number(halfHeader));
    head.writeBigUInt64LE(BigInt(json.length));
    createHash("sha256").update(json).digest().copy(head, 8);
    addon.faultPoint();
    addon.writeMemory(this.target, this.half(next), Buffer.concat([head, json]));
    addon.faultPoint();
    addon.writeMemory(this.target, this.address + validAt, Buffer.from([next]));
    addon.faultPoint();
  }

  private half(which: number): bigint {
    return this.address + halvesAt + BigInt(which) * halfSize;
  }

  private byte(at: bigint): number {
    return addon.readMemory(this.target, this.address + at, 1)[0] ?? 0;
  }

  private damaged(why: string): EngineError {
    return new EngineError(
      "RECORD_DAMAGED",
      "inconsistent",
      `the update record in process ${this.pid} cannot be trusted: ${why}`,
      {
        pid: this.pid,
        help: "the program, or another tool, has changed it; the process goes on, but polus does not touch it",
      },
    );
  }
}
