/**
 * Everything that one update means for one process, worked out before the first byte is
 * written: mappings, contents, entry changes, chains, the new record.
 */
import { addon, type EntryChange, type PatchObject } from "../addon/addon.js";
import { EngineError, type PatchRequest, type UpdateRequest } from "../engine.js";
import { Arena, arenaAlignment, arenaHead, hooksPerArena, planesPerArena } from "../hooks/arena.js";
import { chainCode, highestLevel, sameChain, type ChainEntry } from "../hooks/chain.js";
import { checkBranches, checkEntry, entryState, planEntry } from "../hooks/entries.js";
import { Placement, pageSize } from "../hooks/placement.js";
import { definedAt, imageMappings, imageSize, readPatch, relocate } from "../image/layout.js";
import type { LoadedModule } from "../process/modules.js";
import { controlSize, selectorOffset } from "../record/page.js";
import {
  isRolledBack,
  trimHistory,
  type ArenaRecord,
  type HookRecord,
  type ImageRecord,
  type PatchRecord,
  type TargetRecord,
  type UpdateRecord,
} from "../record/record.js";
import { findFunction, type FoundFunction } from "../resolve/functions.js";
import { ImportResolver } from "../resolve/imports.js";
import type { TargetProcess } from "./target_process.js";

/** A mapping that a borrowed thread makes. */
export interface PlannedMapping {
  readonly start: bigint;
  readonly size: bigint;
  readonly write: boolean;
  readonly execute: boolean;
}

export interface PlannedWrite {
  readonly address: bigint;
  readonly bytes: Buffer;
}

export interface PlannedImage {
  readonly patch: string;
  readonly base: bigint;
  readonly size: bigint;
  readonly reused: boolean;
}

export interface UpdatePlan {
  /** Where the control region is to be mapped; `null` if the process has one. */
  readonly newControl: bigint | null;
  readonly mappings: readonly PlannedMapping[];
  /** Images, stubs, copies, chains, slots of functions whose entry does not lead to them yet. */
  readonly writes: readonly PlannedWrite[];
  readonly record: TargetRecord;
  readonly entries: readonly EntryChange[];
  /** One byte each: chains of functions that are hooked already. Without effect until the flip. */
  readonly slots: readonly PlannedWrite[];
  readonly images: readonly PlannedImage[];
  readonly selectorBefore: number;
  readonly selectorAfter: number;
  readonly functions: number;
  readonly imports: number;
}

/** An update's objects, read once for all processes. */
export interface ReadUpdate {
  readonly request: UpdateRequest;
  readonly objects: ReadonlyMap<string, PatchObject>;
}

/** @throws EngineError invalid: PATCH_… */
export function readUpdate(request: UpdateRequest): ReadUpdate {
  const objects = new Map<string, PatchObject>();
  for (const patch of request.patches) {
    if (!objects.has(patch.digest)) objects.set(patch.digest, readPatch(patch));
  }
  return { request, objects };
}

/** Name in the patch of what replaces a function: as the script says, as the object's table says, or the same. */
export function replacementName(
  object: PatchObject,
  name: string,
  given: string | undefined,
): string {
  if (given !== undefined) return given;
  const entry = object.replaceTable.find((line) => line.startsWith(`${name}=`));
  return entry === undefined ? name : entry.slice(name.length + 1);
}

/**
 * Patches of the update that the process does not have active yet; empty: all are.
 * @throws EngineError refused UPDATE_DIFFERS, NOT_ON_TOP
 */
