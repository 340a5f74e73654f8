/**
 * The function that an IFUNC has been resolved to in this process. Nothing is run for that:
 * the dynamic loader has left the answer in some module's GOT.
 */
import { addon, type ElfSymbol, type TargetHandle } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import type { LoadedModule } from "../process/modules.js";

const rGlobDat = 6;
const rJumpSlot = 7;
const rIrelative = 37;

function readWord(target: TargetHandle, from: bigint): bigint {
  return addon.readMemory(target, from, 8).readBigUInt64LE(0);
}

/** @throws EngineError refused UNRESOLVED_IMPORT if no module uses the symbol yet */
export function resolveIfunc(
  modules: readonly LoadedModule[],
  target: TargetHandle,
  owner: LoadedModule,
  symbol: ElfSymbol,
): bigint {
  const inText = (value: bigint): boolean =>
    owner.info.text.some((range) => value >= range.start && value < range.end);
  // The library's own uses: R_X86_64_IRELATIVE against the chooser, resolved at load time.
  for (const relocation of addon.moduleRelocations(owner.handle)) {
    if (relocation.type === rIrelative && relocation.addend + owner.info.bias === symbol.address) {
      const value = readWord(target, relocation.address);
      if (inText(value) && value !== symbol.address) return value;
    }
  }
  for (const module of modules) {
    for (const relocation of addon.moduleRelocations(module.handle)) {
      if (
        (relocation.type === rJumpSlot || relocation.type === rGlobDat) &&
        relocation.symbol === symbol.name
      ) {
        const value = readWord(target, relocation.address);
        // A slot that is still lazy leads back into its own module.
        if (inText(value) && value !== symbol.address) return value;
      }
    }
  }
  throw new EngineError(
    "UNRESOLVED_IMPORT",
    "refused",
    `${symbol.name} is an IFUNC that this process has not resolved yet`,
    {
      subject: symbol.name,
    },
  );
}
