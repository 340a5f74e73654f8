/**
 * `test` of uvu for tests of the engine. uvu prints a member `details` of an
 * error as text, and fails silently over one that is an object, as EngineError's
 * is: such errors are presented in words.
 */
import { test as uvuTest } from "uvu";
import { EngineError } from "../../native/engine.js";

function presentable(error: unknown): unknown {
  if (!(error instanceof EngineError)) return error;
  const { code, kind, message, details } = error;
  const text = `${kind} ${code}: ${message} ${JSON.stringify(details)}`;
  const presented = new Error(text, { cause: error });
  if (error.stack !== undefined) presented.stack = `Error: ${text}\n${stackLines(error.stack)}`;
  return presented;
}

/** The places of a stack, without the message in front of them. */
function stackLines(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => line.trimStart().startsWith("at "))
    .join("\n");
}

function define(name: string, body: () => Promise<void>): void {
  uvuTest(name, async () => {
    try {
      await body();
    } catch (error) {
      throw presentable(error);
    }
  });
}

/** A test of what not every machine can do; its file says `may skip`. */
function where(can: boolean, name: string, body: () => Promise<void>): void {
  if (can) define(name, body);
  else uvuTest.skip(name);
}

/** A test of what only root may set up, or may update. */
function asRoot(name: string, body: () => Promise<void>): void {
  where(process.geteuid?.() === 0, name, body);
}

export const test = Object.assign(define, { asRoot, where, run: () => uvuTest.run() });