export function missingPatches(
  record: TargetRecord,
  selector: number,
  request: UpdateRequest,
): readonly PatchRequest[] {
  const existing = record.updates.find((u) => u.name === request.name && !isRolledBack(u));
  if (existing === undefined) return request.patches;
  const same =
    existing.patches.length === request.patches.length &&
    existing.patches.every(
      (p, at) => p.name === request.patches[at]?.name && p.digest === request.patches[at]?.digest,
    );
  if (!same) {
    throw new EngineError(
      "UPDATE_DIFFERS",
      "refused",
      `an update named ${request.name} with other content is active`,
      {
        subject: request.name,
        help: "roll it back first, or give the new one another name",
      },
    );
  }
  const missing = request.patches.filter((_, at) => existing.patches[at]?.level === null);
  const top = Math.max(0, ...existing.patches.map((p) => p.level ?? 0));
  if (missing.length > 0 && top !== selector) {
    throw new EngineError(
      "NOT_ON_TOP",
      "refused",
      `${request.name} is partly rolled back below other updates`,
      {
        subject: request.name,
        help: "roll back the updates above it first",
      },
    );
  }
  return missing;
}

class Planner {
  private readonly mappings: PlannedMapping[] = [];
  private readonly writes: PlannedWrite[] = [];
  private readonly entries: EntryChange[] = [];
  private readonly slots: PlannedWrite[] = [];
  private readonly images: PlannedImage[] = [];
  private readonly arenas: ArenaRecord[];
  private readonly hooks: HookRecord[];
  private readonly imageRecords: ImageRecord[];
  /** Chain that each hook is to have. */
  private readonly wanted = new Map<number, ChainEntry[]>();
  /** Hooks whose entry does not jump yet. */
  private readonly unhooked = new Set<number>();
  private readonly hookByAddress = new Map<bigint, number>();
  private readonly placement: Placement;
  private readonly resolver: ImportResolver;
  private newControl: bigint | null = null;

  constructor(
    private readonly process: TargetProcess,
    private readonly record: TargetRecord,
    private readonly selector: number,
    private readonly update: ReadUpdate,
  ) {
    this.arenas = [...record.arenas];
    this.hooks = [...record.hooks];
    this.imageRecords = [...record.images];
    this.placement = new Placement(process.maps());
    this.resolver = new ImportResolver(process.modules, process.handle);
    record.hooks.forEach((hook, at) => {
      this.hookByAddress.set(hook.address, at);
      // Levels that were rolled back leave the chain with the next change.
      this.wanted.set(
        at,
        hook.chain.filter((entry) => entry.number <= selector),
      );
    });
  }

  plan(missing: readonly PatchRequest[], run: UpdateRecord["run"]): UpdatePlan {
    const { request } = this.update;
    this.checkBuildId(request);
    if (this.selector + missing.length > highestLevel) {
      throw new EngineError(
        "TOO_MANY_UPDATES",
        "refused",
        `process ${this.process.pid} carries too many stacked patches`,
        { pid: this.process.pid },
      );
    }
    const found = new Map<PatchRequest, FoundFunction[]>();
    for (const patch of missing)
      found.set(
        patch,
        patch.replacements.map((r) => findFunction(this.process.modules, r)),
      );
    const all = [...found.values()].flat();
    const fresh = all.filter((f) => !this.hookByAddress.has(f.address));
    for (const f of fresh) checkEntry(f);
    checkBranches(fresh);
    this.checkShared(all);

    // The record needs a place even if a patch replaces nothing.
    if (this.process.control === null) this.arenaFor(all[0]?.module ?? this.process.executable);
    const levels = new Map<string, PatchRecord>();
    let level = this.selector;
    for (const patch of missing) {
      level += 1;
      levels.set(patch.name, this.planPatch(patch, found.get(patch) ?? [], level));
    }
    this.planChains();
    return {
      newControl: this.newControl,
      mappings: this.mappings,
      writes: this.writes,
      record: this.newRecord(levels, run),
      entries: this.entries,
      slots: this.slots,
      images: this.images,
      selectorBefore: this.selector,
      selectorAfter: level,
      functions: new Set(all.map((f) => f.address)).size,
      imports: missing.reduce((sum, p) => sum + ImportResolver.needed(this.object(p)).length, 0),
    };
  }

