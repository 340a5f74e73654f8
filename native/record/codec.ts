/** The record as JSON, and back from what a target claims it to be. */
import type { ChainEntry } from "../hooks/chain.js";
import { hooksPerArena, planesPerArena } from "../hooks/arena.js";
import { highestLevel } from "../hooks/chain.js";
import { jumpLength, mostSkipped, shortJumpLength } from "../hooks/entries.js";
import type {
  ArenaRecord,
  DataRecord,
  HookRecord,
  ImageRecord,
  ItemRecord,
  PatchRecord,
  PendingRollback,
  RepairRecord,
  RuntimeRecord,
  TargetRecord,
  UpdateRecord,
} from "./record.js";

const format = 5;
const mostItems = 100_000;
/** POLUS_MOST_SETS of the runtime. */
const mostSets = 64;
const longestText = 4096;
/** Bytes that one repair may hold. */
const longestRepair = 4096;

function hex(value: bigint): string {
  return value.toString(16);
}

function encodeData({ set, items }: DataRecord): unknown {
  return [
    set,
    items.map(({ name, global: g, words }) => [
      name,
      g === null ? null : [hex(g.old), g.oldSize, hex(g.new), g.newSize],
      words.map(hex),
    ]),
  ];
}

export function encodeRecord(record: TargetRecord): Buffer {
  const json = {
    format,
    arenas: record.arenas.map((a) => [a.module, hex(a.moduleStart), hex(a.base), a.planes]),
    hooks: record.hooks.map((h) => [
      h.arena,
      h.index,
      h.function,
      hex(h.address),
      h.size,
      h.skipped,
      h.relay === null ? null : hex(h.relay),
      h.original.toString("hex"),
      h.jump.toString("hex"),
      h.unless,
      h.chain.map((c) => [c.number, hex(c.target)]),
      h.plane,
      h.planes,
    ]),
    images: record.images.map((i) => [i.digest, hex(i.base), hex(i.size), i.previous.map(hex)]),
    updates: record.updates.map((u) => ({
      name: u.name,
      description: u.description,
      script: u.scriptDigest,
      scope: u.scope,
      at: u.appliedAt,
      points: u.points.map((p) => [p.name, p.position]),
      patches: u.patches.map((p) => [
        p.name,
        p.digest,
        p.level,
        p.functions.map((f) => [f.hook, hex(f.target), f.size]),
        p.data === null ? null : encodeData(p.data),
      ]),
      repairs: u.repairs.map((r) => [
        r.patch,
        r.taint,
        hex(r.address),
        r.before.toString("hex"),
        r.after.toString("hex"),
        ...(r.announced ? [true] : []),
      ]),
      run: [u.run.id, u.run.finished, u.run.injector, hex(u.run.injectorStart), u.run.before],
    })),
    pending:
      record.pending === null
        ? null
        : [record.pending.id, record.pending.selector, record.pending.update, record.pending.point],
    runtime:
      record.runtime === null
        ? null
        : [record.runtime.digest, record.runtime.symbols.map((s) => [s.name, hex(s.address)])],
  };
  return Buffer.from(JSON.stringify(json), "utf8");
}

/** What a decoder throws; the caller says RECORD_DAMAGED. */
export class DamagedRecord extends Error {}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length > mostItems)
    throw new DamagedRecord(`${what} is not a list`);
  return value;
}

function text(value: unknown, what: string): string {
  if (typeof value !== "string" || value.length > longestText)
    throw new DamagedRecord(`${what} is not a text`);
  return value;
}

function count(value: unknown, what: string, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most)
    throw new DamagedRecord(`${what} is not a number up to ${most}`);
  return value;
}

function word(value: unknown, what: string): bigint {
  if (typeof value !== "string" || !/^[0-9a-f]{1,16}$/.test(value))
    throw new DamagedRecord(`${what} is not a word`);
  return BigInt(`0x${value}`);
}

function address(value: unknown, what: string): bigint {
  const raw = word(value, what);
  if (raw >= 1n << 47n) throw new DamagedRecord(`${what} is not a user-space address`);
  return raw;
}

