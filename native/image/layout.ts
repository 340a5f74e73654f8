/** Lays a patch object out in the target: segments, protections, relocated contents. */
import { addon, type PatchObject, type PatchSegment, type TargetHandle } from "../addon/addon.js";
import { EngineError, type PatchRequest } from "../engine.js";
import { pageSize, pageUp } from "../hooks/placement.js";
import type { LoadedModule } from "../process/modules.js";
import { codeOf, messageOf } from "../process/modules.js";
import type { ImportResolver } from "../resolve/imports.js";
import { tlsModuleId, tlsThreadOffset } from "../resolve/tls.js";

/** A mapping of an image, page aligned. Never writable and executable. */
export interface ImageMapping {
  readonly start: bigint;
  readonly size: bigint;
  readonly write: boolean;
  readonly execute: boolean;
}

export interface ImageContents {
  readonly start: bigint;
  readonly bytes: Buffer;
}

const machineX86_64 = 62;
const largestImage = 1n << 30n;

const r = {
  none: 0,
  r64: 1,
  pc32: 2,
  plt32: 4,
  globDat: 6,
  jumpSlot: 7,
  relative: 8,
  dtpmod64: 16,
  dtpoff64: 17,
  tpoff64: 18,
} as const;

function malformed(patch: PatchRequest, why: string): EngineError {
  return new EngineError(
    "PATCH_MALFORMED",
    "invalid",
    `${patch.path} is not a usable patch object: ${why}`,
    { subject: patch.path },
  );
}

/**
 * Reads and checks a patch object, as far as that needs no target.
 * @throws EngineError invalid: PATCH_MALFORMED, PATCH_WRONG_ARCHITECTURE, PATCH_HAS_TLS, PATCH_HAS_CONSTRUCTORS
 */
export function readPatch(patch: PatchRequest): PatchObject {
  let object: PatchObject;
  try {
    object = addon.readPatchObject(patch.bytes);
  } catch (error) {
    if (codeOf(error) === null) throw error;
    throw malformed(patch, messageOf(error));
  }
  const refuse = (code: string, why: string, help: string): never => {
    throw new EngineError(code, "invalid", `${patch.path} ${why}`, { subject: patch.path, help });
  };
  if (object.machine !== machineX86_64 || object.elfClass !== 64) {
    refuse(
      "PATCH_WRONG_ARCHITECTURE",
      `is for another machine (ELF machine ${object.machine}, ${object.elfClass} bits)`,
      "build it for x86-64",
    );
  }
  if (object.type !== "dyn")
    refuse("PATCH_MALFORMED", "is not a shared object", "link it with gcc -shared -fPIC");
  if (object.hasTls)
    refuse(
      "PATCH_HAS_TLS",
      "defines thread-local variables of its own",
      "use the program's, or a table keyed by thread",
    );
  if (object.constructors > 0)
    refuse(
      "PATCH_HAS_CONSTRUCTORS",
      "has constructors, which would have to run inside the stopped program",
      "initialise statically, or on first use",
    );
  if (object.segments.length === 0) throw malformed(patch, "it has no segments to load");
  for (const segment of object.segments) {
    if (segment.write && segment.execute)
      throw malformed(patch, "a segment is both writable and executable");
  }
  if (imageSize(object) > largestImage) throw malformed(patch, "it is larger than 1 GiB");
  return object;
}

/** Bytes from the image's base to its end, page aligned. */
export function imageSize(object: PatchObject): bigint {
  return object.segments.reduce((end, s) => {
    const top = pageUp(s.address + BigInt(s.memorySize));
    return top > end ? top : end;
  }, 0n);
}

/** Link-time range of a segment's pages. */
function pagesOf(segment: PatchSegment): { readonly start: bigint; readonly end: bigint } {
  return {
    start: segment.address & ~(pageSize - 1n),
    end: pageUp(segment.address + BigInt(segment.memorySize)),
  };
}

