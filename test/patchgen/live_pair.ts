/**
 * Takes a pair of versions the whole way: the old one is built and runs, the patch to the new one is
 * constructed, built, applied to the process and rolled back. The commands run in this process.
 */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { main, systemHost } from "../../interpreter/main.js";
import type { Output } from "../../interpreter/progress/output.js";
import { mainText, newText, type Pair } from "./pairs/pair.js";
import { baseFolder } from "./source_trees.js";

const call = ["gcc", "-O2", "-g"];
/** What the program does within a moment; one that says nothing for so long is stuck. */
const answerDeadlineMs = 10_000;

// Each command listens for errors that nobody caught, as long as its process lives.
process.setMaxListeners(0);
process.env["XDG_CACHE_HOME"] = join(baseFolder, "cache");

const mainFolder = join(baseFolder, "main");
mkdirSync(mainFolder);
writeFileSync(join(mainFolder, "main.c"), mainText);
gcc(mainFolder, ["-c", "main.c"]);

function gcc(folder: string, words: readonly string[]): void {
  const [compiler = "gcc", ...options] = call;
  const run = spawnSync(compiler, [...options, "-w", ...words], { cwd: folder });
  if (run.status !== 0) throw new Error(String(run.stderr));
}

class Text implements Output {
  readonly isTerminal = false;
  readonly droppedCount = 0;
  text = "";

  write(text: string): void {
    this.text += text;
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}

/** Why a command refused, as it said it. */
export class Refused extends Error {}

/** Runs one command line of `polus`. @throws Refused */
export async function polus(...words: string[]): Promise<void> {
  const said = new Text();
  const host = {
    ...systemHost(),
    environment: { ...process.env, XDG_STATE_HOME: join(baseFolder, "state"), SUDO_UID: "" },
    workingFolder: baseFolder,
    standardOutput: said,
    standardError: said,
  };
  const code = await main(words, host);
  if (code !== 0) throw new Refused(`polus ${words.join(" ")}: exit code ${code}\n${said.text}`);
}

/** A pair's two trees, and the program of the old one. */
export class PairPlace {
  readonly #folder = mkdtempSync(join(baseFolder, "pair-"));
  readonly #old: string;
  readonly #new: string;

  constructor(pair: Pair) {
    this.#old = this.#tree("old", pair.text);
    this.#new = this.#tree("new", newText(pair));
    gcc(this.#old, ["-o", this.program, "unit.c", join(mainFolder, "main.o")]);
  }

  get program(): string {
    return join(this.#folder, "program");
  }

  /** Whether anything was written where the patch was to be. */
  hasPatch(): boolean {
    return existsSync(join(this.#folder, "patch"));
  }

  #tree(name: string, text: string): string {
    const folder = join(this.#folder, name);
    mkdirSync(folder);
    writeFileSync(join(folder, "unit.c"), text);
    const command = { directory: folder, file: "unit.c", arguments: [...call, "-c", "unit.c"] };
    writeFileSync(join(folder, "compile_commands.json"), JSON.stringify([command]));
    return folder;
  }

  /** Constructs and builds the patch; its folder. @throws Refused */
  async patch(): Promise<string> {
    const out = join(this.#folder, "patch");
    const trees = ["--old", this.#old, "--new", this.#new, "--binary", this.program];
    await polus("patchgen", ...trees, "--out", out);
    await polus("build", out);
    return out;
  }
}

/**
 * The old program as it runs; a shell is its parent, since Node collects what its own children report
 * to whoever traces them.
 */
export class Answerer {
  readonly #child: ChildProcessWithoutNullStreams;
  #pid = 0;
  #answers = "";
  #wake = (): void => {};

  private constructor(program: string) {
    const command = 'exec 3<&0; "$0" <&3 & echo $!; exec 3<&- <&-; wait';
    this.#child = spawn("/bin/sh", ["-c", command, program], { detached: true, stdio: "pipe" });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#answers += text;
      this.#wake();
    });
    this.#child.on("exit", () => this.#wake());
    this.#child.stdin.on("error", () => {});
  }

  static async start(program: string): Promise<Answerer> {
    const started = new Answerer(program);
    started.#pid = await started.#next();
    return started;
  }

  get pid(): string {
    return String(this.#pid);
  }

  ask(number: number): Promise<number> {
    this.#child.stdin.write(`${number}\n`);
    return this.#next();
  }

  async #next(): Promise<number> {
    const late = Date.now() + answerDeadlineMs;
    while (!this.#answers.includes("\n")) {
      const { exitCode, signalCode } = this.#child;
      if (exitCode !== null || signalCode !== null || Date.now() > late) {
        throw new Error(`no answer: exit code ${exitCode}, signal ${signalCode}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, answerDeadlineMs).unref();
      });
    }
    const [answer = ""] = this.#answers.split("\n");
    this.#answers = this.#answers.slice(answer.length + 1);
    return Number(answer);
  }

  stop(): void {
    this.#child.stdin.end();
    process.kill(this.#pid, "SIGKILL");
  }
}

/** Answers before the update, with it, and after it was rolled back. @throws Refused */
async function liveAnswers(pair: Pair): Promise<readonly number[]> {
  const place = new PairPlace(pair);
  const patch = await place.patch();
  const program = await Answerer.start(place.program);
  const [number] = pair.asks;
  try {
    const before = await program.ask(number);
    await polus("run", join(patch, "update.polus"), "--pid", program.pid);
    const updated = await program.ask(number);
    await polus("rollback", "--pid", program.pid);
    return [before, updated, await program.ask(number)];
  } finally {
    program.stop();
  }
}

async function refusal(pair: Pair): Promise<string> {
  try {
    return `answered ${String(await liveAnswers(pair))}`;
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}

/** Tests each pair on a running program. */
export function testLive(pairs: readonly Pair[]): void {
  for (const pair of pairs) {
    const { name, refused, asks } = pair;
    if (refused === undefined) {
      test(`${name}: applied and rolled back`, async () => {
        const [, old, now] = asks;
        assert.equal(await liveAnswers(pair), pair.live ?? [old, now, old]);
      });
    } else {
      test(`${name}: said why not`, async () => {
        const said = await refusal(pair);
        assert.ok(said.includes(refused), said);
      });
    }
  }
}
