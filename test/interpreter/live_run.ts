/** Runs the installed command on running programs, with scripts in a folder of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readJournal, type JournalRecord } from "../../interpreter/journal.js";
import { repositoryRoot } from "../support/repository.js";
import { JsonRun, type Finished } from "./command.js";
import { temporaryFolder } from "./temporary_folder.js";

const command = join(repositoryRoot, "bin", "polus");
/** No run here takes longer; one that does is stuck. */
const deadlineMs = 30_000;

/** A run that may still be going on. */
export interface LiveRun {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when standard output holds the text; rejects when the command ends without. */
  saw(text: string): Promise<void>;
}

/** A folder for scripts, journals and what else a test needs. */
export class LivePlace {
  readonly folder = temporaryFolder();

  file(name: string, contents: string | Uint8Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, contents);
    return path;
  }

  start(words: readonly string[], environment: Readonly<Record<string, string>> = {}): LiveRun {
    const child = spawn(command, words, {
      cwd: this.folder,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: deadlineMs,
      env: {
        ...process.env,
        XDG_STATE_HOME: join(this.folder, "state"),
        SUDO_UID: "",
        ...environment,
      },
    });
    let stdout = "";
    let stderr = "";
    let ended = false;
    let waiting: (() => void)[] = [];
    const awaken = (): void => {
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      awaken();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const finished = new Promise<Finished>((resolve) => {
      child.on("close", (code, signal) => {
        ended = true;
        awaken();
        resolve({ code, signal, stdout, stderr });
      });
    });
    const saw = async (text: string): Promise<void> => {
      while (!stdout.includes(text)) {
        if (ended) throw new Error(`never saw ${text} in:\n${stdout}\n${stderr}`);
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    };
    return { child, finished, saw };
  }

  polus(...words: string[]): Promise<Finished> {
    return this.start(words).finished;
  }

  async json(...words: string[]): Promise<JsonRun> {
    return new JsonRun(await this.polus(...words, "--json"));
  }

  /** Runs a script's text on a process. */
  run(pid: number | readonly number[], text: string, ...words: string[]): Promise<JsonRun> {
    return this.json("run", this.file("s.polus", text), ...pidWords(pid), ...words);
  }

  /** Begins to; `--json` as well. */
  startScript(
    pid: number,
    text: string,
    environment: Readonly<Record<string, string>> = {},
  ): LiveRun {
    const script = this.file("s.polus", text);
    return this.start(["run", script, ...pidWords(pid), "--json"], environment);
  }

  /** All records of all journals, in their order. */
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

function pidWords(pid: number | readonly number[]): readonly string[] {
  const pids = typeof pid === "number" ? [pid] : pid;
  return pids.flatMap((one) => ["--pid", String(one)]);
}
