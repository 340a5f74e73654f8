/**
 * Everything that one update means for one process, worked out before the first byte is
 * written: mappings, contents, entry changes, chains, the new record.
 */
import { isDeepStrictEqual } from "node:util";
import type { EntryChange, PatchObject } from "../addon/addon.js";
import {
  EngineError,
  type PatchRequest,
  type Repair,
  type Replacement,
  type UpdateRequest,
} from "../engine.js";
import { highestLevel } from "../hooks/chain.js";
import { chooseForm } from "../hooks/entries.js";
import { checkKeptRegisters, entrySymbol } from "../hooks/kept_registers.js";
import { Placement, pageSize } from "../hooks/placement.js";
import { readControlBlock, setState } from "../data/control_block.js";
import { ItemPlanner, itemRecords, type PlannedItem, type PlannedSet } from "../data/items.js";
import { checkKernelWriters } from "../data/kernel_writers.js";
import { planLibraryHooks } from "../data/library_hooks.js";
import { importsRuntime, runtimeFile, runtimeRecord } from "../data/runtime_file.js";
import {
  definedAt,
  imageMappings,
  imageSize,
  relocate,
  type ImageContents,
} from "../image/layout.js";
import type { LoadedModule } from "../process/modules.js";
import {
  isRolledBack,
  trimHistory,
  type ImageRecord,
  type PatchRecord,
  type RuntimeRecord,
  type TargetRecord,
  type UpdateRecord,
} from "../record/record.js";
import { findFunction, type FoundFunction } from "../resolve/functions.js";
import { heldDefinition } from "../resolve/held_labels.js";
import { ImportResolver, previousOnes } from "../resolve/imports.js";
import { coalesced, HookPlanner, type PlannedMapping, type PlannedWrite } from "./hook_plan.js";
import { madeRepairs, repairRecords } from "./announced.js";
import { FollowPlanner } from "./follow_plan.js";
import { replacementName, type ReadUpdate } from "./read_update.js";
import type { TargetProcess } from "./target_process.js";

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
  /** Jumps in dead padding that entries will lead to; nothing executes them before. */
  readonly relays: readonly PlannedWrite[];
  readonly entries: readonly EntryChange[];
  /** One byte each: chains of functions that are hooked already. Without effect until the flip. */
  readonly slots: readonly PlannedWrite[];
  readonly images: readonly PlannedImage[];
  /** Data that is to be coherent before the functions are activated. */
  readonly sets: readonly PlannedSet[];
  readonly selectorBefore: number;
  readonly selectorAfter: number;
  readonly functions: number;
  readonly imports: number;
}

class Planner {
  private readonly hooks: HookPlanner;
  private readonly images: PlannedImage[] = [];
  private readonly imageRecords: ImageRecord[];
  private readonly placement: Placement;
  private readonly resolver: ImportResolver;
  private readonly items: ItemPlanner;
  private readonly follow: FollowPlanner;
  private readonly sets: PlannedSet[] = [];
  private runtime: RuntimeRecord | null;

  constructor(
    private readonly process: TargetProcess,
    private readonly record: TargetRecord,
    private readonly selector: number,
    private readonly update: ReadUpdate,
  ) {
    this.imageRecords = [...record.images];
    this.placement = new Placement(process.maps());
    this.hooks = new HookPlanner(process, record, selector, this.placement);
    this.follow = new FollowPlanner(process, record, selector, this.hooks, this.placement);
    this.resolver = new ImportResolver(process.modules, process.indirect);
    this.resolver.resolveHeld((label) => heldDefinition(process.handle, record, selector, label));
    this.runtime = record.runtime;
    if (this.runtime !== null) this.resolver.provide(this.runtime.symbols);
    const { modules, handle, indirect } = process;
    this.items = new ItemPlanner({ modules, handle, indirect, maps: process.maps() }, record);
  }

  /** Images only: nothing leads to them. */
  stage(): UpdatePlan {
    const { patches } = this.update.request;
    this.checkBuildId(this.update.request);
    if (this.process.control === null) this.hooks.arenaFor(this.process.executable);
    this.planRuntime(patches);
    for (const patch of patches) {
      const [first] = patch.replacements;
      const near =
        first === undefined
          ? this.process.executable
          : findFunction(this.process.modules, first).module;
      if (previousOnes(this.object(patch)).length > 0)
        throw new EngineError(
          "PATCH_NOT_STAGED",
          "refused",
          `patch ${patch.name} calls functions as they were before it, so it cannot be looked at before it is applied`,
          { subject: patch.name, help: "give the patches that taints look at no POLUS_PREVIOUS" },
        );
      this.planImage(patch, this.object(patch), near, this.selector);
    }
    return {
      newControl: this.hooks.newControl,
      mappings: coalesced(this.hooks.mappings),
      writes: this.hooks.writes,
      record: {
        ...this.record,
        arenas: this.hooks.arenas,
        images: this.imageRecords,
        runtime: this.runtime,
      },
      relays: [],
      entries: [],
      slots: [],
      images: this.images,
      sets: [],
      selectorBefore: this.selector,
      selectorAfter: this.selector,
      functions: 0,
      imports: 0,
    };
  }

