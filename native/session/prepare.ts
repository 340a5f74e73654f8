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
      let metrics = { stallUs: 0, stoppedThreads: 0 };
      for (const relay of plan.relays) {
        addon.writeMemory(process.handle, relay.address, relay.bytes);
        addon.faultPoint();
      }
      if (plan.entries.length > 0) {
        await awaitSoleUse(process, onEvent);
        const window = await addon.tracerInstall(
          tracer,
          process.handle,
          plan.entries,
          windowLimitUs,
        );
        metrics = { stallUs: window.stallUs, stoppedThreads: window.stoppedThreads };
      }
      for (const slot of plan.slots) {
        addon.writeMemory(process.handle, slot.address, slot.bytes);
        addon.faultPoint();
      }
      onEvent({
        event: "installed",
        pid: process.pid,
        functions: plan.entries.length,
        stopped_threads: metrics.stoppedThreads,
        stall_us: metrics.stallUs,
      });
      return {
        stallUs: Math.max(metrics.stallUs, heldUs),
        stoppedThreads: Math.max(metrics.stoppedThreads, heldUs > 0 ? 1 : 0),
      };
    } catch (error) {
      if (process.alive) region.write(rolledBackTo(plan.record, plan.selectorBefore));
      throw error;
    }
  });
}
