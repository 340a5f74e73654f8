/** The ELF files that a process has mapped, in the dynamic loader's order. */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { addon, type ModuleHandle, type ModuleInfo, type TargetHandle } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import { readExe, readMaps, type MapEntry } from "./proc.js";

export interface LoadedModule {
  readonly handle: ModuleHandle;
  readonly info: ModuleInfo;
  /** As the process names it. */
  readonly path: string;
  readonly isExecutable: boolean;
}

const dtNull = 0n;
const dtDebug = 21n;
const mostDynamicEntries = 512;
const mostLinkMaps = 4096;

/** One object in a process: consecutive mappings of one file, from offset 0 on. */
function groupByFile(maps: readonly MapEntry[]): { first: MapEntry; executable: boolean }[] {
  const groups: { first: MapEntry; executable: boolean }[] = [];
  const open = new Map<string, { first: MapEntry; executable: boolean }>();
  for (const map of maps) {
    if (map.inode === 0) continue;
    const key = `${map.device}:${map.inode}`;
    let group = open.get(key);
    // The same file again from its beginning is a further instance of it.
    if (group === undefined || (map.offset === 0n && group.executable)) {
      group = { first: map, executable: false };
      open.set(key, group);
      groups.push(group);
    }
    if (map.permissions.includes("x")) group.executable = true;
  }
  return groups.filter((group) => group.executable);
}

/** A path under which we can open what is mapped there, also when its name is gone or another file's now. */
function openablePath(pid: number, map: MapEntry): string {
  const mapFile = `/proc/${pid}/map_files/${map.start.toString(16)}-${map.end.toString(16)}`;
  if (existsSync(mapFile)) return mapFile;
  return `/proc/${pid}/root${map.path}`;
}

/** Addresses of _DYNAMIC in the loader's order; empty for static programs or before start-up. */
function linkMapOrder(target: TargetHandle, executable: ModuleInfo): bigint[] {
  if (executable.dynamicSection === null) return [];
  const section = addon.readMemorySome(target, executable.dynamicSection, mostDynamicEntries * 16);
  let debug = 0n;
  for (let at = 0; at + 16 <= section.length; at += 16) {
    const tag = section.readBigUInt64LE(at);
    if (tag === dtNull) break;
    if (tag === dtDebug) debug = section.readBigUInt64LE(at + 8);
  }
  const order: bigint[] = [];
  if (debug === 0n) return order;
  // struct r_debug: version, then the first link_map (link.h).
  const head = addon.readMemorySome(target, debug, 16);
  if (head.length < 16) return order;
  let next = head.readBigUInt64LE(8);
  for (let count = 0; next !== 0n && count < mostLinkMaps; count++) {
    // l_addr, l_name, l_ld, l_next
    const link = addon.readMemorySome(target, next, 32);
    if (link.length < 32) break;
    order.push(link.readBigUInt64LE(16));
    next = link.readBigUInt64LE(24);
  }
  return order;
}

/** Modules that processes of one family share: opened once. */
export type ModuleCache = Map<string, ModuleHandle>;

/**
 * Modules of a process: the executable first, then in the loader's order, then others.
 * @throws EngineError refused: PERMISSION, WRONG_ARCHITECTURE, TARGET_GONE
 */
export function loadedModules(
  pid: number,
  target: TargetHandle,
  cache: ModuleCache = new Map(),
): LoadedModule[] {
  const exe = readExe(pid);
  const maps = readMaps(pid);
  const modules: LoadedModule[] = [];
  for (const group of groupByFile(maps)) {
    const isExecutable =
      exe !== null && group.first.path === exe.path && modules.every((m) => !m.isExecutable);
    const path = isExecutable ? `/proc/${pid}/exe` : openablePath(pid, group.first);
    const key = `${group.first.device}:${group.first.inode}@${group.first.start}`;
    let handle: ModuleHandle;
    try {
      handle =
        cache.get(key) ??
        addon.openModule(path, { loadAddress: group.first.start, root: `/proc/${pid}/root` });
      cache.set(key, handle);
    } catch (error) {
      if (!isExecutable) continue; // mapped executable, but no ELF file
      throw new EngineError(
        "PERMISSION",
        "refused",
        `the executable of process ${pid} cannot be read: ${messageOf(error)}`,
        { pid },
      );
    }
    modules.push({ handle, info: addon.moduleInfo(handle), path: group.first.path, isExecutable });
  }
  const executable = modules.find((m) => m.isExecutable);
  if (executable === undefined) {
    throw new EngineError("TARGET_GONE", "refused", `process ${pid} has no executable mapped`, {
      pid,
    });
  }
  if (executable.info.elfClass !== 64 || executable.info.machine !== 62) {
    throw new EngineError(
      "WRONG_ARCHITECTURE",
      "refused",
      `process ${pid} does not run an x86-64 program`,
      { pid },
    );
  }
  const order = linkMapOrder(target, executable.info);
  const rank = (module: LoadedModule): number => {
    if (module.isExecutable) return -1;
    const at = order.findIndex(
      (address) => address >= module.info.start && address < module.info.end,
    );
    return at < 0 ? order.length : at;
  };
  return modules
    .map((m) => ({ m, r: rank(m) }))
    .sort((a, b) => a.r - b.r)
    .map(({ m }) => m);
}

/** True if `in "NAME"` means this library: its file name, soname or a suffix of its path. */
export function libraryIsNamed(module: LoadedModule, name: string): boolean {
  if (module.info.soname === name || basename(module.path) === name) return true;
  return (
    name.includes("/") &&
    (module.path === name || module.path.endsWith(name.startsWith("/") ? name : `/${name}`))
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of an error of the addon, `null` for others. */
export function codeOf(error: unknown): string | null {
  if (error instanceof Error && "code" in error && typeof error.code === "string")
    return error.code;
  return null;
}