function bytes(value: unknown, what: string, most: number): Buffer {
  if (
    typeof value !== "string" ||
    value.length % 2 !== 0 ||
    value.length > most * 2 ||
    !/^[0-9a-f]*$/.test(value)
  ) {
    throw new DamagedRecord(`${what} is not bytes`);
  }
  return Buffer.from(value, "hex");
}

function digest(value: unknown, what: string): string {
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value))
    throw new DamagedRecord(`${what} is not a digest`);
  return value;
}

function members(value: unknown, what: string): { readonly [name: string]: unknown } {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new DamagedRecord(`${what} is not an object`);
  return Object.fromEntries(Object.entries(value));
}

function decodeArena(value: unknown): ArenaRecord {
  const [module, start, base, planes] = list(value, "an arena");
  const at = address(base, "an arena's base");
  if (at % (1n << 24n) !== 0n) throw new DamagedRecord("an arena is not aligned");
  return {
    module: text(module, "an arena's module"),
    moduleStart: address(start, "a module's start"),
    base: at,
    planes: list(planes, "planes").map((p) => count(p, "a plane", planesPerArena - 1)),
  };
}

function decodeHook(value: unknown, arenas: number): HookRecord {
  const fields = list(value, "a hook");
  const [arena, index, name, at, size, skipped, relay, original, jump, unless] = fields;
  const [chain, plane, planes] = fields.slice(10);
  const hook: HookRecord = {
    arena: count(arena, "a hook's arena", arenas - 1),
    index: count(index, "a hook's index", hooksPerArena - 1),
    function: text(name, "a hook's function"),
    address: address(at, "a hook's address"),
    size: count(size, "a function's size", 2 ** 31),
    skipped: count(skipped, "a hook's distance", mostSkipped),
    relay: relay === null ? null : address(relay, "a hook's relay"),
    original: bytes(original, "original bytes", 16),
    jump: bytes(jump, "a jump", 16),
    unless: unless === null ? null : count(unless, "a hook's bits", 2 ** 31 - 1),
    chain: list(chain, "a chain").map((entry): ChainEntry => {
      const [number, target] = list(entry, "a chain's entry");
      return {
        number: count(number, "a level", highestLevel),
        target: address(target, "a chain's target"),
      };
    }),
    plane: count(plane, "a hook's plane", planesPerArena - 1),
    planes: list(planes, "planes").map((p) => count(p, "a plane", planesPerArena - 1)),
  };
  const length = hook.relay === null ? jumpLength : shortJumpLength;
  if (hook.original.length !== length || hook.jump.length !== length)
    throw new DamagedRecord("a hook's bytes do not fit");
  return hook;
}

function decodeImage(value: unknown): ImageRecord {
  const [sum, base, size, previous] = list(value, "an image");
  return {
    digest: digest(sum, "an image's digest"),
    base: address(base, "an image's base"),
    size: address(size, "an image's size"),
    previous: list(previous, "an image's functions").map((p) => address(p, "a function")),
  };
}

function decodePatch(value: unknown, hooks: number): PatchRecord {
  const [name, sum, level, functions, data] = list(value, "a patch");
  return {
    name: text(name, "a patch's name"),
    digest: digest(sum, "a patch's digest"),
    level: level === null ? null : count(level, "a level", highestLevel),
    functions: list(functions, "functions").map((entry) => {
      const [hook, target, size] = list(entry, "a function");
      return {
        hook: count(hook, "a function's hook", hooks - 1),
        target: address(target, "a function's target"),
        size: count(size, "a function's size", 2 ** 31),
      };
    }),
    data: data === null ? null : decodeData(data),
  };
}

function decodeData(value: unknown): DataRecord {
  const [set, items] = list(value, "data");
  return {
    set: set === null ? null : count(set, "a set", mostSets - 1),
    items: list(items, "data items").map((entry): ItemRecord => {
      const [name, global, words] = list(entry, "a data item");
      return {
        name: text(name, "a data item's name"),
        global: decodeGlobal(global),
        words: list(words, "words").map((w) => address(w, "a word's address")),
      };
    }),
  };
}

