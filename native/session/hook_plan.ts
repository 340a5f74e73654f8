/**
 * The redirection of functions in one process, planned: which entries become jumps, which
 * chains are written where, which slots change. Writes nothing itself.
 */
import { addon, type EntryChange } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import {
  Arena,
  arenaAlignment,
  arenaHead,
  hooksPerArena,
  planesPerArena,
  type ArenaMapping,
  type PlacedCode,
} from "../hooks/arena.js";
import { chainCode, sameChain, type ChainEntry } from "../hooks/chain.js";
import {
  chooseForm,
  entryState,
  jumpLength,
  planEntry,
  type PlannedEntry,
} from "../hooks/entries.js";
import { Encoder } from "../hooks/encoder.js";
import { pageSize, type Placement } from "../hooks/placement.js";
import type { LoadedModule } from "../process/modules.js";
import { controlSize, selectorOffset } from "../record/page.js";
import type { ArenaRecord, HookRecord, TargetRecord } from "../record/record.js";
import type { FoundFunction } from "../resolve/functions.js";
import type { TargetProcess } from "./target_process.js";

/** A mapping that a borrowed thread makes. */
export type PlannedMapping = ArenaMapping;
export type PlannedWrite = PlacedCode;

/** Mappings that touch and are alike become one: each costs the borrowed thread a call. */
export function coalesced(mappings: readonly PlannedMapping[]): PlannedMapping[] {
  const merged: PlannedMapping[] = [];
  for (const next of [...mappings].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    const last = merged.at(-1);
    if (
      last !== undefined &&
      last.start + last.size === next.start &&
      last.write === next.write &&
      last.execute === next.execute
    ) {
      merged[merged.length - 1] = { ...last, size: last.size + next.size };
    } else {
      merged.push(next);
    }
  }
  return merged;
}

export class HookPlanner {
  readonly mappings: PlannedMapping[] = [];
  readonly writes: PlannedWrite[] = [];
  readonly entries: EntryChange[] = [];
  /** Jumps in dead padding; to be written once the record tells of them. */
  readonly relays: PlannedWrite[] = [];
  /** One byte each; see Arena. */
  readonly slots: PlannedWrite[] = [];
  readonly arenas: ArenaRecord[];
  readonly hooks: HookRecord[];
  /** Where the control region is to be mapped; `null` if the process has one. */
  newControl: bigint | null = null;
  /** Chain that each hook is to have. */
  private readonly wanted = new Map<number, ChainEntry[]>();
  /** Hooks whose entry does not jump yet. */
  private readonly unhooked = new Set<number>();
  private readonly byAddress = new Map<bigint, number>();

  constructor(
    private readonly process: TargetProcess,
    private readonly record: TargetRecord,
    selector: number,
    private readonly placement: Placement,
  ) {
    this.arenas = [...record.arenas];
    this.hooks = [...record.hooks];
    record.hooks.forEach((hook, at) => {
      const arena = record.arenas[hook.arena];
      // What stands at the address of a hook in an unloaded library is another function.
      if (arena !== undefined && this.isLoaded(arena)) this.byAddress.set(hook.address, at);
      // Levels that were rolled back leave the chain with the next change.
      this.wanted.set(
        at,
        hook.chain.filter((entry) => entry.number <= selector),
      );
    });
  }

  /** True if the function has been redirected before. */
  has(f: FoundFunction): boolean {
    return this.byAddress.has(f.address);
  }

  /**
   * Lets `target` be the function from the selector's value `level` on; returns its hook.
   * @param unless whether it may be passed by, as HookRecord has it; for a function that is hooked already, it may not
   */
  redirect(f: FoundFunction, level: number, target: bigint, unless: number | null = null): number {
    const hook = this.hookFor(f, unless);
    this.wanted.set(hook, [
      ...(this.wanted.get(hook) ?? []).filter((e) => e.number !== level),
      { number: level, target },
    ]);
    return hook;
  }

