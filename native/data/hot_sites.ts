/**
 * Stores that are caught again and again are rewritten to store and synchronise directly, and put back when
 * nothing is coherent any more. What is rewritten stands in the runtime's table in the process, so that whoever comes
 * later finds it, however we end.
 */
import { addon, type EntryChange, type TracerHandle } from "../addon/addon.js";
import { EngineError, type EventSink } from "../engine.js";
import { Placement, pageSize } from "../hooks/placement.js";
import type { LoadedModule } from "../process/modules.js";
import type { ImageRecord, RuntimeRecord } from "../record/record.js";
import { windowLimitUs } from "../session/prepare.js";
import { mapAll } from "../session/remote_map.js";
import { awaitSoleUse } from "../session/sole_use.js";
import { onMember, type TargetProcess } from "../session/target_process.js";
import { planStub, type PlannedStub, type StoreCode } from "./site_stub.js";
import { readHot, readSites, stubSize, writeSite, type Site } from "./site_table.js";
import type { RuntimeCalls } from "./runtime_calls.js";

/** From how many caught stores since the last look on an instruction is worth a stub. */
const worthIt = 500;
/** How many are rewritten at a time: each takes a call of the runtime. */
const atOnce = 8;
/** What is looked at of the program's code: the store and what its jump may cover. */
const codeLength = 48;
const reach = 1n << 30n;

/** What one session has seen of a process's hot stores. */
export interface HotHistory {
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

export class HotSites {
  constructor(
    private readonly tracer: TracerHandle,
    private readonly process: TargetProcess,
    private readonly calls: RuntimeCalls,
    private readonly runtime: RuntimeRecord,
    private readonly onEvent: EventSink,
  ) {}

  /** Rewrites what was hot since the last look. Nothing is lost where it cannot be done. */
  async rewrite(history: HotHistory): Promise<void> {
    const hot = this.hotSince(history);
    if (hot.length === 0) return;
    await this.calls.gate(true);
    let rewritten = 0;
    for (const at of hot.slice(0, atOnce)) {
      if (await this.rewriteOne(at)) rewritten += 1;
      else history.impossible.add(at);
    }
    if (rewritten > 0)
      this.onEvent({ event: "rewritten", pid: this.process.pid, instructions: rewritten });
    else if (this.known().length === 0) await this.calls.gate(false);
  }

  /** Puts the program's code back. @throws EngineError refused: some of it stays as it is, and does no harm */
  async restore(): Promise<void> {
    const { handle } = this.process;
    const sites = this.known();
    if (sites.length === 0) return;
    const changes = sites.flatMap((site): EntryChange[] => {
      const now = addon.readMemorySome(handle, site.address, site.original.length);
      // Never written, or its library has been unloaded.
      if (site.original.length === 0 || now.length < site.original.length) return [];
      if (now[0] !== 0xe9 || now.equals(site.original)) return [];
      return [{ address: site.address, expected: now, bytes: site.original, moves: [] }];
    });
    if (changes.length > 0) await this.install(changes);
    for (const { number } of sites) await this.calls.forgetSite(number);
    await this.calls.gate(false);
  }

  private known(): readonly Site[] {
    return readSites(this.process.handle, this.runtime).filter((s) => s.known);
  }

  private hotSince({ seen, impossible }: HotHistory): bigint[] {
    const found: { at: bigint; count: number }[] = [];
    for (const [at, count] of readHot(this.process.handle, this.runtime)) {
      const before = seen.get(at) ?? 0;
      seen.set(at, count);
      const since = count >= before ? count - before : count;
      if (since >= worthIt && !impossible.has(at)) found.push({ at, count: since });
    }
    return found.sort((a, b) => b.count - a.count).map(({ at }) => at);
  }

