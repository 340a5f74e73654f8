/** Writes of ours into data that has two versions at the moment: stored as the program's own stores are. */
import { addon, type TracerHandle } from "../addon/addon.js";
import type { ChangeResult, MemoryChange } from "../inspection.js";
import type { TargetProcess } from "../session/target_process.js";
import { readControlBlock } from "./control_block.js";
import { RuntimeCalls } from "./runtime_calls.js";

/**
 * Guarded memory cannot be written from outside: the other version would never hear of it. Nobody is held
 * meanwhile, so what is expected is looked at before, not at one moment with the writes.
 * @returns `null` if none of the changes concerns guarded memory; then nothing was done
 * @throws EngineError
 */
export async function writeGuarded(
  tracer: TracerHandle,
  target: TargetProcess,
  changes: readonly MemoryChange[],
): Promise<ChangeResult | null> {
  const runtime = target.control === null ? null : target.record().runtime;
  if (runtime === null) return null;
  if (readControlBlock(target.handle, target.pid, runtime).guardedPages === 0) return null;
  const calls = new RuntimeCalls(tracer, target, runtime);
  const guarded = new Set<MemoryChange>();
  for (const change of changes)
    if (await calls.guards(change.address, change.bytes.length)) guarded.add(change);
  if (guarded.size === 0) return null;
  const before = changes.map(({ address, bytes }) =>
    addon.readMemory(target.handle, address, bytes.length),
  );
  const unexpected = changes.flatMap(({ expected }, at) =>
    expected === undefined || before[at]?.equals(expected) === true ? [] : [at],
  );
  if (unexpected.length > 0) return { written: false, before, unexpected, heldUs: 0 };
  for (const change of changes) {
    if (guarded.has(change)) await calls.store(change.address, change.bytes);
    else addon.writeMemory(target.handle, change.address, change.bytes);
  }
  return { written: true, before, unexpected, heldUs: 0 };
}