  /** What a function is below a level: an earlier update's, or the program's own. It must be hooked. */
  previousOf(f: FoundFunction, level: number): bigint {
    const number = this.hookFor(f);
    const below = (this.wanted.get(number) ?? []).filter((entry) => entry.number < level);
    return below.sort((a, b) => b.number - a.number)[0]?.target ?? this.originalOf(number);
  }

  /** Address of code that calls a hooked function as the program's file has it. */
  originalOf(number: number): bigint {
    const { hook, arena } = this.placeOf(number);
    return arena.copy(hook.index);
  }

  /** The byte by which the runtime lets a hook be called; `null`: it always is. */
  doorOf(number: number): bigint | null {
    const { hook, arena } = this.placeOf(number);
    return hook.unless === null ? null : arena.door(hook.index);
  }

  private placeOf(number: number): { readonly hook: HookRecord; readonly arena: Arena } {
    const hook = this.hooks[number];
    const base = hook === undefined ? undefined : this.arenas[hook.arena]?.base;
    if (hook === undefined || base === undefined) throw new Error("no such hook");
    return { hook, arena: new Arena(base) };
  }

  /** The hook of a function: the one it has, or a new one with its stub and relocated entry. */
  private hookFor(f: FoundFunction, unless: number | null = null): number {
    const known = this.byAddress.get(f.address);
    if (known !== undefined) return known;
    const arenaNumber = this.arenaFor(f.module);
    const arena = new Arena(this.arenas[arenaNumber]?.base ?? 0n);
    const index = this.hooks.filter((h) => h.arena === arenaNumber).length;
    const form = chooseForm(f, (start, end) => this.isTaken(start, end));
    const planned = planEntry(f, form, arena.stub(index), arena.copy(index));
    const hook = this.hooks.length;
    const passes =
      unless !== null &&
      arena.passingCode(index, unless, planned) !== null &&
      this.hasDoors(arenaNumber, arena.doorMapping());
    this.hooks.push({
      arena: arenaNumber,
      index,
      function: f.name,
      address: f.address,
      size: f.size,
      skipped: form.skipped,
      relay: form.relay,
      original: planned.change.expected,
      jump: planned.change.bytes,
      unless: passes ? unless : null,
      chain: [],
      plane: 0,
      planes: [],
    });
    this.byAddress.set(f.address, hook);
    this.wanted.set(hook, []);
    this.writeEntry(hook, planned);
    return hook;
  }

  /** Whether an arena's hooks can be passed by; plans the mapping for that if need be. */
  private hasDoors(arena: number, mapping: PlannedMapping): boolean {
    if (this.hooks.some((h) => h.arena === arena && h.unless !== null)) return true;
    if (!this.isFree(mapping)) return false;
    this.mappings.push(mapping);
    return true;
  }

  private isFree({ start, size }: PlannedMapping): boolean {
    return !this.process.maps().some((m) => m.start < start + size && m.end > start);
  }

  /** True if bytes of ours, or that are to be ours, stand in [start, end). */
  private isTaken(start: bigint, end: bigint): boolean {
    const overlaps = (at: bigint, length: number): boolean =>
      at < end && at + BigInt(length) > start;
    return this.hooks.some(
      (h) =>
        overlaps(h.address, h.skipped + h.jump.length) ||
        (h.relay !== null && overlaps(h.relay, jumpLength)),
    );
  }

