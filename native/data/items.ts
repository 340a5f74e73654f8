/** The data items of a patch in one process, worked out before the first byte is written. */
import type { PatchObject, PlainField, TargetHandle } from "../addon/addon.js";
import type { CType } from "../ctypes.js";
import {
  EngineError,
  type DataRequest,
  type FunctionName,
  type PatchRequest,
  type ProgramNames,
} from "../engine.js";
import { definedAt } from "../image/layout.js";
import { ModuleNames } from "../inspect/names.js";
import { namesOfPatch } from "../inspect/program_file.js";
import type { LoadedModule } from "../process/modules.js";
import type { MapEntry } from "../process/proc.js";
import { isRolledBack, type ItemRecord, type TargetRecord } from "../record/record.js";
import { findFunction } from "../resolve/functions.js";
import type { IndirectFunctions } from "../resolve/ifunc.js";
import { identityInside } from "./identity.js";
import { plainFields } from "./plain_fields.js";

export interface PlannedItem {
  readonly name: string;
  /** Bytes. */
  readonly oldSize: number;
  readonly newSize: number;
  readonly forward: bigint;
  readonly backward: bigint;
  /** What each of the two merely copies. */
  readonly plain: {
    readonly forward: readonly PlainField[];
    readonly backward: readonly PlainField[];
  };
  readonly objects:
    | { readonly kind: "pair"; readonly old: bigint; readonly new: bigint }
    | { readonly kind: "each"; readonly each: bigint; readonly function: string };
  /** Where the item's number is to be written; see follow.ts. */
  readonly words: readonly bigint[];
}

/** The items of one patch: they become coherent, and are let go, together. */
export interface PlannedSet {
  readonly patch: string;
  readonly items: readonly PlannedItem[];
}

/** As the record keeps them. */
export function itemRecords(items: readonly PlannedItem[]): readonly ItemRecord[] {
  return items.map(({ name, oldSize, newSize, objects, words }) => ({
    name,
    words,
    global:
      objects.kind === "pair" ? { old: objects.old, oldSize, new: objects.new, newSize } : null,
  }));
}

function refuse(code: string, subject: string, message: string, help?: string): EngineError {
  return new EngineError(code, "refused", message, {
    subject,
    ...(help === undefined ? {} : { help }),
  });
}

/** Where items are looked for: a process, or a program on disk, of which there are no mappings. */
export interface Surroundings {
  readonly modules: readonly LoadedModule[];
  readonly handle: TargetHandle | null;
  readonly indirect: IndirectFunctions | null;
  readonly maps: readonly MapEntry[] | null;
}

export class ItemPlanner {
  private readonly program: ProgramNames;
  private readonly patchNames = new Map<string, ProgramNames>();
  private readonly taken: { name: string; start: bigint; end: bigint }[] = [];

  constructor(
    private readonly place: Surroundings,
    private readonly record: TargetRecord,
  ) {
    this.program = new ModuleNames(() => place.modules, place.indirect);
  }

  /**
   * @param base where the patch's image lies or is to lie
   * @throws EngineError refused or invalid
   */
  plan(patch: PatchRequest, object: PatchObject, base: bigint): readonly PlannedItem[] {
    return patch.data.map((item) => this.item(patch, object, base, item));
  }

  private item(
    patch: PatchRequest,
    object: PatchObject,
    base: bigint,
    item: DataRequest,
  ): PlannedItem {
    const { name, objects } = item;
    this.checkIdentities(patch, item);
    const inPatch = (wanted: string): bigint => {
      const at = definedAt(object, wanted, base);
      if (at !== null) return at;
      throw new EngineError(
        "PATCH_LACKS_FUNCTION",
        "invalid",
        `${patch.path} defines no ${wanted}`,
        {
          subject: wanted,
          candidates: object.symbols
            .filter((s) => s.defined && s.kind === "func")
            .map((s) => s.name),
        },
      );
    };
    const forward = inPatch(item.forward);
    const backward = inPatch(item.backward);
    const plain = {
      forward: plainFields(patch.bytes, object, forward - base),
      backward: plainFields(patch.bytes, object, backward - base),
    };
    const common = { name, forward, backward, plain };
    if (objects.kind === "each") {
      const size = objects.size(this.program, this.namesOf(patch));
      for (const bytes of [size.old, size.new]) {
        if (!Number.isInteger(bytes) || bytes <= 0)
          throw refuse(
            "DATA_SIZE",
            name,
            `objects of data item ${name} cannot have ${bytes} bytes`,
          );
      }
      const each = this.functionOf(object, base, objects.each);
      return {
        ...common,
        oldSize: size.old,
        newSize: size.new,
        objects: { kind: "each", each, function: objects.each.name },
        words: [],
      };
    }
    const fresh = this.newGlobal(patch, object, objects.new);
    const old = this.oldGlobal(item);
    this.checkWritable(name, old.address, old.size);
    this.claim(name, old.address, old.size);
    return {
      ...common,
      oldSize: old.size,
      newSize: fresh.size,
      objects: { kind: "pair", old: old.address, new: base + fresh.address },
      words: [],
    };
  }

  /** A function of the patch or, if that has none, of the program. */
  functionOf(object: PatchObject, base: bigint, { name, scope }: FunctionName): bigint {
    const own = scope === undefined ? definedAt(object, name, base) : null;
    if (own !== null) return own;
    const wanted = { function: name, ...(scope === undefined ? {} : { scope }) };
    return findFunction(this.place.modules, wanted).address;
  }

