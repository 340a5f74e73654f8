/**
 * Stores that are caught again and again are rewritten to store and synchronise directly, and put back when
 * nothing is coherent any more. What is rewritten stands in the runtime's table in the process, so that whoever comes
 * later finds it, however we end.
 */
import { addon, type EntryChange, type TracerHandle } from "../addon/addon.js";
import { EngineError, type EventSink } from "../engine.js";
import { Placement, pageSize } from "../hooks/placement.js";
import type { LoadedModule } from "../process/modules.js";
import type { RuntimeRecord } from "../record/record.js";
import { windowLimitUs } from "../session/prepare.js";
import { mapAll } from "../session/remote_map.js";
import { awaitSoleUse } from "../session/sole_use.js";
import { onMember, type TargetProcess } from "../session/target_process.js";
import { planStub, type PlannedStub, type StoreCode } from "./site_stub.js";
import {
  placesJumpsFreely,
  readHot,
  readSites,
  siteOfStub,
  stubCodeSize,
  stubSize,
  writeSite,
  type Site,
} from "./site_table.js";
import type { RuntimeCalls } from "./runtime_calls.js";

/**
 * From how many caught stores on an instruction is worth a stub: when they have taken about the time that
 * rewriting it takes. Counted from the beginning, since a program that traps slow down may never have many at a time.
 */
const worthIt = 300;
/** From how many more since the last look on an instruction is about to be worth it. */
const warm = 5;
/** How many are rewritten at a time: each takes a call of the runtime. */
const atOnce = 16;
/** What is looked at of the program's code: the store and what its jump may cover. */
const codeLength = 48;
const reach = 1n << 30n;

/** What one session has seen of a process's hot stores. */
export interface HotHistory {
  /** How often an instruction's stores had been caught. */
  readonly seen: Map<bigint, number>;
  /** Tried in vain. */
  readonly impossible: Set<bigint>;
}

export function newHistory(): HotHistory {
  return { seen: new Map(), impossible: new Set() };
}

interface Candidate {
  readonly store: StoreCode;
  /** Where a stub must be near to. */
  readonly start: bigint;
  readonly end: bigint;
}

interface Place {
  readonly site: Site;
  /** `null`: to be made. */
  readonly stub: bigint | null;
  /** It served this store before. */
  readonly isUsed: boolean;
}

export class HotSites {
  constructor(
    private readonly tracer: TracerHandle,
    private readonly process: TargetProcess,
    private readonly calls: RuntimeCalls,
    private readonly runtime: RuntimeRecord,
    private readonly onEvent: EventSink,
  ) {}

  /**
   * Rewrites what is hot. Nothing is lost where it cannot be done.
   * @returns whether more is hot, or about to be, so that another look is worth it soon
   */
  async rewrite(history: HotHistory): Promise<boolean> {
    const { hot, warming } = this.look(history);
    if (hot.length === 0) return warming;
    await this.calls.gate(true);
    let rewritten = 0;
    for (const at of hot.slice(0, atOnce)) {
      if (await this.rewriteOne(at)) rewritten += 1;
      else history.impossible.add(at);
    }
    if (rewritten > 0)
      this.onEvent({ event: "rewritten", pid: this.process.pid, instructions: rewritten });
    else if (this.known().length === 0) await this.calls.gate(false);
    return warming || hot.length > atOnce;
  }

  /** Puts the program's code back. @throws EngineError refused: some of it stays as it is, and does no harm */
  async restore(): Promise<void> {
    const { handle } = this.process;
    const sites = this.known();
    if (sites.length === 0) return;
    const changes = sites.flatMap((site): EntryChange[] => {
      const now = addon.readMemorySome(handle, site.jumpAt, site.original.length);
      // Never written, or its library has been unloaded.
      if (site.original.length === 0 || now.length < site.original.length) return [];
      if (now[0] !== 0xe9 || now.equals(site.original)) return [];
      return [{ address: site.jumpAt, expected: now, bytes: site.original, moves: [] }];
    });
    if (changes.length > 0) await this.install(changes);
    for (const { number } of sites) await this.calls.forgetSite(number);
    await this.calls.gate(false);
  }

