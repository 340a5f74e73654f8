/** Names and types of a program or patch that nobody runs. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addon } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import type { ProgramNames } from "../inspection.js";
import { messageOf, type LoadedModule } from "../process/modules.js";
import { ModuleNames } from "./names.js";

/**
 * A program on disk, at the addresses it is linked for.
 * @throws EngineError refused WRONG_ARCHITECTURE
 */
export function openProgramFile(path: string): LoadedModule {
  try {
    const first = addon.openModule(path, { loadAddress: 0n });
    const info = addon.moduleInfo(first);
    const handle = addon.openModule(path, { loadAddress: info.start - info.bias });
    return { handle, info: addon.moduleInfo(handle), path, isExecutable: true };
  } catch (error) {
    throw new EngineError(
      "WRONG_ARCHITECTURE",
      "refused",
      `${path} cannot be read as a program: ${messageOf(error)}`,
      { subject: path },
    );
  }
}

/** Where the dynamic loader looks without being told (ld.so(8)), Debian's multi-arch folders first. */
const libraryFolders = [
  "/lib/x86_64-linux-gnu",
  "/usr/lib/x86_64-linux-gnu",
  "/lib64",
  "/usr/lib64",
  "/lib",
  "/usr/lib",
];

/**
 * The libraries that a program on disk will be started with, in the loader's order, as far as they
 * lie in the loader's own folders. Others are known once a process runs.
 */
function neededLibraries(executable: LoadedModule): readonly LoadedModule[] {
  const found: LoadedModule[] = [];
  const seen = new Set<string>();
  const queue = [...executable.info.needed];
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const path = libraryFolders.map((folder) => join(folder, name)).find((one) => existsSync(one));
    if (path === undefined) continue;
    const library = { ...openProgramFile(path), isExecutable: false };
    found.push(library);
    queue.push(...library.info.needed);
  }
  return found;
}

/** @throws EngineError refused WRONG_ARCHITECTURE */
export function namesOfFile(path: string): ProgramNames {
  const executable = openProgramFile(path);
  const modules = [executable, ...neededLibraries(executable)];
  return new ModuleNames(() => modules, null);
}

/** @throws EngineError refused WRONG_ARCHITECTURE */
export function namesOfPatch(bytes: Uint8Array): ProgramNames {
  // elfutils reads files; this one is gone as soon as it is read.
  const folder = mkdtempSync(join(tmpdir(), "polus-patch-"));
  try {
    const path = join(folder, "patch.so");
    writeFileSync(path, bytes, { mode: 0o600 });
    const module = openProgramFile(path);
    const names = new ModuleNames(() => [module], null);
    // Reads the debug information while the file is there.
    names.complete("type", "", 1);
    return names;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
