/** Runs a tree's own compiler once, for what it writes to standard output. */
import { spawn } from "node:child_process";
import { PatchgenError } from "./error.js";

const longestMessages = 1 << 16;
const shownLines = 8;

export interface CompilerRequest {
  /** The compiler and all its options. */
  readonly arguments: readonly string[];
  readonly directory: string;
  /** The file that an error is about. */
  readonly source: string;
  /** Bytes; the compiler is ended when it writes more. */
  readonly longestOutput: number;
  /** What is said of the source when the compiler fails, such as `does not compile`. */
  readonly failure: string;
  /** What is to be done then. */
  readonly help: string;
  readonly environment?: NodeJS.ProcessEnv;
}

/** @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE */
export function runCompiler(request: CompilerRequest, cancel: AbortSignal): Promise<Buffer> {
  const [compiler = "gcc", ...options] = request.arguments;
  const { source, environment } = request;
  return new Promise((resolve, reject) => {
    const child = spawn(compiler, options, {
      cwd: request.directory,
      stdio: ["ignore", "pipe", "pipe"],
      signal: cancel,
      ...(environment === undefined ? {} : { env: environment }),
    });
    const chunks: Buffer[] = [];
    let length = 0;
    let messages = "";
    child.stdout.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > request.longestOutput) child.kill();
      else chunks.push(chunk);
    });
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      if (messages.length < longestMessages) messages += text;
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "ENOENT" ? noCompiler(source, compiler) : error);
    });
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(chunks));
      const said = messages.trim().split("\n").slice(0, shownLines).join("\n");
      reject(
        new PatchgenError(
          "DOES_NOT_COMPILE",
          `${source} ${request.failure}: ${compiler} ended with ${signal ?? `exit code ${code}`}`,
          `${request.help}; the compiler said:\n${said}`,
          source,
        ),
      );
    });
  });
}

function noCompiler(source: string, compiler: string): PatchgenError {
  return new PatchgenError(
    "NO_COMPILER",
    `${source} is compiled with ${compiler}, which is not there`,
    "install the compiler that the program is built with",
    source,
  );
}