  plan(
    missing: readonly PatchRequest[],
    run: UpdateRecord["run"],
    repairs: readonly Repair[],
  ): UpdatePlan {
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
    const fresh = all.filter((f) => !this.hooks.has(f));
    for (const f of fresh) chooseForm(f, () => false);
    this.checkShared(all);
    this.checkCallers(found);

    // The record needs a place even if a patch replaces nothing.
    if (this.process.control === null)
      this.hooks.arenaFor(all[0]?.module ?? this.process.executable);
    this.planRuntime(missing);
    const levels = new Map<string, PatchRecord>();
    let level = this.selector;
    for (const patch of missing) {
      level += 1;
      levels.set(patch.name, this.planPatch(patch, found.get(patch) ?? [], level));
    }
    this.hooks.planChains();
    return {
      newControl: this.hooks.newControl,
      mappings: coalesced(this.hooks.mappings),
      writes: this.hooks.writes,
      record: this.newRecord(levels, run, repairs),
      relays: this.hooks.relays,
      entries: this.hooks.entries,
      slots: this.hooks.slots,
      images: this.images,
      sets: this.sets,
      selectorBefore: this.selector,
      selectorAfter: level,
      functions: new Set(all.map((f) => f.address)).size,
      imports: missing.reduce((sum, p) => sum + ImportResolver.needed(this.object(p)).length, 0),
    };
  }

  private checkCallers(found: ReadonlyMap<PatchRequest, readonly FoundFunction[]>): void {
    const exchanged = [...found].flatMap(([patch, functions]) => {
      const object = this.object(patch);
      return patch.replacements.flatMap((replacement, at) => {
        const f = functions[at];
        if (f === undefined) return [];
        const name = replacementName(object, replacement.function, replacement.with);
        return [{ found: f, object, bytes: patch.bytes, name }];
      });
    });
    checkKeptRegisters(exchanged, this.process.modules);
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
    const image = this.planImage(patch, object, near, level);
    const functions = patch.replacements.map((replacement, at) => {
      const f = found[at];
      if (f === undefined) throw new Error("a function was not looked for");
      const name = replacementName(object, replacement.function, replacement.with);
      const entry = entrySymbol(object, name);
      const target = definedAt(object, entry, image.base);
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
      const hook = this.hooks.redirect(f, level, target);
      const size = object.symbols.find((s) => s.defined && s.name === entry)?.size ?? 0;
      return { hook, target, size };
    });
    return {
      name: patch.name,
      digest: patch.digest,
      level,
      functions,
      data: this.planData(patch, object, image, level),
    };
  }

  private planData(
    patch: PatchRequest,
    object: PatchObject,
    image: ImageRecord,
    level: number,
  ): PatchRecord["data"] {
    if (patch.data.length === 0) return null;
    checkKernelWriters(this.process.pid, this.process.maps());
    const set = this.coherentSet(patch);
    if (this.runtime === null) throw new Error("no runtime is planned");
    const items = this.follow.plan(
      {
        patch,
        object,
        level,
        runtime: this.runtime,
        past: this.pastOf(patch)?.data ?? null,
        isKept: set !== null,
      },
      this.items.plan(patch, object, image.base),
    );
    if (set === null) {
      this.sets.push({ patch: patch.name, items });
      this.freshenGlobals(patch, object, image, items);
    }
    return { set, items: itemRecords(items) };
  }

  /** The patch as it was applied before and rolled back, if the record still tells of it. */
  private pastOf({ name, digest }: PatchRequest): PatchRecord | undefined {
    const { request } = this.update;
    return this.record.updates
      .find((u) => u.name === request.name && isRolledBack(u))
      ?.patches.find((p) => p.name === name && p.digest === digest);
  }

  /** Of the patch, if it was rolled back and threads inside it keep both versions in use. */
  private coherentSet(patch: PatchRequest): number | null {
    const { request } = this.update;
    const past = this.record.updates.find((u) => u.name === request.name && isRolledBack(u));
    const held = past?.patches.filter((p) => (p.data?.set ?? null) !== null) ?? [];
    if (held.length === 0 || this.runtime === null) return null;
    const { sets } = readControlBlock(this.process.handle, this.process.pid, this.runtime);
    const coherent = held.filter((p) => sets[p.data?.set ?? -1]?.state === setState.coherent);
    const own = coherent.find((p) => p.name === patch.name && p.digest === patch.digest);
    if (own !== undefined) return own.data?.set ?? null;
    if (coherent.length === 0) return null;
    throw new EngineError(
      "DATA_STILL_IN_USE",
      "refused",
      `threads are still inside an earlier ${request.name} of other content, whose data is in use`,
      { subject: request.name, pid: this.process.pid, help: "try again when they have left it" },
    );
  }

