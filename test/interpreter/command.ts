/** Runs the command as a child process against a made-up world, in folders of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readJournal, type JournalRecord } from "../../interpreter/journal.js";
import { OutputLine, StatusLine, validate } from "../../interpreter/schema.js";
import { fakeWorld, type FakeWorld } from "./fake_engine.js";
import { temporaryFolder } from "./temporary_folder.js";

const entry = join(dirname(fileURLToPath(import.meta.url)), "fake_polus.js");
/** No run here takes longer; one that does is stuck, milliseconds. */
const deadlineMs = 30_000;

export interface Finished {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when standard output or error holds the text; rejects when the command ends without. */
  saw(text: string): Promise<void>;
}

/** A folder with a script, patches and a world, and the command to run there. */
export class Workplace {
  readonly folder = realpathSync(temporaryFolder());

  constructor(world: Partial<FakeWorld> = {}) {
    this.world = fakeWorld(world);
    for (const name of ["a.so", "b.so", "c.so"]) {
      this.file(name, Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46]), Buffer.from(name)]));
    }
  }

  get world(): FakeWorld {
    return JSON.parse(readFileSync(join(this.folder, "world.json"), "utf8"));
  }

  set world(world: FakeWorld) {
    this.file("world.json", JSON.stringify(world));
  }

  change(changer: (world: FakeWorld) => void): void {
    const { world } = this;
    changer(world);
    this.world = world;
  }

  /** Calls of the engine that matter for what happened, without looks and listings. */
  get calls(): readonly string[] {
    return this.world.calls.filter((call) =>
      /^(apply|rollback|recover|verify) |^recover$/.test(call),
    );
  }

  file(name: string, contents: string | Uint8Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, contents);
    return path;
  }

  start(
    words: readonly string[],
    options: { readonly environment?: Record<string, string>; readonly stdout?: number } = {},
  ): Running {
    const child = spawn(process.execPath, [entry, ...words], {
      cwd: this.folder,
      stdio: ["ignore", options.stdout ?? "pipe", "pipe"],
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: this.folder,
        XDG_STATE_HOME: join(this.folder, "state"),
        XDG_CONFIG_HOME: join(this.folder, "config"),
        POLUS_TEST_WORLD: join(this.folder, "world.json"),
        ...options.environment,
      },
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
    let stdout = "";
    let stderr = "";
    let wake: (() => void)[] = [];
    const awaken = (): void => {
      const waiting = wake;
      wake = [];
      for (const resolve of waiting) resolve();
    };
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      awaken();
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      awaken();
    });
    let ended = false;
    const finished = new Promise<Finished>((resolve) => {
      child.on("close", (code, signal) => {
        clearTimeout(timer);
        ended = true;
        awaken();
        resolve({ code, signal, stdout, stderr });
      });
    });
    const saw = async (text: string): Promise<void> => {
      while (!stdout.includes(text) && !stderr.includes(text)) {
        if (ended) throw new Error(`never saw ${text} in:\n${stdout}\n${stderr}`);
        await new Promise<void>((resolve) => wake.push(resolve));
      }
    };
    return { child, finished, saw };
  }

  run(...words: string[]): Promise<Finished> {
    return this.start(words).finished;
  }

  /** Runs with `--json` and validates every line. */
  async json(...words: string[]): Promise<JsonRun> {
    const finished = await this.run(...words, "--json");
    return new JsonRun(finished);
  }

  /** Writes a script and runs it with `--json`. */
  script(text: string, ...words: string[]): Promise<JsonRun> {
    this.file("s.polus", text);
    return this.json("run", "s.polus", ...words);
  }

  async journal(): Promise<readonly JournalRecord[]> {
    const folder = join(this.folder, "state", "polus");
    const records: JournalRecord[] = [];
    for (const name of readdirSync(folder).sort()) {
      const read = await readJournal(join(folder, name));
      if (read.damaged.length > 0) throw new Error(JSON.stringify(read.damaged));
      records.push(...read.records);
    }
    return records;
  }
}

type DoneLine = Extract<OutputLine, { event: "done" }>;
type DiagnosticLine = Extract<OutputLine, { event: "diagnostic" }>;
type PrintLine = Extract<OutputLine, { event: "print" }>;

/** A finished run with `--json`, every line of which fits the schema. */
export class JsonRun {
  readonly lines: readonly OutputLine[];

  constructor(readonly finished: Finished) {
    this.lines = parseLines(finished.stdout).map((value) => {
      const validated = validate(OutputLine, value);
      if (!validated.ok) {
        throw new Error(`${JSON.stringify(value)}: ${validated.problem}\n${finished.stderr}`);
      }
      return validated.value;
    });
  }

  get code(): number | null {
    return this.finished.code;
  }

  /** The last line, which must be `done`, and the only one. */
  get done(): DoneLine {
    const last = this.lines.at(-1);
    const all = this.lines.filter((line): line is DoneLine => line.event === "done");
    const [only] = all;
    if (only === undefined || all.length !== 1 || only !== last) {
      throw new Error(
        `no single done line at the end:\n${this.finished.stdout}\n${this.finished.stderr}`,
      );
    }
    return only;
  }

  get diagnostics(): readonly DiagnosticLine[] {
    return this.lines.filter((line): line is DiagnosticLine => line.event === "diagnostic");
  }

  /** `CODE@LINE:COLUMN` of every diagnostic. */
  get places(): readonly string[] {
    return this.diagnostics.map(({ code, line, column }) => `${code}@${line}:${column}`);
  }

  get prints(): readonly PrintLine[] {
    return this.lines.filter((line): line is PrintLine => line.event === "print");
  }

  events(name: string): readonly OutputLine[] {
    return this.lines.filter((line) => line.event === name);
  }
}

/** The lines of `status --json`, validated. */
export function statusLines(finished: Finished): readonly StatusLine[] {
  return parseLines(finished.stdout).map((value) => {
    const validated = validate(StatusLine, value);
    if (!validated.ok) throw new Error(`${JSON.stringify(value)}: ${validated.problem}`);
    return validated.value;
  });
}

function parseLines(text: string): readonly unknown[] {
  if (text !== "" && !text.endsWith("\n")) throw new Error(`the last line is cut: ${text}`);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line));
}