  /** Plans all that makes an untouched entry jump. */
  private writeEntry(number: number, planned: PlannedEntry): void {
    const hook = this.hooks[number];
    const arena = new Arena(this.arenas[hook?.arena ?? 0]?.base ?? 0n);
    if (hook === undefined) throw new Error("no such hook");
    const { change, relay, relayed } = planned;
    const now = addon.readMemory(this.process.handle, change.address, change.expected.length);
    if (!now.equals(change.expected)) throw this.entryChanged(hook.function);
    if (relay !== null && relayed !== null) {
      const state = entryState(this.process.handle, { address: relay, ...relayed });
      if (state === "foreign") throw this.entryChanged(hook.function);
      this.relays.push({ address: relay, bytes: relayed.jump });
    }
    this.unhooked.add(number);
    this.entries.push(change);
    const passing =
      hook.unless === null ? null : arena.passingCode(hook.index, hook.unless, planned);
    this.writes.push(...(passing ?? [arena.stubCode(hook.index, planned)]));
    this.writes.push({ address: arena.copy(hook.index), bytes: planned.copy });
  }

  private entryChanged(name: string): EngineError {
    return new EngineError(
      "ENTRY_CHANGED",
      "refused",
      `the first bytes of ${name} are neither the file's nor ours; another tool has changed them`,
      {
        subject: name,
        pid: this.process.pid,
      },
    );
  }

  /** Number of an arena of that module with room for one more hook, planned if need be. */
  arenaFor(module: LoadedModule): number {
    const free = this.arenas.findIndex(
      (a, at) =>
        a.moduleStart === module.info.start &&
        a.module === module.path &&
        this.hooks.filter((h) => h.arena === at).length < hooksPerArena,
    );
    if (free >= 0) return free;
    const needsControl = this.process.control === null && this.newControl === null;
    const head = arenaHead + (needsControl ? controlSize + pageSize : 0n);
    const room = head + (BigInt(planesPerArena) << 16n);
    // One range for all of it, with `base` on its boundary.
    const start = this.placement.reserve(
      room + arenaAlignment,
      pageSize,
      module.info.start,
      module.info.end,
    );
    const base = (start + head + arenaAlignment - 1n) & ~(arenaAlignment - 1n);
    const arena = new Arena(base);
    if (needsControl) {
      this.newControl = base - arenaHead - controlSize;
      this.mappings.push({
        start: this.newControl,
        size: controlSize,
        write: false,
        execute: false,
      });
    }
    this.mappings.push(...arena.mappings());
    this.arenas.push({ module: module.path, moduleStart: module.info.start, base, planes: [0] });
    return this.arenas.length - 1;
  }

  private selectorAddress(): bigint {
    if (this.newControl !== null) return this.newControl + selectorOffset;
    const control = this.process.control;
    if (control === null) throw new Error("no control region is planned");
    return control.selectorAddress;
  }

  /** Writes the chains that differ from what the slots lead to, each into a cell that nothing leads to. */
  planChains(): void {
    for (const [number, chain] of this.wanted) {
      const hook = this.hooks[number];
      const arenaRecord = hook === undefined ? undefined : this.arenas[hook.arena];
      if (hook === undefined || arenaRecord === undefined) continue;
      const arena = new Arena(arenaRecord.base);
      const isNew = number >= this.record.hooks.length;
      if (!isNew && !this.isLoaded(arenaRecord)) continue;
      if (!isNew) this.checkExisting(number, hook);
      if (!isNew && sameChain(chain, hook.chain)) {
        this.healSlot(arena, hook);
        continue;
      }
      const { plane, code } = this.cellFor(arena, hook, chain);
      if (code !== null) this.writes.push({ address: arena.cell(hook.index, plane), bytes: code });
      this.hooks[number] = { ...hook, chain, plane, planes: [...new Set([...hook.planes, plane])] };
      if (isNew) this.writes.push(this.wholeSlot(arena, hook.index, plane));
      else this.slots.push(this.slotByte(arena, hook.index, plane));
      if (hook.unless !== null && chain.some(({ number: level }) => level > 0))
        this.slots.push({ address: arena.door(hook.index) + 1n, bytes: Buffer.of(1) });
    }
  }

  /** False once the library that a hook was made in has been unloaded. */
  private isLoaded(arena: ArenaRecord): boolean {
    return this.process.modules.some(
      (m) => m.info.start === arena.moduleStart && m.path === arena.module,
    );
  }