  /** The new globals of an image that was used before begin as its file has them. */
  private freshenGlobals(
    patch: PatchRequest,
    object: PatchObject,
    image: ImageRecord,
    items: readonly PlannedItem[],
  ): void {
    if (!this.images.some((i) => i.base === image.base && i.reused)) return;
    for (const { start, bytes } of this.contentsOf(patch, object, image.base)) {
      const end = start + BigInt(bytes.length);
      for (const { objects, newSize } of items) {
        if (objects.kind !== "pair" || objects.new < start || objects.new >= end) continue;
        const from = Number(objects.new - start);
        const part = bytes.subarray(from, from + newSize);
        this.hooks.writes.push({ address: objects.new, bytes: part });
      }
    }
  }

  /** The runtime, for patches that change data or use what it exports. */
  private planRuntime(patches: readonly PatchRequest[]): void {
    if (this.runtime !== null) return;
    if (!patches.some((p) => p.data.length > 0 || importsRuntime(this.object(p)))) return;
    const file = runtimeFile();
    const image = this.planImage(file.patch, file.object, this.process.executable, 0);
    this.runtime = runtimeRecord(file, image.base);
    planLibraryHooks(this.process.modules, file.object, image.base, this.hooks);
    this.resolver.provide(this.runtime.symbols);
  }

  private planImage(
    patch: PatchRequest,
    object: PatchObject,
    near: LoadedModule,
    level: number,
  ): ImageRecord {
    const { modules } = this.process;
    const before = (wanted: Replacement): bigint =>
      this.hooks.previousOf(findFunction(modules, wanted), level);
    this.resolver.resolvePrevious(before);
    const previous = previousOnes(object).map(before);
    const known = this.imageRecords.find(
      (i) => i.digest === patch.digest && isDeepStrictEqual(i.previous, previous),
    );
    if (known !== undefined) {
      if (this.images.every((i) => i.base !== known.base))
        this.images.push({ patch: patch.name, base: known.base, size: known.size, reused: true });
      return known;
    }
    const size = imageSize(object);
    const base = this.placement.reserve(size, pageSize, near.info.start, near.info.end);
    for (const mapping of imageMappings(object, base)) this.hooks.mappings.push(mapping);
    for (const c of this.contentsOf(patch, object, base)) {
      this.hooks.writes.push({ address: c.start, bytes: c.bytes });
    }
    const image = { digest: patch.digest, base, size, previous };
    // Before one that is bound to other functions: it is the one that counts.
    this.imageRecords.unshift(image);
    this.images.push({ patch: patch.name, base, size, reused: false });
    return image;
  }

  private contentsOf(patch: PatchRequest, object: PatchObject, base: bigint): ImageContents[] {
    const { modules, handle } = this.process;
    return relocate(patch, object, base, modules, handle, this.resolver);
  }

  private newRecord(
    levels: ReadonlyMap<string, PatchRecord>,
    run: UpdateRecord["run"],
    repairs: readonly Repair[],
  ): TargetRecord {
    const { request } = this.update;
    const before = this.record.updates.find((u) => u.name === request.name && !isRolledBack(u));
    const patches = request.patches.map(
      (p, at): PatchRecord =>
        levels.get(p.name) ??
        before?.patches[at] ?? {
          name: p.name,
          digest: p.digest,
          level: null,
          functions: [],
          data: null,
        },
    );
    const update: UpdateRecord = {
      name: request.name,
      description: request.description ?? "",
      scriptDigest: request.scriptDigest,
      scope: request.scope,
      appliedAt: new Date().toISOString(),
      points: request.points.map(({ name, position }) => ({ name, position })),
      patches,
      repairs: [...madeRepairs(before), ...repairRecords(repairs, this.process.pid)],
      // One that is unfinished is an earlier step of this run: undoing it means all steps.
      run: {
        ...run,
        before: before !== undefined && !before.run.finished ? before.run.before : this.selector,
      },
    };
    return {
      arenas: this.hooks.arenas,
      hooks: this.hooks.hooks,
      images: this.imageRecords,
      updates: trimHistory([...this.record.updates.filter((u) => u.name !== request.name), update]),
      pending: null,
      runtime: this.runtime,
    };
  }
}

/**
 * @param missing patches to activate, as `missingPatches` says
 * @throws EngineError refused or invalid; NotChosenYet (see `planChoosing`); nothing has been written
 */
export function planUpdate(
  process: TargetProcess,
  update: ReadUpdate,
  missing: readonly PatchRequest[],
  run: UpdateRecord["run"],
  repairs: readonly Repair[],
): UpdatePlan {
  const selector = process.control?.selector ?? 0;
  return new Planner(process, process.record(), selector, update).plan(missing, run, repairs);
}

/**
 * What it takes to have an update's images in a process, without any effect.
 * @throws EngineError refused or invalid; NotChosenYet (see `planChoosing`); nothing has been written
 */
export function planStage(process: TargetProcess, update: ReadUpdate): UpdatePlan {
  const selector = process.control?.selector ?? 0;
  return new Planner(process, process.record(), selector, update).stage();
}
