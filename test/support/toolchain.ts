/**
 * Builds C programs, libraries and patches for tests, once per content: results
 * are kept in a folder outside the repository, named by a hash of everything
 * that goes in.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/** What to build. */
export interface BuildRequest {
  /** Base name of the result, and so the process's name. */
  readonly name: string;
  /** Absolute paths (.c or .S). */
  readonly sources: readonly string[];
  /** Compiler and linker flags, complete but for `-o`. */
  readonly flags: readonly string[];
  /** Shared libraries to link against, by absolute path; the run path is set to their folders. */
  readonly libraries?: readonly string[];
}

/** Runs a tool to its end; throws with its standard error if it fails. */
export function runTool(tool: string, args: readonly string[]): string {
  const result = spawnSync(tool, args, { encoding: "utf8", timeout: 120_000 });
  if (result.error) throw result.error;
  if (result.status !== 0) {
    throw new Error(`${tool} ${args.join(" ")} failed:\n${result.stderr}${result.stdout}`);
  }
  return result.stdout;
}

/** Our own folder under the system's temporary one; nobody else may write into it. */
function ownCacheFolder(): string {
  const user = process.getuid?.() ?? 0;
  const folder = process.env["POLUS_TEST_CACHE"] ?? join(tmpdir(), `polus-test-cache-${user}`);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const found = lstatSync(folder);
  if (!found.isDirectory() || found.uid !== user || (found.mode & 0o022) !== 0) {
    throw new Error(`${folder} is not a folder of our own; set POLUS_TEST_CACHE`);
  }
  return folder;
}

const cacheFolder = ownCacheFolder();
const compilerVersion = runTool("gcc", ["--version"]);

/** Paths stand in the hash too: debug information holds them, and tests look at them. */
function contentHash(request: BuildRequest): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([compilerVersion, request.name, request.flags]));
  const headers = [...new Set(request.sources.map((source) => dirname(source)))].flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith(".h"))
      .map((file) => join(folder, file)),
  );
  for (const file of [...request.sources, ...headers, ...(request.libraries ?? [])]) {
    hash.update(`\0${file}\0`).update(readFileSync(file));
  }
  return hash.digest("hex").slice(0, 24);
}

/**
 * Makes `name` in a cached folder of its own by running `make` in a scratch
 * folder first, so that a build that fails or is interrupted leaves nothing.
 */
function cached(hash: string, name: string, make: (folder: string) => void): string {
  const folder = join(cacheFolder, hash);
  const result = join(folder, name);
  if (existsSync(result)) return result;
  const scratch = mkdtempSync(join(cacheFolder, "making-"));
  try {
    make(scratch);
    renameSync(scratch, folder);
  } catch (error) {
    rmSync(scratch, { recursive: true, force: true });
    // Another test process may have made the same at the same time.
    if (!existsSync(result)) throw error;
  }
  return result;
}

/** Compiles and links; returns the absolute path of the result. */
export function build(request: BuildRequest): string {
  return cached(contentHash(request), request.name, (folder) => {
    const libraries = request.libraries ?? [];
    runTool("gcc", [
      ...request.sources,
      "-o",
      join(folder, request.name),
      ...request.flags,
      ...libraries,
      ...libraries.map((library) => `-Wl,-rpath,${dirname(library)}`),
    ]);
  });
}

/** Writes generated source text where `build` can take it from; returns its path. */
export function generatedSource(name: string, text: string): string {
  const hash = createHash("sha256").update(name).update("\0").update(text).digest("hex");
  return cached(hash.slice(0, 24), name, (folder) => writeFileSync(join(folder, name), text));
}

/** How a program that is shipped stripped keeps its symbols. */
export type StripKind =
  /** Debug file beside it, named by `.gnu_debuglink`. */
  | "debuglink"
  /** Debug file in the folder `.debug` beside it. */
  | "debug-folder"
  /** No symbols anywhere but `.dynsym`. */
  | "bare";

/** A stripped copy of a program. */
export function stripped(program: string, kind: StripKind): string {
  const name = basename(program);
  const hash = createHash("sha256").update(kind).update(readFileSync(program)).digest("hex");
  return cached(hash.slice(0, 24), name, (folder) => {
    const copy = join(folder, name);
    copyFileSync(program, copy);
    if (kind === "bare") {
      runTool("strip", [copy]);
      return;
    }
    const debugFolder = kind === "debug-folder" ? join(folder, ".debug") : folder;
    mkdirSync(debugFolder, { recursive: true });
    const debugFile = join(debugFolder, `${name}.debug`);
    runTool("objcopy", ["--only-keep-debug", program, debugFile]);
    runTool("strip", [copy]);
    runTool("objcopy", [`--add-gnu-debuglink=${debugFile}`, copy]);
  });
}

/** A scratch folder that the caller removes. */
export function scratchFolder(): string {
  return mkdtempSync(join(cacheFolder, "scratch-"));
}

/** Build-id of an ELF file, lower-case hex; `null` without one. */
export function buildIdOf(file: string): string | null {
  return /Build ID: ([0-9a-f]+)/.exec(runTool("readelf", ["-n", file]))?.[1] ?? null;
}
