/** Looks at a process's limits before anything is mapped into it. */
import { readFileSync } from "node:fs";
import { EngineError } from "../engine.js";
import { readMaps, readSoftLimit, readStatus, statusBytes } from "../process/proc.js";
import type { PlannedMapping } from "./hook_plan.js";

/** Mappings of ours may be split by the kernel; a margin for that and for the program's own next steps. */
const mapCountMargin = 64;

function mostMappings(): number {
  try {
    return Number(readFileSync("/proc/sys/vm/max_map_count", "latin1"));
  } catch {
    return 65530;
  }
}

/** @throws EngineError refused LIMIT_TOO_TIGHT */
export function checkLimits(pid: number, mappings: readonly PlannedMapping[]): void {
  const size = mappings.reduce((sum, m) => sum + m.size, 0n);
  const status = readStatus(pid);
  const refuse = (what: string, help: string): never => {
    throw new EngineError(
      "LIMIT_TOO_TIGHT",
      "refused",
      `process ${pid} has no room for ${size >> 10n} KiB more: ${what}`,
      { pid, help },
    );
  };
  const addressSpace = readSoftLimit(pid, "Max address space");
  if (addressSpace !== null && statusBytes(status, "VmSize") + size > addressSpace) {
    refuse(
      `its limit of address space is ${addressSpace >> 10n} KiB`,
      `raise it: prlimit --pid ${pid} --as=…`,
    );
  }
  const data = readSoftLimit(pid, "Max data size");
  const writable = mappings.filter((m) => m.write).reduce((sum, m) => sum + m.size, 0n);
  if (data !== null && statusBytes(status, "VmData") + writable > data) {
    refuse(`its limit of data is ${data >> 10n} KiB`, `raise it: prlimit --pid ${pid} --data=…`);
  }
  const locked = statusBytes(status, "VmLck");
  const lockable = readSoftLimit(pid, "Max locked memory");
  // Memory is locked already: with MCL_FUTURE what we map would be, too. Root's may exceed the limit.
  if (
    locked > 0n &&
    lockable !== null &&
    Number(status.get("Uid")?.split(/\s+/)[1] ?? 0) !== 0 &&
    locked + size > lockable
  ) {
    refuse(
      `its limit of locked memory is ${lockable >> 10n} KiB`,
      `raise it: prlimit --pid ${pid} --memlock=…`,
    );
  }
  if (readMaps(pid).length + mappings.length + mapCountMargin > mostMappings()) {
    refuse("it has nearly as many mappings as the kernel allows", "raise sysctl vm.max_map_count");
  }
}
