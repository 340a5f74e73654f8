/**
 * Compiles a patch's C source with the system's compiler, in a fresh private
 * folder that is gone afterwards. The same source gives the same bytes each
 * time (no path, time or random name goes in), since an update is recognised by
 * its patches' digests.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patchIncludeFolder } from "../installation.js";

/** How the compiler's messages call the declarations that are made for it. */
const headerName = "the-program.h";

/** True for the file of a message that is about those declarations. */
export function isHeader(file: string | null): boolean {
  return file !== null && file.endsWith(headerName);
}

/** Messages of the compiler beyond this are cut, bytes. */
const messageLimit = 256 * 1024;

export interface CompilerMessage {
  readonly severity: "error" | "warning" | "note";
  readonly message: string;
  /** File as the `#line` directive names it, or a header's path; `null` where none was given. */
  readonly file: string | null;
  readonly line: number | null;
  /** In bytes of UTF-8, from 1. */
  readonly column: number | null;
}

export interface CompileRequest {
  readonly text: string;
  /** The file that messages and debug information name. */
  readonly path: string;
  /** Line (from 1) in which `text` begins in that file, and how many bytes stand before it there. */
  readonly line: number;
  readonly indent: number;
  /** Folder of `#include "…"`, absolute. */
  readonly folder: string;
  /** Declarations that come before the text, without lines of their own in messages. */
  readonly header?: string;
  readonly compiler: string;
  readonly deadlineMs: number;
  /** Ends the compiler early. */
  readonly cancel: AbortSignal;
}

export type CompileResult =
  | { readonly ok: true; readonly bytes: Buffer; readonly messages: readonly CompilerMessage[] }
  | { readonly ok: false; readonly messages: readonly CompilerMessage[] };

/** Compiles to a shared object's bytes. Throws only where the machine fails (no room for files…). */
export async function compilePatch(request: CompileRequest): Promise<CompileResult> {
  const folder = await mkdtemp(join(tmpdir(), "polus-"));
  try {
    await writeFile(join(folder, "patch.c"), withPlace(request), { mode: 0o600, flag: "wx" });
    if (request.header !== undefined)
      await writeFile(join(folder, headerName), request.header, { mode: 0o600, flag: "wx" });
    const run = await runCompiler(request, folder);
    const messages = parseMessages(run.text);
    if (run.problem !== null) {
      const own: CompilerMessage = {
        severity: "error",
        message: run.problem,
        file: request.path,
        line: null,
        column: null,
      };
      const hasError = messages.some((message) => message.severity === "error");
      return { ok: false, messages: hasError ? messages : [...messages, own] };
    }
    return { ok: true, bytes: await readFile(join(folder, "patch.so")), messages };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The source such that the compiler's places are those of the file that it stands in. */
function withPlace(request: CompileRequest): string {
  // A path may hold anything, a line break too; the compiler reads C's octal escapes here.
  const quoted = request.path.replace(
    // oxlint-disable-next-line no-control-regex
    /[\\"\u0000-\u001f\u007f]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
  return `#line ${request.line} "${quoted}"\n${" ".repeat(request.indent)}${request.text}\n`;
}

interface CompilerRun {
  readonly text: string;
  /** Why there is no object, `null` if there is one. */
  readonly problem: string | null;
}

function runCompiler(request: CompileRequest, folder: string): Promise<CompilerRun> {
  const commandLine = [
    "-shared",
    "-fPIC",
    "-O2",
    "-g",
    "-Wall",
    // Patches speak of the program's objects, whose declarations need not be used all.
    "-Wno-unused",
    // The later one counts first; a script that moves gives the same object too.
    `-ffile-prefix-map=${request.folder}=.`,
    `-ffile-prefix-map=${folder}=.`,
    "-frandom-seed=polus",
    "-fdiagnostics-color=never",
    "-fno-diagnostics-show-caret",
    // Else gcc counts in bytes or in columns of a screen, depending on whether it can read the file.
    ...(/(^|[-/])(gcc|cc)(-\d+)?$/.test(request.compiler)
      ? ["-fdiagnostics-column-unit=byte"]
      : []),
    ...(request.header === undefined ? [] : ["-include", `./${headerName}`]),
    "-iquote",
    request.folder,
    "-I",
    patchIncludeFolder,
    "-o",
    "patch.so",
    "patch.c",
  ];
  return new Promise((resolve) => {
    const child = spawn(request.compiler, commandLine, {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        PATH: process.env["PATH"] ?? "/usr/bin:/bin",
        LC_ALL: "C.UTF-8",
        TMPDIR: folder,
        // A private folder's name must not get into the object by way of the working folder.
        PWD: folder,
      },
      // A process group of its own: the driver's children end with it, and a terminal's Ctrl-C is ours to act on.
      detached: true,
    });
    let text = "";
    let settled = false;
    let ended: string | null = null;
    const end = (why: string): void => {
      ended = why;
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has just ended by itself.
      }
    };
    const cancelled = (): void => end("the C compiler was stopped");
    const deadline = setTimeout(() => {
      end(`the C compiler did not finish within ${request.deadlineMs / 1000} s`);
    }, request.deadlineMs);
    request.cancel.addEventListener("abort", cancelled, { once: true });
    const settle = (problem: string | null): void => {
      if (settled) return;
      settled = true;
      clearTimeout(deadline);
      request.cancel.removeEventListener("abort", cancelled);
      resolve({ text, problem });
    };
    if (request.cancel.aborted) cancelled();
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (chunk: string) => {
      if (text.length < messageLimit) text += chunk;
    });
    child.on("error", (error) => {
      const missing = "code" in error && error.code === "ENOENT";
      settle(
        missing
          ? `the C compiler ${request.compiler} is not installed (Debian: apt-get install gcc libc6-dev)`
          : `the C compiler ${request.compiler} could not run: ${error.message}`,
      );
    });
    child.on("close", (code, signal) => {
      if (ended !== null) settle(ended);
      else if (code === 0) settle(null);
      else settle(`the C compiler ended with ${signal ?? `exit code ${code}`}`);
    });
  });
}

const located = /^(.+?):(\d+):(?:(\d+):)? (fatal error|error|warning|note): (.*)$/;
const unlocated =
  /^(?:\S*\/)?(?:gcc|cc|cc1|clang|ld|collect2)\S*: (?:(fatal error|error|warning|note): )?(.*)$/;

/** Reads the compiler's `FILE:LINE:COL: error: text` lines; what else it says is left out. */
export function parseMessages(text: string): readonly CompilerMessage[] {
  const messages: CompilerMessage[] = [];
  for (const line of text.split("\n")) {
    const place = located.exec(line);
    if (place !== null) {
      const [, file = "", row = "", column, severity = "", message = ""] = place;
      messages.push({
        severity: severityOf(severity),
        message,
        file,
        line: Number(row),
        column: column === undefined ? null : Number(column),
      });
      continue;
    }
    const general = unlocated.exec(line);
    if (general !== null) {
      const [, severity = "error", message = ""] = general;
      messages.push({
        severity: severityOf(severity),
        message,
        file: null,
        line: null,
        column: null,
      });
    }
  }
  return messages;
}

function severityOf(word: string): CompilerMessage["severity"] {
  return word === "warning" || word === "note" ? word : "error";
}