  private known(): readonly Site[] {
    return readSites(this.process.handle, this.runtime).filter((s) => s.known);
  }

  /** What is worth a stub, the hottest first, and whether anything else is on its way to be. */
  private look({ seen, impossible }: HotHistory): { hot: bigint[]; warming: boolean } {
    const rewritten = new Set(this.known().map(({ address }) => address));
    const hot: { at: bigint; count: number }[] = [];
    let warming = false;
    for (const [at, count] of readHot(this.process.handle, this.runtime)) {
      const since = count - (seen.get(at) ?? 0);
      seen.set(at, count);
      if (rewritten.has(at) || impossible.has(at)) continue;
      if (count >= worthIt) hot.push({ at, count });
      else if (since >= warm) warming = true;
    }
    hot.sort((a, b) => b.count - a.count);
    return { hot: hot.map(({ at }) => at), warming };
  }

  private async rewriteOne(at: bigint): Promise<boolean> {
    const sites = readSites(this.process.handle, this.runtime);
    const candidate = this.candidateAt(at, sites);
    if (candidate === null) return false;
    const place = this.placeFor(candidate, sites);
    if (place === null) return false;
    try {
      const stub = place.stub ?? (await this.newStub(candidate));
      const entry = this.calls.symbol("polus_site_entry");
      const planned = planStub(candidate.store, stub, { entry, site: place.site.entry });
      if (planned === null) return false;
      if (place.isUsed && !this.holds(stub, planned.bytes)) return false; // a thread may be in it still
      return await this.put(candidate.store, place.site, stub, planned);
    } catch (error) {
      if (error instanceof EngineError && this.process.alive) return false;
      throw error;
    }
  }

  private holds(at: bigint, bytes: Buffer): boolean {
    return addon.readMemorySome(this.process.handle, at, bytes.length).equals(bytes);
  }

  private async put(
    store: StoreCode,
    site: Site,
    stub: bigint,
    planned: PlannedStub,
  ): Promise<boolean> {
    const { handle } = this.process;
    addon.writeMemory(handle, stub, planned.bytes);
    addon.faultPoint();
    const number = await this.calls.site(store.address, store.code, stub);
    try {
      if (number !== site.number) return false;
      writeSite(handle, this.runtime, site.entry, planned.plan);
      addon.faultPoint();
      await this.install([planned.change]);
      return true;
    } finally {
      const { original } = planned.plan;
      const now = addon.readMemorySome(handle, planned.change.address, original.length);
      if (now.equals(original)) await this.calls.forgetSite(number);
    }
  }

  private install(changes: readonly EntryChange[]): Promise<unknown> {
    return onMember(this.process, async () => {
      await awaitSoleUse(this.process, this.onEvent);
      return addon.tracerInstall(this.tracer, this.process.handle, changes, windowLimitUs);
    });
  }

  /** The store's code, if it is the file's, one of our images', or what a stub executes of the program's. */
  private candidateAt(at: bigint, sites: readonly Site[]): Candidate | null {
    const inside = siteOfStub(sites, at);
    if (inside !== null)
      return placesJumpsFreely(this.runtime) ? this.inCode(at, inside.stub, stubCodeSize) : null;
    const module = this.process.modules.find((m) => at >= m.info.start && at < m.info.end);
    if (module !== undefined) return this.inModule(module, at, sites);
    const image = this.process
      .record()
      .images.find(({ base, size }) => at >= base && at < base + size);
    return image === undefined || image.digest === this.runtime.digest
      ? null
      : this.inCode(at, image.base, image.size);
  }