/** Mappings for an image at `base`. What is read-only after relocation (PT_GNU_RELRO) is so from the first. */
export function imageMappings(object: PatchObject, base: bigint): ImageMapping[] {
  const mappings: ImageMapping[] = [];
  const add = (start: bigint, end: bigint, write: boolean, execute: boolean): void => {
    if (end > start) mappings.push({ start: base + start, size: end - start, write, execute });
  };
  for (const segment of object.segments) {
    const { start, end } = pagesOf(segment);
    const relroEnd =
      object.relro === null
        ? 0n
        : (object.relro.address + BigInt(object.relro.size)) & ~(pageSize - 1n);
    const relroStart = object.relro === null ? 0n : object.relro.address & ~(pageSize - 1n);
    if (segment.write && relroStart >= start && relroEnd <= end && relroEnd > relroStart) {
      add(start, relroStart, true, false);
      add(relroStart, relroEnd, false, false);
      add(relroEnd, end, true, false);
    } else {
      add(start, end, segment.write, segment.execute);
    }
  }
  return mappings.sort((a, b) => (a.start < b.start ? -1 : 1));
}

/** Address of a name that the patch defines, at `base`; `null` if it defines no such function or object. */
export function definedAt(object: PatchObject, name: string, base: bigint): bigint | null {
  const inCode = (at: bigint): boolean =>
    object.segments.some(
      (s) => s.execute && at >= s.address && at < s.address + BigInt(s.memorySize),
    );
  const named = object.symbols.filter((s) => s.defined && s.name === name && inCode(s.address));
  const symbol = named.find((s) => s.binding !== "local") ?? named[0];
  return symbol === undefined ? null : base + symbol.address;
}

/**
 * Segment contents with all relocations applied.
 * @throws EngineError for imports that cannot be resolved, invalid PATCH_MALFORMED for unknown relocations
 */
export function relocate(
  patch: PatchRequest,
  object: PatchObject,
  base: bigint,
  modules: readonly LoadedModule[],
  target: TargetHandle,
  imports: ImportResolver,
): ImageContents[] {
  const contents = object.segments.map((s) => ({
    start: base + s.address,
    bytes: Buffer.concat([s.contents, Buffer.alloc(s.memorySize - s.contents.length)]),
  }));
  const write = (place: bigint, size: number, value: bigint): void => {
    const at = contents.find(
      (c) => place >= c.start && place + BigInt(size) <= c.start + BigInt(c.bytes.length),
    );
    if (at === undefined) throw malformed(patch, "a relocation lies outside its segments");
    const offset = Number(place - at.start);
    if (size === 8) at.bytes.writeBigUInt64LE(BigInt.asUintN(64, value), offset);
    else at.bytes.writeInt32LE(Number(BigInt.asIntN(32, value)), offset);
  };
  for (const relocation of object.relocations) {
    const place = base + relocation.address;
    const symbol = relocation.symbol < 0 ? null : (object.symbols[relocation.symbol] ?? null);
    const imported =
      symbol === null || symbol.defined || symbol.name === "" ? null : imports.resolve(symbol);
    const isTls =
      relocation.type === r.dtpmod64 ||
      relocation.type === r.dtpoff64 ||
      relocation.type === r.tpoff64;
    if (imported !== null && (imported.symbol.kind === "tls") !== isTls) {
      throw malformed(
        patch,
        `${symbol?.name ?? ""} is ${isTls ? "no thread-local variable" : "a thread-local variable"} in the target`,
      );
    }
    if (isTls && imported === null)
      throw malformed(patch, "a thread-local relocation names nothing of the program's");
    const value =
      symbol === null ? 0n : symbol.defined ? base + symbol.address : (imported?.value ?? 0n);
    switch (relocation.type) {
      case r.none:
        break;
      case r.r64:
        write(place, 8, value + relocation.addend);
        break;
      case r.globDat:
      case r.jumpSlot:
        write(place, 8, value);
        break;
      case r.relative:
        write(place, 8, base + relocation.addend);
        break;
      case r.pc32:
      case r.plt32: {
        const distance = value + relocation.addend - place;
        if (distance < -(1n << 31n) || distance >= 1n << 31n)
          throw malformed(
            patch,
            `it is not built with -fPIC (${symbol?.name ?? "?"} is out of reach)`,
          );
        write(place, 4, distance);
        break;
      }
      case r.dtpmod64:
        if (imported !== null) write(place, 8, tlsModuleId(modules, target, imported));
        break;
      case r.dtpoff64:
        if (imported !== null) write(place, 8, imported.value + relocation.addend);
        break;
      case r.tpoff64:
        if (imported !== null)
          write(place, 8, tlsThreadOffset(modules, target, imported) + relocation.addend);
        break;
      default:
        throw malformed(patch, `relocation type ${relocation.type} is not supported in a patch`);
    }
  }
  return contents;
}
