/**
 * Runs a build so that the commands by which it compiles are known: a folder of small scripts that
 * bear the compilers' names stands first in PATH; each writes down its arguments and becomes the
 * real compiler. No library is preloaded, and nothing but compilers is looked at.
 */
import { spawn } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, isAbsolute, join } from "node:path";
import { PatchgenError } from "../error.js";
import type { RecordedCall } from "./compile_database.js";

/** Drivers of compilers by the names under which distributions and cross tools have them. */
const compilerName = /^([\w.]+-)*(cc|gcc|c99|c89|clang|c\+\+|g\+\+|clang\+\+)(-[\d.]+)?$/;

/** What a failed build's message shows of its output, lines. */
const shownLines = 12;

export interface RecordRequest {
  /** The shell's command, run in `directory`. */
  readonly command: string;
  readonly directory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Ends the build early. */
  readonly cancel: AbortSignal;
}

/**
 * Builds and returns the compilers' calls, in the order in which they began.
 * @throws PatchgenError NO_COMPILER, BUILD_FAILED
 */
export async function recordBuild(request: RecordRequest): Promise<readonly RecordedCall[]> {
  const folder = await mkdtemp(join(tmpdir(), "polus-build-"));
  try {
    const records = join(folder, "calls");
    const wrappers = join(folder, "bin");
    await mkdir(records);
    await mkdir(wrappers);
    const path = request.environment["PATH"] ?? "/usr/bin:/bin";
    const compilers = findCompilers(path);
    if (compilers.size === 0) {
      throw new PatchgenError(
        "NO_COMPILER",
        "there is no C compiler in PATH",
        "install the one that the program is built with (Debian: apt-get install gcc libc6-dev)",
      );
    }
    for (const [name, real] of compilers) {
      const file = join(wrappers, name);
      await writeFile(file, wrapper(records, real));
      await chmod(file, 0o755);
    }
    await runBuild(request, `${wrappers}:${path}`, compilers);
    return await readRecords(records);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Names of compilers with the first file of that name in PATH. */
function findCompilers(path: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const folder of path.split(":").filter((entry) => isAbsolute(entry))) {
    let names: readonly string[];
    try {
      names = readdirSync(folder);
    } catch {
      continue;
    }
    for (const name of names) {
      if (!compilerName.test(name) || found.has(name)) continue;
      const file = join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        found.set(name, file);
      } catch {
        // Not for us to run.
      }
    }
  }
  return found;
}

/**
 * One record: the count of its words, the working directory, the words, each ended by NUL. A
 * process has a file of its own, so that builds may run in parallel; `printf` is the shell's own.
 */
function wrapper(records: string, real: string): string {
  const quoted = shellQuote(real);
  return [
    "#!/bin/sh",
    `printf '%s\\0' "$(($# + 1))" "$(pwd -P)" ${quoted} "$@" >>${shellQuote(records)}/$$ 2>/dev/null`,
    `exec ${quoted} "$@"`,
    "",
  ].join("\n");
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** `CC=/usr/bin/gcc` in the environment would get past the wrappers. */
function withWrappedCompilers(
  environment: RecordRequest["environment"],
  compilers: ReadonlyMap<string, string>,
): Record<string, string | undefined> {
  const changed: Record<string, string | undefined> = { ...environment, CCACHE_DISABLE: "1" };
  for (const name of ["CC", "CXX"]) {
    const [compiler = "", ...options] = (changed[name] ?? "").split(" ");
    const bare = basename(compiler);
    if (isAbsolute(compiler) && compilers.has(bare)) changed[name] = [bare, ...options].join(" ");
  }
  return changed;
}

function runBuild(
  request: RecordRequest,
  path: string,
  compilers: ReadonlyMap<string, string>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("/bin/sh", ["-c", request.command], {
      cwd: request.directory,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...withWrappedCompilers(request.environment, compilers), PATH: path },
      // A group of its own: make and its children end together.
      detached: true,
    });
    let lines: string[] = [];
    const keep = (chunk: string): void => {
      lines = (lines.join("\n") + chunk).split("\n").slice(-4 * shownLines);
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", keep);
    }
    const stop = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGTERM");
      } catch {
        // It has just ended.
      }
    };
    request.cancel.addEventListener("abort", stop, { once: true });
    child.on("error", (error) => reject(error));
    child.on("close", (code, signal) => {
      request.cancel.removeEventListener("abort", stop);
      if (code === 0) return resolve();
      const tail = lines.filter((line) => line.trim() !== "").slice(-shownLines);
      reject(
        new PatchgenError(
          "BUILD_FAILED",
          `${request.directory} does not build: \`${request.command}\` ended with ${signal ?? `exit code ${code}`}`,
          `make it build by itself first; it said last:\n${tail.join("\n")}`,
          request.directory,
        ),
      );
    });
  });
}

async function readRecords(folder: string): Promise<readonly RecordedCall[]> {
  const files = await Promise.all(
    (await readdir(folder)).map(async (name) => {
      const file = join(folder, name);
      return {
        time: (await stat(file, { bigint: true })).mtimeNs,
        text: await readFile(file, "utf8"),
      };
    }),
  );
  files.sort((left, right) => (left.time < right.time ? -1 : left.time > right.time ? 1 : 0));
  return files.flatMap(({ text }) => parseRecords(text));
}

function parseRecords(text: string): readonly RecordedCall[] {
  const fields = text.split("\0");
  const calls: RecordedCall[] = [];
  for (let at = 0; at + 1 < fields.length;) {
    const count = Number(fields[at]);
    const directory = fields[at + 1];
    const words = fields.slice(at + 2, at + 2 + count);
    // The last process may have been killed while it wrote.
    if (!Number.isInteger(count) || directory === undefined || words.length < count) break;
    calls.push({ directory, arguments: words });
    at += 2 + count;
  }
  return calls;
}