  /** A hook of earlier: its entry is ours, or was never reached by the run that was to write it. */
  private checkExisting(number: number, hook: HookRecord): void {
    const state = this.stateOf(hook);
    if (state === "foreign") throw this.entryChanged(hook.function);
    if (state === "original" && !this.unhooked.has(number)) {
      const module = this.process.modules.find(
        (m) => hook.address >= m.info.start && hook.address < m.info.end,
      );
      if (module === undefined) return; // its library has been unloaded
      const arena = new Arena(this.arenas[hook.arena]?.base ?? 0n);
      const f: FoundFunction = {
        module,
        name: hook.function,
        address: hook.address,
        size: hook.size,
      };
      // The run may have died before any of this was written.
      this.writeEntry(number, planEntry(f, hook, arena.stub(hook.index), arena.copy(hook.index)));
    }
  }

  private stateOf(hook: HookRecord): "original" | "hooked" | "foreign" {
    const { original, jump, relay } = hook;
    const address = hook.address + BigInt(hook.skipped);
    const state = entryState(this.process.handle, { address, original, jump });
    if (state !== "hooked" || relay === null) return state;
    const leads = new Encoder(relay);
    leads.jump(new Arena(this.arenas[hook.arena]?.base ?? 0n).stub(hook.index));
    const there = addon.readMemorySome(this.process.handle, relay, jumpLength);
    return there.equals(leads.bytes()) ? "hooked" : "foreign";
  }

  /** A run that died after the record and before the slot: the record's chain is the one that counts. */
  private healSlot(arena: Arena, hook: HookRecord): void {
    const now = addon.readMemory(this.process.handle, arena.slot(hook.index), 8).readBigUInt64LE(0);
    if (now === arena.cell(hook.index, hook.plane)) return;
    this.slots.push(
      arena.planeOf(hook.index, now) >= 0
        ? this.slotByte(arena, hook.index, hook.plane)
        : this.wholeSlot(arena, hook.index, hook.plane),
    );
  }

  private cellFor(
    arena: Arena,
    hook: HookRecord,
    chain: readonly ChainEntry[],
  ): { plane: number; code: Buffer | null } {
    const codeAt = (plane: number): Buffer =>
      chainCode(
        arena.cell(hook.index, plane),
        this.selectorAddress(),
        chain,
        arena.copy(hook.index),
      );
    for (const plane of hook.planes) {
      const code = codeAt(plane);
      if (
        addon
          .readMemory(this.process.handle, arena.cell(hook.index, plane), code.length)
          .equals(code)
      )
        return { plane, code: null };
    }
    const record = this.arenas[hook.arena];
    if (record === undefined) throw new Error("a hook without an arena");
    const mapped = record.planes.find((plane) => !hook.planes.includes(plane));
    if (mapped !== undefined) return { plane: mapped, code: codeAt(mapped) };
    for (let plane = 0; plane < planesPerArena; plane++) {
      if (record.planes.includes(plane)) continue;
      const mapping = arena.planeMapping(plane);
      if (!this.isFree(mapping)) continue;
      this.mappings.push(mapping);
      this.arenas[hook.arena] = { ...record, planes: [...record.planes, plane] };
      return { plane, code: codeAt(plane) };
    }
    throw new EngineError(
      "TOO_MANY_UPDATES",
      "refused",
      `${hook.function} has been updated in more ways than there is room for`,
      {
        subject: hook.function,
        pid: this.process.pid,
      },
    );
  }

  private wholeSlot(arena: Arena, index: number, plane: number): PlannedWrite {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(arena.cell(index, plane));
    return { address: arena.slot(index), bytes };
  }

  /** Cells of one hook differ in the third byte of their address only. */
  private slotByte(arena: Arena, index: number, plane: number): PlannedWrite {
    return {
      address: arena.slot(index) + 2n,
      bytes: Buffer.from([Number((arena.cell(index, plane) >> 16n) & 0xffn)]),
    };
  }
}