function decodeGlobal(value: unknown): ItemRecord["global"] {
  if (value === null) return null;
  const [old, oldSize, fresh, newSize] = list(value, "a global");
  return {
    old: address(old, "a global's address"),
    oldSize: count(oldSize, "a global's size", 2 ** 31),
    new: address(fresh, "a global's address"),
    newSize: count(newSize, "a global's size", 2 ** 31),
  };
}

function decodeRuntime(value: unknown): RuntimeRecord | null {
  if (value === null) return null;
  const [sum, symbols] = list(value, "the runtime");
  return {
    digest: digest(sum, "the runtime's digest"),
    symbols: list(symbols, "symbols").map((entry) => {
      const [name, at] = list(entry, "a symbol");
      return { name: text(name, "a symbol's name"), address: address(at, "a symbol's address") };
    }),
  };
}

function decodeRepair(value: unknown, patches: number): RepairRecord {
  const [patch, taint, at, before, after, announced = false] = list(value, "a repair");
  if (typeof announced !== "boolean") throw new DamagedRecord("a repair's state is no truth value");
  const repair = {
    patch: count(patch, "a repair's patch", patches - 1),
    taint: text(taint, "a taint's name"),
    address: address(at, "a repair's address"),
    before: bytes(before, "what a repair found", longestRepair),
    after: bytes(after, "what a repair wrote", longestRepair),
    announced,
  };
  if (repair.before.length !== repair.after.length || repair.after.length === 0)
    throw new DamagedRecord("a repair's bytes do not fit");
  return repair;
}

function decodeUpdate(value: unknown, hooks: number): UpdateRecord {
  const u = members(value, "an update");
  const [id, finished, injector, injectorStart, before] = list(u["run"], "a run");
  if (typeof finished !== "boolean") throw new DamagedRecord("a run's end is not a truth value");
  if (u["scope"] !== "process" && u["scope"] !== "tree")
    throw new DamagedRecord("a scope is unknown");
  const patches = list(u["patches"], "patches").map((p) => decodePatch(p, hooks));
  return {
    name: text(u["name"], "an update's name"),
    description: text(u["description"], "a description"),
    scriptDigest: text(u["script"], "a script's digest"),
    scope: u["scope"],
    appliedAt: text(u["at"], "a time"),
    points: list(u["points"], "points").map((entry) => {
      const [name, position] = list(entry, "a point");
      return {
        name: text(name, "a point's name"),
        position: count(position, "a point's position", mostItems),
      };
    }),
    patches,
    repairs: list(u["repairs"], "repairs").map((r) => decodeRepair(r, patches.length)),
    run: {
      id: text(id, "a run's id"),
      finished,
      injector: count(injector, "an injector", 2 ** 31),
      injectorStart: word(injectorStart, "an injector's start"),
      before: count(before, "a selector", highestLevel),
    },
  };
}

function decodePending(value: unknown): PendingRollback | null {
  if (value === null) return null;
  const [id, selector, update, point] = list(value, "a rollback");
  return {
    id: text(id, "a rollback's id"),
    selector: count(selector, "a selector", highestLevel),
    update: text(update, "an update's name"),
    point: text(point, "a point's name"),
  };
}

/** @throws DamagedRecord */
export function decodeRecord(json: Buffer): TargetRecord {
  let value: unknown;
  try {
    value = JSON.parse(json.toString("utf8"));
  } catch {
    throw new DamagedRecord("it is not JSON");
  }
  const top = members(value, "the record");
  if (top["format"] !== format)
    throw new DamagedRecord("its format is unknown (written by another version of polus)");
  const arenas = list(top["arenas"], "arenas").map(decodeArena);
  const hooks = list(top["hooks"], "hooks").map((h) => decodeHook(h, arenas.length));
  return {
    arenas,
    hooks,
    images: list(top["images"], "images").map(decodeImage),
    updates: list(top["updates"], "updates").map((u) => decodeUpdate(u, hooks.length)),
    pending: decodePending(top["pending"]),
    runtime: decodeRuntime(top["runtime"]),
  };
}