  private inModule(module: LoadedModule, at: bigint, sites: readonly Site[]): Candidate | null {
    const text = module.info.text.find((range) => at >= range.start && at < range.end);
    if (text === undefined) return null;
    const next = addon.nextFunctionStart(module.handle, at);
    // What is rewritten already stays as it is.
    const rewritten = sites.filter((s) => s.known && s.jumpAt > at).map((s) => s.jumpAt);
    const ends = [next, text.end, ...rewritten].filter((one) => one > at);
    const end = ends.reduce((least, one) => (one < least ? one : least));
    const length = Number(end - at) < codeLength ? Number(end - at) : codeLength;
    const code = addon.fileBytes(module.handle, at, length);
    // Redirected functions begin with jumps of ours.
    if (!this.holds(at, code)) return null;
    const isJumpFree = (from: bigint, to: bigint): boolean =>
      addon.branchesInto(module.handle, [{ start: from, end: to }]).length === 0;
    return {
      store: {
        address: at,
        code,
        isJumpFree,
        lead: (least) => this.leadTo(module, at, least, sites),
      },
      start: module.info.start,
      end: module.info.end,
    };
  }

  /** Where the function's instructions can be told apart from its start on. */
  private leadTo(
    module: LoadedModule,
    at: bigint,
    least: number,
    sites: readonly Site[],
  ): Buffer | null {
    if (!placesJumpsFreely(this.runtime)) return null;
    // A stub may lead back to the store, which must not come to lie inside a jump.
    if (sites.some((s) => s.stub !== 0n && s.address < at && at - s.address < codeLength))
      return null;
    const start = addon.symbolAt(module.handle, at)?.address;
    if (start === undefined || start >= at) return null;
    const starts = addon.instructionsIn(module.handle, start, at);
    const from = starts?.findLast((one) => at - one >= least);
    if (from === undefined) return null;
    const code = addon.fileBytes(module.handle, from, Number(at - from));
    return this.holds(from, code) ? code : null;
  }

  /** What jumps where in a patch or in a stub is not known: a store in it must be as long as the jump. */
  private inCode(at: bigint, base: bigint, size: bigint): Candidate {
    const most = Number(base + size - at);
    const code = addon.readMemorySome(
      this.process.handle,
      at,
      most < codeLength ? most : codeLength,
    );
    return {
      store: { address: at, code, isJumpFree: () => false, lead: () => null },
      start: base,
      end: base + size,
    };
  }

  /**
   * A place in the table, with a stub where one can be used. A thread may still be on its way out of any
   * stub that was ever used: it serves the same instruction again, and no other.
   */
  private placeFor(candidate: Candidate, sites: readonly Site[]): Place | null {
    const { address } = candidate.store;
    if (sites.some((s) => s.known && s.address === address)) return null;
    const again = sites.find((s) => !s.known && s.stub !== 0n && s.address === address);
    if (again !== undefined) return { site: again, stub: again.stub, isUsed: true };
    const fresh = sites.find((s) => s.stub === 0n);
    if (fresh === undefined) return null;
    const taken = new Set(sites.map((s) => s.stub));
    const near = sites.find((s) => {
      const distance = s.stub > address ? s.stub - address : address - s.stub;
      return s.stub !== 0n && distance < reach;
    });
    if (near === undefined) return { site: fresh, stub: null, isUsed: false };
    const page = near.stub & ~(pageSize - 1n);
    for (let stub = page; stub < page + pageSize; stub += stubSize) {
      if (!taken.has(stub)) return { site: fresh, stub, isUsed: false };
    }
    return { site: fresh, stub: null, isUsed: false };
  }

  private async newStub({ start, end }: Candidate): Promise<bigint> {
    const placement = new Placement(this.process.maps());
    const at = placement.reserve(pageSize, pageSize, start, end);
    await mapAll(this.tracer, this.process, [
      { start: at, size: pageSize, write: false, execute: true },
    ]);
    return at;
  }
}