  private newGlobal(
    patch: PatchRequest,
    object: PatchObject,
    name: string,
  ): { readonly address: bigint; readonly size: number } {
    const symbol = object.symbols.find((s) => s.defined && s.name === name && s.kind === "object");
    const isWritable = object.segments.some(
      (s) =>
        s.write &&
        symbol !== undefined &&
        symbol.address >= s.address &&
        symbol.address < s.address + BigInt(s.memorySize),
    );
    if (symbol !== undefined && symbol.size > 0 && isWritable) return symbol;
    const why = symbol === undefined ? "defines no variable" : "has no writable variable";
    throw new EngineError("PATCH_LACKS_OBJECT", "invalid", `${patch.path} ${why} ${name}`, {
      subject: name,
      candidates: object.symbols.filter((s) => s.defined && s.kind === "object").map((s) => s.name),
    });
  }

  /** The program's global or, where an update has changed it already, that update's. */
  private oldGlobal(item: DataRequest): { readonly address: bigint; readonly size: number } {
    const { name } = item;
    const { scope, function: host } =
      item.objects.kind === "global" ? item.objects : { scope: undefined, function: undefined };
    const stacked = this.record.updates
      .filter((u) => !isRolledBack(u))
      .flatMap((u) => u.patches)
      .filter((p) => p.level !== null)
      .sort((a, b) => (b.level ?? 0) - (a.level ?? 0))
      .flatMap((p) => p.data?.items ?? [])
      .find((known) => known.name === name && known.global !== null)?.global;
    if (stacked !== null && stacked !== undefined)
      return { address: stacked.new, size: stacked.newSize };
    const entity = this.program.entity({
      name: host === undefined ? name : name.slice(`${host}::`.length),
      ...(host === undefined ? {} : { function: host }),
      ...(scope === undefined ? {} : { place: scope }),
    });
    if (entity.kind !== "variable")
      throw refuse("DATA_NOT_A_VARIABLE", name, `${name} is no variable of the program`);
    if (entity.storage.kind !== "static")
      throw refuse(
        "DATA_NOT_A_VARIABLE",
        name,
        entity.storage.kind === "tls"
          ? `${name} is thread-local: each thread has one of its own`
          : `${name} has no place in memory: the compiler optimised it away`,
      );
    const { size } = entity;
    if (size === null || size === 0)
      throw refuse(
        "DATA_SIZE",
        name,
        `how large ${name} is cannot be told: its symbol has no size`,
      );
    if (entity.type !== null) this.checkIdentity(name, entity.type);
    return { address: entity.storage.address, size };
  }

  private checkWritable(name: string, at: bigint, size: number): void {
    const end = at + BigInt(size);
    // What is guarded at the moment was writable before; the runtime knows.
    const isGuarded = (m: MapEntry): boolean =>
      this.record.runtime !== null && m.permissions === "r--s" && m.path.startsWith("/dev/zero");
    const maps = this.place.maps?.filter((m) => m.start < end && m.end > at);
    if (maps === undefined || maps.some(isGuarded)) return;
    const isShared = maps.some((m) => m.permissions.endsWith("s"));
    const covered = maps.reduce(
      (sum, m) => sum + (m.end < end ? m.end : end) - (m.start > at ? m.start : at),
      0n,
    );
    if (isShared)
      throw refuse(
        "DATA_SHARED",
        name,
        `${name} lies in memory that is shared with other processes`,
        "its versions would have to be kept coherent in all of them at once, which cannot be done",
      );
    const isWritable = maps.every((m) => m.permissions.startsWith("rw"));
    if (!isWritable || covered !== BigInt(size))
      throw refuse(
        "DATA_NOT_WRITABLE",
        name,
        `${name} lies in memory that the program cannot write`,
        "a constant needs no data item: replace the functions that read it",
      );
  }

  private claim(name: string, start: bigint, size: number): void {
    const end = start + BigInt(size);
    const other = this.taken.find((t) => t.start < end && t.end > start);
    if (other !== undefined)
      throw refuse("DATA_OVERLAPS", name, `data items ${other.name} and ${name} overlap`);
    this.taken.push({ name, start, end });
  }

  private namesOf(patch: PatchRequest): ProgramNames {
    const names = this.patchNames.get(patch.digest) ?? namesOfPatch(patch.bytes);
    this.patchNames.set(patch.digest, names);
    return names;
  }

  /** By what the patch's own functions take. */
  private checkIdentities(patch: PatchRequest, item: DataRequest): void {
    const names = this.namesOf(patch);
    if (!names.hasTypes) return;
    for (const wanted of [item.forward, item.backward]) {
      let type: CType | null;
      try {
        type = names.entity({ name: wanted }).type;
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        continue; // that the patch lacks it is told elsewhere
      }
      if (type?.kind !== "function") continue;
      for (const parameter of type.parameters) {
        if (parameter.type.kind === "pointer") this.checkIdentity(item.name, parameter.type.target);
      }
    }
  }

  private checkIdentity(name: string, type: CType): void {
    const found = identityInside(type);
    if (found === null) return;
    const place = found.member === "" ? name : `${name} (${found.member})`;
    throw refuse(
      "DATA_HAS_IDENTITY",
      name,
      `data item ${place} holds ${found.what}, of which there cannot be two copies`,
      "keep it out of the item: let the new version use the old one's by a pointer",
    );
  }
}