  private async rewriteOne(at: bigint): Promise<boolean> {
    const candidate = this.candidateAt(at);
    if (candidate === null) return false;
    const place = this.placeFor(candidate);
    if (place === null) return false;
    try {
      const stub = place.stub ?? (await this.newStub(candidate));
      const entry = this.calls.symbol("polus_site_entry");
      const planned = planStub(candidate.store, stub, { entry, site: place.site.entry });
      if (planned === null) return false;
      return await this.put(candidate.store, place.site, stub, planned);
    } catch (error) {
      if (error instanceof EngineError && this.process.alive) return false;
      throw error;
    }
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
      writeSite(handle, site.entry, planned.plan);
      addon.faultPoint();
      await this.install([planned.change]);
      return true;
    } finally {
      const now = addon.readMemorySome(handle, store.address, planned.plan.original.length);
      if (now.equals(planned.plan.original)) await this.calls.forgetSite(number);
    }
  }

  private install(changes: readonly EntryChange[]): Promise<unknown> {
    return onMember(this.process, async () => {
      await awaitSoleUse(this.process, this.onEvent);
      return addon.tracerInstall(this.tracer, this.process.handle, changes, windowLimitUs);
    });
  }

  /** The store's code, if it is the file's, or one of our images'. */
  private candidateAt(at: bigint): Candidate | null {
    const module = this.process.modules.find((m) => at >= m.info.start && at < m.info.end);
    if (module !== undefined) return this.inModule(module, at);
    const image = this.process
      .record()
      .images.find(({ base, size }) => at >= base && at < base + size);
    return image === undefined || image.digest === this.runtime.digest
      ? null
      : this.inImage(image, at);
  }

  private inModule(module: LoadedModule, at: bigint): Candidate | null {
    const text = module.info.text.find((range) => at >= range.start && at < range.end);
    if (text === undefined) return null;
    const next = addon.nextFunctionStart(module.handle, at);
    const end = next > at && next < text.end ? next : text.end;
    const length = Number(end - at) < codeLength ? Number(end - at) : codeLength;
    const code = addon.fileBytes(module.handle, at, length);
    // Redirected functions begin with jumps of ours.
    if (!addon.readMemorySome(this.process.handle, at, length).equals(code)) return null;
    const isJumpFree = (from: bigint, to: bigint): boolean =>
      addon.branchesInto(module.handle, [{ start: from, end: to }]).length === 0;
    return {
      store: { address: at, code, isJumpFree },
      start: module.info.start,
      end: module.info.end,
    };
  }

  /** What jumps where in a patch is not known: its store must be as long as the jump. */
  private inImage({ base, size }: ImageRecord, at: bigint): Candidate {
    const most = Number(base + size - at);
    const code = addon.readMemorySome(
      this.process.handle,
      at,
      most < codeLength ? most : codeLength,
    );
    return {
      store: { address: at, code, isJumpFree: () => false },
      start: base,
      end: base + size,
    };
  }

  /**
   * A place in the table, with a stub where one can be used. A thread may still be on its way out of any
   * stub that was ever used: it serves the same instruction again, and no other.
   */
  private placeFor(candidate: Candidate): { site: Site; stub: bigint | null } | null {
    const sites = readSites(this.process.handle, this.runtime);
    const { address } = candidate.store;
    if (sites.some((s) => s.known && s.address === address)) return null;
    const again = sites.find((s) => !s.known && s.stub !== 0n && s.address === address);
    if (again !== undefined) return { site: again, stub: again.stub };
    const fresh = sites.find((s) => s.stub === 0n);
    if (fresh === undefined) return null;
    const taken = new Set(sites.map((s) => s.stub));
    const near = sites.find((s) => {
      const distance = s.stub > address ? s.stub - address : address - s.stub;
      return s.stub !== 0n && distance < reach;
    });
    if (near === undefined) return { site: fresh, stub: null };
    const page = near.stub & ~(pageSize - 1n);
    for (let stub = page; stub < page + pageSize; stub += stubSize) {
      if (!taken.has(stub)) return { site: fresh, stub };
    }
    return { site: fresh, stub: null };
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