  private object(patch: PatchRequest): PatchObject {
    const object = this.update.objects.get(patch.digest);
    if (object === undefined) throw new Error(`patch ${patch.name} was not read`);
    return object;
  }

  private checkBuildId(request: UpdateRequest): void {
    const have = this.process.executable.info.buildId;
    if (request.buildId === undefined) return;
    if (have === null || !have.startsWith(request.buildId.toLowerCase())) {
      throw new EngineError(
        "BUILD_ID_MISMATCH",
        "refused",
        `process ${this.process.pid} runs build-id ${have ?? "(none)"}, the script is for ${request.buildId}`,
        {
          pid: this.process.pid,
          subject: request.buildId,
        },
      );
    }
  }

  /** Text that other processes write through, or that cannot be copied on write, is none of ours. */
  private checkShared(functions: readonly FoundFunction[]): void {
    const maps = this.process.maps();
    for (const f of functions) {
      const map = maps.find((m) => f.address >= m.start && f.address < m.end);
      if (
        map === undefined ||
        !map.permissions.startsWith("r") ||
        !map.permissions.includes("x") ||
        map.permissions.endsWith("s")
      ) {
        throw new EngineError(
          "ENTRY_NOT_HOOKABLE",
          "refused",
          `${f.name} lies in memory that is shared or not executable`,
          { subject: f.name, pid: this.process.pid },
        );
      }
    }
  }

  private planPatch(
    patch: PatchRequest,
    found: readonly FoundFunction[],
    level: number,
  ): PatchRecord {
    const object = this.object(patch);
    const near = found[0]?.module ?? this.process.executable;
    const image = this.planImage(patch, object, near);
    const functions = patch.replacements.map((replacement, at) => {
      const f = found[at];
      if (f === undefined) throw new Error("a function was not looked for");
      const name = replacementName(object, replacement.function, replacement.with);
      const target = definedAt(object, name, image.base);
      if (target === null) {
        throw new EngineError(
          "PATCH_LACKS_FUNCTION",
          "invalid",
          `${patch.path} defines no ${name}`,
          {
            subject: replacement.with ?? replacement.function,
            candidates: object.symbols
              .filter((s) => s.defined && s.kind === "func")
              .map((s) => s.name),
          },
        );
      }
      const hook = this.hookFor(f);
      this.wanted.set(hook, [
        ...(this.wanted.get(hook) ?? []).filter((e) => e.number !== level),
        { number: level, target },
      ]);
      const size = object.symbols.find((s) => s.defined && s.name === name)?.size ?? 0;
      return { hook, target, size };
    });
    return { name: patch.name, digest: patch.digest, level, functions };
  }

  private planImage(patch: PatchRequest, object: PatchObject, near: LoadedModule): ImageRecord {
    const known = this.imageRecords.find((i) => i.digest === patch.digest);
    if (known !== undefined) {
      if (this.images.every((i) => i.base !== known.base))
        this.images.push({ patch: patch.name, base: known.base, size: known.size, reused: true });
      return known;
    }
    const size = imageSize(object);
    const base = this.placement.reserve(size, pageSize, near.info.start, near.info.end);
    for (const mapping of imageMappings(object, base)) this.mappings.push(mapping);
    for (const c of relocate(
      patch,
      object,
      base,
      this.process.modules,
      this.process.handle,
      this.resolver,
    )) {
      this.writes.push({ address: c.start, bytes: c.bytes });
    }
    const image = { digest: patch.digest, base, size };
    this.imageRecords.push(image);
    this.images.push({ patch: patch.name, base, size, reused: false });
    return image;
  }

