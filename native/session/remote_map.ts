/** Makes and undoes mappings in a target by a borrowed thread. */
import { addon, type RemoteCall, type TracerHandle } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import { onTarget, type TargetProcess } from "./target_process.js";
import type { PlannedMapping } from "./hook_plan.js";

const sysMmap = 9;
const sysMunmap = 11;
const prot = { read: 1n, write: 2n, execute: 4n } as const;
// MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
const flags = 0x2n | 0x20n | 0x4000n | 0x100000n;
const noDescriptor = BigInt.asUintN(64, -1n);
const errnoNames = new Map([
  [1n, "EPERM"],
  [11n, "EAGAIN"],
  [12n, "ENOMEM"],
  [13n, "EACCES"],
  [17n, "EEXIST"],
  [22n, "EINVAL"],
]);

function mapCall(m: PlannedMapping): RemoteCall {
  const protection = prot.read | (m.write ? prot.write : 0n) | (m.execute ? prot.execute : 0n);
  return { number: sysMmap, arguments: [m.start, m.size, protection, flags, noDescriptor, 0n] };
}

/**
 * Maps all or nothing. Resolves to the time for which the borrowed thread was held, in µs.
 * @throws EngineError refused: NO_ROOM (another mapping came first), LIMIT_TOO_TIGHT, PERMISSION, and those of borrowing
 */
export async function mapAll(
  tracer: TracerHandle,
  process: TargetProcess,
  mappings: readonly PlannedMapping[],
): Promise<number> {
  if (mappings.length === 0) return 0;
  const { results, heldUs } = await onTarget(process.pid, () =>
    addon.tracerBorrow(tracer, process.handle, mappings.map(mapCall)),
  );
  const failed = results.findIndex((result, at) => result !== mappings[at]?.start);
  if (failed < 0) return heldUs;
  const made = mappings.filter((m, at) => results[at] === m.start);
  // Kernels before 4.17 map elsewhere instead of failing.
  const astray = results.flatMap((result, at) =>
    result > 0n && result !== mappings[at]?.start
      ? [{ start: result, size: mappings[at]?.size ?? 0n }]
      : [],
  );
  const undo = [...made, ...astray].map((m): RemoteCall => ({
    number: sysMunmap,
    arguments: [m.start, m.size],
  }));
  if (undo.length > 0)
    await onTarget(process.pid, () => addon.tracerBorrow(tracer, process.handle, undo));
  const result = results[failed] ?? 0n;
  const name = result < 0n ? (errnoNames.get(-result) ?? `error ${-result}`) : "another address";
  const code =
    name === "EEXIST" || result > 0n
      ? "NO_ROOM"
      : name === "ENOMEM" || name === "EAGAIN"
        ? "LIMIT_TOO_TIGHT"
        : "PERMISSION";
  throw new EngineError(
    code,
    "refused",
    `process ${process.pid} could not map memory for the update (${name})`,
    { pid: process.pid },
  );
}
