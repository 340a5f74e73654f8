/** Runs the command as a child process against a made-up world, in folders of its own. */
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { JournalRecord } from "../../interpreter/journal.js";
import { OutputLine, StatusLine, validate } from "../../interpreter/schema.js";
import { fakeWorld, type FakeWorld } from "./fake_engine.js";
import { journalsIn, startRunning, type Finished, type Running } from "./running.js";
import { temporaryFolder } from "./temporary_folder.js";

const entry = join(dirname(fileURLToPath(import.meta.url)), "fake_polus.js");
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
    return startRunning(process.execPath, [entry, ...words], this.folder, {
      stdout: options.stdout,
      environment: {
        PATH: process.env["PATH"] ?? "",
        HOME: this.folder,
        XDG_STATE_HOME: join(this.folder, "state"),
        XDG_CONFIG_HOME: join(this.folder, "config"),
        POLUS_TEST_WORLD: join(this.folder, "world.json"),
        ...options.environment,
      },
    });
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

  journal(): Promise<readonly JournalRecord[]> {
    return journalsIn(join(this.folder, "state", "polus"));
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
