/**
 * The function that an IFUNC stands for in a process. Mostly nothing is run for that: the dynamic
 * loader has left the answer in some module's GOT. Where no module has asked yet (nobody imports it,
 * or its slot is lazy, as at the start of a program), the chooser itself is to be run.
 */
import { addon, type ElfSymbol, type TargetHandle } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import type { LoadedModule } from "../process/modules.js";
import { readMaps } from "../process/proc.js";

const rGlobDat = 6;
const rJumpSlot = 7;
const rIrelative = 37;

/** An IFUNC whose chooser has to be run first: `IndirectFunctions.note` takes what it says. */
export class NotChosenYet extends EngineError {
  /** @param chooser address of the function that chooses */
  constructor(
    symbol: ElfSymbol,
    readonly owner: LoadedModule,
    readonly chooser: bigint,
  ) {
    super(
      "UNRESOLVED_IMPORT",
      "refused",
      `${symbol.name} is an IFUNC that this process has not resolved yet`,
      { subject: symbol.name },
    );
  }
}

/** What the IFUNCs of one process have been resolved to. */
export class IndirectFunctions {
  private readonly noted = new Map<bigint, bigint>();
  private vdso: { readonly start: bigint; readonly end: bigint } | null | undefined;

  constructor(
    private readonly pid: number,
    private readonly target: TargetHandle,
  ) {}

  /** What a chooser has said. @returns false if that is no function of its module's or the kernel's */
  note(owner: LoadedModule, chooser: bigint, chosen: bigint): boolean {
    if (!this.isChoice(owner, chooser, chosen)) return false;
    this.noted.set(chooser, chosen);
    return true;
  }

  /** As if the chooser had said that it is the function itself: for a plan that nobody carries out. */
  presume(chooser: bigint): void {
    this.noted.set(chooser, chooser);
  }

  /** Modules may have come and gone since. */
  forget(): void {
    this.noted.clear();
  }

  /** @throws NotChosenYet if no module uses the symbol yet */
  resolve(modules: readonly LoadedModule[], owner: LoadedModule, symbol: ElfSymbol): bigint {
    // The library's own uses: R_X86_64_IRELATIVE against the chooser, resolved at load time.
    for (const relocation of addon.moduleRelocations(owner.handle)) {
      if (
        relocation.type === rIrelative &&
        relocation.addend + owner.info.bias === symbol.address
      ) {
        const value = this.wordAt(relocation.address);
        if (this.isChoice(owner, symbol.address, value)) return value;
      }
    }
    for (const module of modules) {
      for (const relocation of addon.moduleRelocations(module.handle)) {
        if (
          (relocation.type === rJumpSlot || relocation.type === rGlobDat) &&
          relocation.symbol === symbol.name
        ) {
          const value = this.wordAt(relocation.address);
          // A slot that is still lazy leads back into its own module.
          if (this.isChoice(owner, symbol.address, value)) return value;
        }
      }
    }
    const noted = this.noted.get(symbol.address);
    if (noted !== undefined) return noted;
    throw new NotChosenYet(symbol, owner, symbol.address);
  }

  /** libc chooses the kernel's own `time`, in the vDSO, where there is one. */
  private isChoice(owner: LoadedModule, chooser: bigint, value: bigint): boolean {
    const isIn = ({ start, end }: { readonly start: bigint; readonly end: bigint }): boolean =>
      value >= start && value < end;
    if (value === chooser) return false;
    if (owner.info.text.some(isIn)) return true;
    this.vdso ??= readMaps(this.pid).find(({ path }) => path === "[vdso]") ?? null;
    return this.vdso !== null && isIn(this.vdso);
  }

  private wordAt(at: bigint): bigint {
    return addon.readMemory(this.target, at, 8).readBigUInt64LE(0);
  }
}
