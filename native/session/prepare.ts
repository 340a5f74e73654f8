/** Installs an update in one process without changing what any call does. */
import { addon, type TracerHandle } from "../addon/addon.js";
import type { EventSink } from "../engine.js";
import { formatAddress } from "../address.js";
import { ControlRegion } from "../record/page.js";
import { rolledBackTo } from "../record/record.js";
import { checkLimits } from "./limits.js";
import { mapAll } from "./remote_map.js";
import { awaitSoleUse } from "./sole_use.js";
import { onTarget, type TargetProcess } from "./target_process.js";
import type { UpdatePlan } from "./update_plan.js";

/** Hard limit of one install window. */
export const windowLimitUs = 50_000;

export interface PrepareMetrics {
  readonly stallUs: number;
  readonly stoppedThreads: number;
}

/**
 * Maps, writes, records, then the window. Afterwards only the selector is missing.
 * @throws EngineError; the process then does what it did before, and its record says so
 */
export async function prepare(
  tracer: TracerHandle,
  process: TargetProcess,
  plan: UpdatePlan,
  onEvent: EventSink,
): Promise<PrepareMetrics> {
  checkLimits(process.pid, plan.mappings);
  const heldUs = await mapAll(tracer, process, plan.mappings);
  for (const image of plan.images) {
    onEvent({
      event: "mapped",
      pid: process.pid,
      patch: image.patch,
      address: formatAddress(image.base),
      bytes: Number(image.size),
      reused: image.reused,
    });
  }
  return onTarget(process.pid, async () => {
    const region =
      plan.newControl === null
        ? process.control
        : ControlRegion.create(process.pid, process.handle, plan.newControl);
    if (region === null) throw new Error("there is no control region");
    process.setControl(region);
    for (const write of plan.writes) {
      addon.writeMemory(process.handle, write.address, write.bytes);
      addon.faultPoint();
    }
    region.write(plan.record);
    try {
      const { stallUs, stoppedThreads } = await redirect(tracer, process, plan, onEvent);
      return {
        stallUs: Math.max(stallUs, heldUs),
        stoppedThreads: Math.max(stoppedThreads, heldUs > 0 ? 1 : 0),
      };
    } catch (error) {
      if (process.alive) region.write(rolledBackTo(plan.record, plan.selectorBefore));
      throw error;
    }
  });
}

type Redirection = Pick<UpdatePlan, "relays" | "entries" | "slots">;

/** The window, and what else leads to the new functions once the selector says so. */
async function redirect(
  tracer: TracerHandle,
  process: TargetProcess,
  { relays, entries, slots }: Redirection,
  onEvent: EventSink,
): Promise<PrepareMetrics> {
  let metrics = { stallUs: 0, stoppedThreads: 0 };
  for (const relay of relays) {
    addon.writeMemory(process.handle, relay.address, relay.bytes);
    addon.faultPoint();
  }
  if (entries.length > 0) {
    await awaitSoleUse(process, onEvent);
    const window = await addon.tracerInstall(tracer, process.handle, entries, windowLimitUs);
    metrics = { stallUs: window.stallUs, stoppedThreads: window.stoppedThreads };
  }
  for (const slot of slots) {
    addon.writeMemory(process.handle, slot.address, slot.bytes);
    addon.faultPoint();
  }
  onEvent({
    event: "installed",
    pid: process.pid,
    functions: entries.length,
    stopped_threads: metrics.stoppedThreads,
    stall_us: metrics.stallUs,
  });
  return metrics;
}

/**
 * What a process lacks that was born of one between its record and the end of its window: the record says that it
 * is prepared, and its functions lead nowhere yet. Memory is the maker's of one moment, as a fork waits for stores
 * from outside, and they for it.
 */
export async function completeInherited(
  tracer: TracerHandle,
  process: TargetProcess,
  makers: Redirection,
  onEvent: EventSink,
): Promise<PrepareMetrics> {
  const lacks = ({ address, bytes }: { address: bigint; bytes: Uint8Array }): boolean =>
    !addon.readMemory(process.handle, address, bytes.length).equals(bytes);
  const missing = {
    relays: makers.relays.filter(lacks),
    entries: makers.entries.filter(lacks),
    slots: makers.slots.filter(lacks),
  };
  const complete = Object.values(missing).every((list) => list.length === 0);
  if (complete) return { stallUs: 0, stoppedThreads: 0 };
  return onTarget(process.pid, () => redirect(tracer, process, missing, onEvent));
}
