/**
 * Puts damaged code back as the file has it. Nothing else is ever written over code here: what a
 * page of constants or code is to hold otherwise, only a patch can say.
 */
import { addon, type EntryChange, type TracerHandle } from "../addon/addon.js";
import { address, formatAddress } from "../address.js";
import { EngineError } from "../engine.js";
import type { ChangeResult, MemoryChange } from "../inspection.js";
import { readMaps } from "../process/proc.js";
import { windowLimitUs } from "../session/prepare.js";
import { awaitSoleUse } from "../session/sole_use.js";
import { onMember, type TargetProcess } from "../session/target_process.js";
import { diskBytes } from "./disk.js";

const pageSize = 4096n;
/** Damaged bytes that lie no further apart are one piece: an instruction has at most 15 bytes. */
const instructionRoom = 16;

/** True if the change lies in code that the program itself cannot write. */
export function isInCode(target: TargetProcess, { address: at, bytes }: MemoryChange): boolean {
  const end = at + BigInt(bytes.length);
  return readMaps(target.pid).some(
    (m) =>
      at >= m.start &&
      end <= m.end &&
      m.permissions.includes("x") &&
      !m.permissions.includes("w") &&
      target.modules.some(({ info }) => at >= info.start && at < info.end),
  );
}

/**
 * All of them or none, by the window that installs updates: a thread that stands between the
 * bytes of a damaged piece, or will come back there, is waited for, then refused.
 * @throws EngineError refused UNWRITABLE (it is not what the file holds), THREAD_IN_CODE, CANNOT_STOP
 */
export async function restoreCode(
  tracer: TracerHandle,
  target: TargetProcess,
  changes: readonly MemoryChange[],
): Promise<ChangeResult> {
  const before = changes.map(({ address, bytes }) =>
    addon.readMemory(target.handle, address, bytes.length),
  );
  const unexpected = changes.flatMap(({ expected }, index) =>
    expected === undefined || before[index]?.equals(expected) === true ? [] : [index],
  );
  if (unexpected.length > 0) return { written: false, before, unexpected, heldUs: 0 };
  for (const change of changes) checkIsFile(target, change);
  const pieces = changes.flatMap((change, index) =>
    damagedPieces(target, change, before[index] ?? Buffer.alloc(0)),
  );
  if (pieces.length === 0) return { written: true, before, unexpected: [], heldUs: 0 };
  try {
    const { stallUs } = await onMember(target, async () => {
      await awaitSoleUse(target, () => undefined);
      return addon.tracerInstall(tracer, target.handle, pieces, windowLimitUs);
    });
    return { written: true, before, unexpected: [], heldUs: stallUs };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (error.code === "ENTRY_CHANGED")
      return { written: false, before, unexpected: changes.map((_, index) => index), heldUs: 0 };
    if (error.code !== "THREAD_IN_ENTRY") throw error;
    throw new EngineError(
      "THREAD_IN_CODE",
      "refused",
      `the code at ${formatAddress(pieces[0]?.address ?? 0n)} cannot be put back: a thread is in the middle of it`,
      { pid: target.pid, help: "try again when it has left that function" },
    );
  }
}

function checkIsFile(target: TargetProcess, change: MemoryChange): void {
  const { address: at, bytes, expected } = change;
  const file = diskBytes(target, at, bytes.length);
  if (file !== null && file.length === bytes.length) {
    if (Buffer.compare(file, bytes) === 0) return;
    if (change.undoes === true && expected !== undefined && Buffer.compare(file, expected) === 0)
      return;
  }
  throw new EngineError(
    "UNWRITABLE",
    "refused",
    `${formatAddress(at)} is code: only what its file holds can be put there`,
    {
      pid: target.pid,
      help: "`set bytes(address, n) = disk(address, n)` puts code back; other changes are made by a patch",
    },
  );
}

/** The bytes that differ, in pieces of which each is written at one go. */
function damagedPieces(
  target: TargetProcess,
  { address: at, bytes }: MemoryChange,
  before: Buffer,
): EntryChange[] {
  const pieces: { start: number; end: number }[] = [];
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index] === before[index]) continue;
    const last = pieces.at(-1);
    if (last !== undefined && index - last.end < instructionRoom && !isPageStart(at, index))
      last.end = index + 1;
    else pieces.push({ start: index, end: index + 1 });
  }
  return pieces.map(({ start, end }) => {
    const from = at + BigInt(start);
    checkNeighbour(target, from, -1n);
    checkNeighbour(target, at + BigInt(end) - 1n, 1n);
    return {
      address: from,
      expected: before.subarray(start, end),
      bytes: bytes.slice(start, end),
      moves: [],
    };
  });
}

function isPageStart(at: bigint, index: number): boolean {
  return (at + BigInt(index)) % pageSize === 0n;
}

/** A kill between two pages would leave half of a piece that lies on both. */
function checkNeighbour(target: TargetProcess, at: bigint, step: 1n | -1n): void {
  const next = at + step;
  if (at / pageSize === next / pageSize) return;
  const file = diskBytes(target, address(next), 1);
  const now = addon.readMemorySome(target.handle, next, 1);
  if (file === null || file.length === 0 || now.length === 0 || file[0] === now[0]) return;
  throw new EngineError(
    "UNWRITABLE",
    "refused",
    `the damage at ${formatAddress(at)} lies on two pages: it cannot be put back at one go`,
    { pid: target.pid, help: "restart the program" },
  );
}
