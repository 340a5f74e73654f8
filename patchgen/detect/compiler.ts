/** Runs compilers, as many at a time as there are processors. */
import { availableParallelism } from "node:os";
import { runCompiler } from "../compiler_run.js";

/** More than any unit's assembly with debug information. */
const longestOutput = 1 << 29;

export interface CompilerRun {
  readonly arguments: readonly string[];
  readonly directory: string;
  /** What the error is about. */
  readonly source: string;
}

export class CompilerPool {
  #free = Math.max(2, availableParallelism());
  readonly #waiting: (() => void)[] = [];

  constructor(readonly cancel: AbortSignal) {}

  /**
   * Standard output of one run.
   * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
   */
  async run(request: CompilerRun): Promise<string> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      this.cancel.throwIfAborted();
      const output = await runCompiler(
        {
          ...request,
          longestOutput,
          failure: "does not compile",
          help: "see that the tree builds as its commands say",
          // Messages are quoted: in one language.
          environment: { ...process.env, LC_ALL: "C" },
        },
        this.cancel,
      );
      return output.toString("latin1");
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
