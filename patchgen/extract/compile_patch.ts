/** Compiles a patch's C files with the program's own options, and links them. */
import { spawn } from "node:child_process";
import { copyFile, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { PatchgenError } from "../error.js";

export interface PatchFile {
  /** The patch's C file, absolute. */
  readonly path: string;
  /** The unit that it is made of, absolute: where its `#include "…"` are found. */
  readonly source: string;
  /** The compiler's working directory. */
  readonly directory: string;
  /** The compiler and the program's own options. */
  readonly arguments: readonly string[];
}

/** Of the program's options those that a shared object cannot have; warnings are for people. */
const dropped =
  /^-(f(no-)?(pie|PIE|pic|PIC)|fcommon|flto(=.*)?|fvisibility=.*|Werror(=.*)?|pedantic-errors)$/;

/** The options with which a patch's file is compiled. */
export function patchArguments(file: PatchFile, includeFolder: string): readonly string[] {
  const [, ...options] = file.arguments;
  return [
    ...options.filter((option) => !dropped.test(option)),
    // Common variables could have no second name.
    ...["-fPIC", "-fno-common", "-fvisibility=default", "-g", "-w"],
    ...["-iquote", dirname(file.source), "-idirafter", includeFolder],
  ];
}

/**
 * Compiles and links to one shared object, so that files of the patch see each other's additions.
 * `includeFolder` is where `polus.h` lies.
 * @throws PatchgenError DOES_NOT_COMPILE, NO_COMPILER
 */
export async function compilePatch(
  files: readonly PatchFile[],
  output: string,
  includeFolder: string,
  cancel: AbortSignal,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "polus-build-"));
  try {
    const objects: string[] = [];
    for (const [at, file] of files.entries()) {
      const object = join(folder, `${at}.o`);
      const compiler = file.arguments[0] ?? "gcc";
      const words = [...patchArguments(file, includeFolder), "-c", file.path, "-o", object];
      await runCompiler(compiler, words, file.directory, file.path, cancel);
      objects.push(object);
    }
    const made = join(folder, basename(output));
    // Its own code means its own definitions; later patches find them by the GNU hash table.
    const words = [
      "-shared",
      "-Wl,-Bsymbolic",
      "-Wl,--build-id",
      "-Wl,--hash-style=gnu",
      ...objects,
      "-o",
      made,
    ];
    await runCompiler(files[0]?.arguments[0] ?? "gcc", words, folder, output, cancel);
    await moveFile(made, output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function moveFile(from: string, to: string): Promise<void> {
  // The temporary folder may be another file system; the name appears with its whole contents.
  await copyFile(from, `${to}.new`);
  await rename(`${to}.new`, to);
}

function runCompiler(
  compiler: string,
  words: readonly string[],
  directory: string,
  subject: string,
  cancel: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(compiler, words, {
      cwd: directory,
      stdio: ["ignore", "ignore", "pipe"],
      signal: cancel,
    });
    let messages = "";
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      if (messages.length < 65536) messages += text;
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") return reject(error);
      const help = `see that ${compiler} and ${directory} are there: a patch is compiled where its program was`;
      reject(new PatchgenError("NO_COMPILER", `${compiler} cannot be run`, help, subject));
    });
    child.on("close", (code, signal) => {
      if (code === 0) return resolve();
      reject(
        new PatchgenError(
          "DOES_NOT_COMPILE",
          `${subject} does not compile: ${compiler} ended with ${signal ?? `exit code ${code}`}`,
          `change the file where the compiler says, then build again:\n${messages.trim().split("\n").slice(0, 12).join("\n")}`,
          subject,
        ),
      );
    });
  });
}
