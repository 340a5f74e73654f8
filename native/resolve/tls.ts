/** Module ids and offsets of existing TLS variables (ELF handling for TLS, variant II). */
import { addon, type TargetHandle } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import type { LoadedModule } from "../process/modules.js";
import type { Import } from "./imports.js";

const rDtpmod64 = 16;
const rTpoff64 = 18;

function notFound(imported: Import): EngineError {
  return new EngineError(
    "UNRESOLVED_IMPORT",
    "refused",
    `the patch needs the TLS variable ${imported.symbol.name} of ${imported.module.path}, whose place in this process cannot be found`,
    { subject: imported.symbol.name },
  );
}

/** Module id for `__tls_get_addr`. @throws EngineError refused UNRESOLVED_IMPORT */
export function tlsModuleId(
  modules: readonly LoadedModule[],
  target: TargetHandle,
  imported: Import,
): bigint {
  // The loader gives the executable id 1 whenever it has a TLS segment.
  if (imported.module.isExecutable) return 1n;
  for (const module of modules) {
    for (const relocation of addon.moduleRelocations(module.handle)) {
      if (relocation.type !== rDtpmod64) continue;
      // Without a symbol it speaks of its own module.
      const own =
        module === imported.module && (relocation.symbol === null || relocation.symbol === "");
      if (own || relocation.symbol === imported.symbol.name) {
        return addon.readMemory(target, relocation.address, 8).readBigUInt64LE(0);
      }
    }
  }
  throw notFound(imported);
}

/** Offset from the thread pointer, for the initial-exec model. @throws EngineError refused UNRESOLVED_IMPORT */
export function tlsThreadOffset(
  modules: readonly LoadedModule[],
  target: TargetHandle,
  imported: Import,
): bigint {
  const { module, symbol } = imported;
  if (module.isExecutable && module.info.tls !== null) {
    const alignment = BigInt(Math.max(1, module.info.tls.alignment));
    const size = ((BigInt(module.info.tls.memorySize) + alignment - 1n) / alignment) * alignment;
    return symbol.address - size;
  }
  for (const other of modules) {
    for (const relocation of addon.moduleRelocations(other.handle)) {
      if (relocation.type !== rTpoff64) continue;
      const value = BigInt.asIntN(
        64,
        addon.readMemory(target, relocation.address, 8).readBigUInt64LE(0),
      );
      if (relocation.symbol === symbol.name) return value - relocation.addend;
      if (other === module && (relocation.symbol === null || relocation.symbol === "")) {
        return value - relocation.addend + symbol.address;
      }
    }
  }
  throw notFound(imported);
}
