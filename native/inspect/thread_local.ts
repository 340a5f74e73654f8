/** Where a thread keeps its instance of a thread-local variable (glibc on x86-64, TLS variant II). */
import { addon, type TracerHandle } from "../addon/addon.js";
import { address, type Address } from "../address.js";
import { EngineError } from "../engine.js";
import type { Variable } from "../inspection.js";
import type { LoadedModule } from "../process/modules.js";
import { tlsModuleId, tlsThreadOffset } from "../resolve/tls.js";
import type { TargetProcess } from "../session/target_process.js";

/** Place of fs_base in user_regs_struct (sys/user.h). */
const fsBaseAt = 21 * 8;
const smallStack = 4096;
/** An entry of the dynamic thread vector whose block was never allocated (dl-tls.h). */
const unallocated = 0xffff_ffff_ffff_ffffn;

/**
 * @returns `null` if that thread has not touched the variable's library yet, or is gone
 * @throws EngineError refused NO_SUCH_NAME for a variable that is not thread-local
 */
export async function tlsAddressOf(
  tracer: TracerHandle,
  process: TargetProcess,
  variable: Variable,
  tid: number,
): Promise<Address | null> {
  const { storage } = variable;
  const module = process.modules.find((m) => m.path === variable.module);
  if (storage.kind !== "tls" || module === undefined)
    throw new EngineError("NO_SUCH_NAME", "refused", `${variable.name} is not thread-local`, {
      subject: variable.name,
    });
  const base = await threadPointer(tracer, process, tid);
  if (base === null) return null;
  const symbol = symbolOf(module, variable.name, storage.offset);
  if (module.isExecutable) {
    const offset = tlsThreadOffset(process.modules, process.handle, {
      module,
      symbol,
      value: storage.offset,
    });
    return address(BigInt.asUintN(64, base + offset));
  }
  const id = tlsModuleId(process.modules, process.handle, {
    module,
    symbol,
    value: storage.offset,
  });
  // tcbhead_t: the second word leads to the vector, two words an entry.
  const head = addon.readMemorySome(process.handle, base + 8n, 8);
  if (head.length < 8) return null;
  const entry = addon.readMemorySome(process.handle, head.readBigUInt64LE(0) + id * 16n, 8);
  if (entry.length < 8) return null;
  const block = entry.readBigUInt64LE(0);
  return block === unallocated || block === 0n ? null : address(block + storage.offset);
}

async function threadPointer(
  tracer: TracerHandle,
  process: TargetProcess,
  tid: number,
): Promise<bigint | null> {
  const { threads } = await addon.tracerSnapshot(tracer, process.handle, smallStack);
  const thread = threads.find((one) => one.tid === tid);
  return thread === undefined ? null : thread.registers.readBigUInt64LE(fsBaseAt);
}

function symbolOf(module: LoadedModule, name: string, offset: bigint) {
  const symbol = addon
    .findSymbols(module.handle, name)
    .find((s) => s.kind === "tls" && s.address === offset);
  return (
    symbol ?? {
      name,
      address: offset,
      size: 0,
      kind: "tls" as const,
      binding: "local" as const,
      visibility: "default" as const,
      file: null,
      version: null,
      defaultVersion: true,
      dynamic: false,
    }
  );
}
