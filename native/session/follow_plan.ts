/** Plans the cells of `on new` and `on free` in one process; see data/follow.ts. */
import { addon, type PatchObject } from "../addon/addon.js";
import { runtimeSymbol } from "../data/control_block.js";
import {
  cellSize,
  checkCreator,
  freeCell,
  functionWord,
  itemWord,
  newCell,
  type CellWords,
} from "../data/follow.js";
import type { PlannedItem } from "../data/items.js";
import type { DataRequest, FunctionName, PatchRequest } from "../engine.js";
import { pageSize, pageUp, type Placement } from "../hooks/placement.js";
import { checkKeptRegisters } from "../hooks/kept_registers.js";
import { ModuleNames } from "../inspect/names.js";
import type { DataRecord, RuntimeRecord, TargetRecord } from "../record/record.js";
import { findFunction, type FoundFunction } from "../resolve/functions.js";
import type { HookPlanner } from "./hook_plan.js";
import type { TargetProcess } from "./target_process.js";

/** The patch whose items are followed. */
export interface FollowedPatch {
  readonly patch: PatchRequest;
  readonly object: PatchObject;
  readonly level: number;
  readonly runtime: RuntimeRecord;
  /** Of an earlier application, whose cells are used again. */
  readonly past: DataRecord | null;
  /** Its set is still coherent: the items have their numbers. */
  readonly isKept: boolean;
}

/** A function that a cell is to stand before, once for each version of it. */
interface Followed {
  readonly item: number;
  readonly what: "new" | "free";
  readonly found: FoundFunction;
  readonly isReplaced: boolean;
}

const runtimeFunctions = { new: "polus_runtime_add", free: "polus_runtime_disown" } as const;

export class FollowPlanner {
  constructor(
    private readonly process: TargetProcess,
    private readonly record: TargetRecord,
    private readonly selector: number,
    private readonly hooks: HookPlanner,
    private readonly placement: Placement,
  ) {}

  /**
   * The items with the words that are to hold their numbers. The patch's functions are redirected already.
   * @throws EngineError refused
   */
  plan(followed: FollowedPatch, items: readonly PlannedItem[]): readonly PlannedItem[] {
    const functions = followed.patch.data.flatMap((item, at) =>
      this.functionsOf(followed, item, at),
    );
    const [first] = functions;
    if (first === undefined) return items;
    const count = functions.reduce((sum, { isReplaced }) => sum + (isReplaced ? 2 : 1), 0);
    const known = followed.past?.items.flatMap(({ words }) => words) ?? [];
    const isThere = known.length === count;
    const base = isThere ? (known[0] ?? 0n) & ~(pageSize - 1n) : this.pagesFor(count, first.found);
    let next = base;
    const words = items.map((): bigint[] => []);
    const put = (f: Followed, target: bigint): bigint => {
      const cell = next;
      next += cellSize;
      const word = itemWord(cell);
      words[f.item]?.push(word);
      const { pid } = this.process;
      const item =
        followed.isKept && isThere
          ? Number(addon.readMemory(this.process.handle, word, 8).readBigInt64LE(0))
          : null;
      const content: CellWords = {
        target,
        runtime: runtimeSymbol(followed.runtime, pid, runtimeFunctions[f.what]),
        item,
      };
      const bytes = f.what === "new" ? newCell(content) : freeCell(content);
      this.hooks.writes.push({ address: cell, bytes });
      return cell;
    };
    for (const f of functions) {
      const below = this.selector;
      const old = this.unwrapped(this.hooks.previousOf(f.found, below + 1));
      this.hooks.redirect(f.found, below, put(f, old));
      if (!f.isReplaced) continue;
      const fresh = this.hooks.previousOf(f.found, followed.level + 1);
      this.hooks.redirect(f.found, followed.level, put(f, fresh));
    }
    return items.map((item, at) => ({ ...item, words: words[at] ?? [] }));
  }

  private functionsOf(
    { patch, object }: FollowedPatch,
    { objects }: DataRequest,
    item: number,
  ): readonly Followed[] {
    if (objects.kind === "global") return [];
    const find = (named: FunctionName | undefined, what: "new" | "free"): readonly Followed[] => {
      if (named === undefined) return [];
      const { name, scope } = named;
      const { modules } = this.process;
      const found = findFunction(modules, {
        function: name,
        ...(scope === undefined ? {} : { scope }),
      });
      // What a cell calls may change any register that the ABI lets it.
      checkKeptRegisters([{ found, object, bytes: patch.bytes, name: "" }], modules);
      if (what === "new") this.checkCreator(named);
      const isReplaced = patch.replacements.some((r) => {
        const other = findFunction(modules, r);
        return other.address === found.address;
      });
      return [{ item, what, found, isReplaced }];
    };
    return [...find(objects.onNew, "new"), ...find(objects.onFree, "free")];
  }

  private checkCreator({ name, scope }: FunctionName): void {
    const names = new ModuleNames(() => this.process.modules, this.process.indirect);
    const entity = names.entity({ name, ...(scope === undefined ? {} : { place: scope }) });
    if (entity.kind === "function") checkCreator(entity);
  }

  private pagesFor(count: number, near: FoundFunction): bigint {
    const { start, end } = near.module.info;
    const size = pageUp(BigInt(count) * cellSize);
    const base = this.placement.reserve(size, pageSize, start, end);
    this.hooks.mappings.push({ start: base, size, write: false, execute: true });
    return base;
  }

  /** What a cell of an earlier application stands before; anything else is itself. */
  private unwrapped(target: bigint): bigint {
    const cells = this.record.updates
      .flatMap((u) => u.patches)
      .flatMap((p) => p.data?.items ?? [])
      .flatMap(({ words }) => words)
      .map((word) => word - itemWord(0n));
    if (!cells.includes(target)) return target;
    return addon.readMemory(this.process.handle, functionWord(target), 8).readBigUInt64LE(0);
  }
}