  /** The hook of a function: the one it has, or a new one with its stub and relocated entry. */
  private hookFor(f: FoundFunction): number {
    const known = this.hookByAddress.get(f.address);
    if (known !== undefined) return known;
    const arenaNumber = this.arenaFor(f.module);
    const arena = new Arena(this.arenas[arenaNumber]?.base ?? 0n);
    const index = this.hooks.filter((h) => h.arena === arenaNumber).length;
    const planned = planEntry(f, arena.stub(index), arena.copy(index));
    this.writes.push({ address: arena.stub(index), bytes: arena.stubCode(index) });
    this.writes.push({ address: arena.copy(index), bytes: planned.copy });
    const hook = this.hooks.length;
    this.hooks.push({
      arena: arenaNumber,
      index,
      function: f.name,
      address: f.address,
      size: f.size,
      original: planned.original,
      jump: planned.jump,
      chain: [],
      plane: 0,
      planes: [],
    });
    this.hookByAddress.set(f.address, hook);
    this.wanted.set(hook, []);
    if (entryState(this.process.handle, planned) !== "original") throw this.entryChanged(f.name);
    this.unhooked.add(hook);
    this.entries.push({
      address: planned.address,
      expected: planned.original,
      bytes: planned.jump,
      moves: planned.moves,
    });
    return hook;
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

  private arenaFor(module: LoadedModule): number {
    const free = this.arenas.findIndex(
      (a, at) =>
        a.moduleStart === module.info.start &&
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
    for (const mapping of arena.mappings()) this.mappings.push({ ...mapping, write: false });
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
  private planChains(): void {
    for (const [number, chain] of this.wanted) {
      const hook = this.hooks[number];
      const arenaRecord = hook === undefined ? undefined : this.arenas[hook.arena];
      if (hook === undefined || arenaRecord === undefined) continue;
      const arena = new Arena(arenaRecord.base);
      const isNew = number >= this.record.hooks.length;
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
    }
  }

  /** A hook of earlier: its entry is ours, or was never reached by the run that was to write it. */
  private checkExisting(number: number, hook: HookRecord): void {
    const state = entryState(this.process.handle, hook);
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
      const planned = planEntry(f, arena.stub(hook.index), arena.copy(hook.index));
      this.unhooked.add(number);
      this.entries.push({
        address: hook.address,
        expected: planned.original,
        bytes: planned.jump,
        moves: planned.moves,
      });
      // The run may have died before any of this was written.
      this.writes.push({ address: arena.stub(hook.index), bytes: arena.stubCode(hook.index) });
      this.writes.push({ address: arena.copy(hook.index), bytes: planned.copy });
    }
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
      if (
        this.process
          .maps()
          .some((m) => m.start < mapping.start + mapping.size && m.end > mapping.start)
      )
        continue;
      this.mappings.push({ ...mapping, write: false });
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

  private newRecord(
    levels: ReadonlyMap<string, PatchRecord>,
    run: UpdateRecord["run"],
  ): TargetRecord {
    const { request } = this.update;
    const before = this.record.updates.find((u) => u.name === request.name && !isRolledBack(u));
    const patches = request.patches.map((p, at): PatchRecord => {
      const planned = levels.get(p.name) ?? before?.patches[at];
      if (planned === undefined) throw new Error(`patch ${p.name} was not planned`);
      return planned;
    });
    const update: UpdateRecord = {
      name: request.name,
      description: request.description ?? "",
      scriptDigest: request.scriptDigest,
      scope: request.scope,
      appliedAt: new Date().toISOString(),
      points: request.points.map(({ name, position }) => ({ name, position })),
      patches,
      run: { ...run, before: this.selector },
    };
    return {
      arenas: this.arenas,
      hooks: this.hooks,
      images: this.imageRecords,
      updates: trimHistory([...this.record.updates.filter((u) => u.name !== request.name), update]),
      pending: null,
    };
  }
}

/**
 * @param missing patches to activate, as `missingPatches` says
 * @throws EngineError refused or invalid; nothing has been written
 */
export function planUpdate(
  process: TargetProcess,
  update: ReadUpdate,
  missing: readonly PatchRequest[],
  run: UpdateRecord["run"],
): UpdatePlan {
  const selector = process.control?.selector ?? 0;
  return new Planner(process, process.record(), selector, update).plan(missing, run);
}
