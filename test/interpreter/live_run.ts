/** Runs the installed command on running programs, with scripts in a folder of its own. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JournalRecord } from "../../interpreter/journal.js";
import { repositoryRoot } from "../support/repository.js";
import { JsonRun } from "./command.js";
import { journalsIn, startRunning, type Finished, type Running } from "./running.js";
import { temporaryFolder } from "./temporary_folder.js";

const command = join(repositoryRoot, "bin", "polus");

/** A folder for scripts, journals and what else a test needs. */
export class LivePlace {
  readonly folder = temporaryFolder();

  file(name: string, contents: string | Uint8Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, contents);
    return path;
  }

  start(words: readonly string[], environment: Readonly<Record<string, string>> = {}): Running {
    return startRunning(command, words, this.folder, {
      environment: {
        ...process.env,
        XDG_STATE_HOME: join(this.folder, "state"),
        SUDO_UID: "",
        ...environment,
      },
    });
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
  ): Running {
    const script = this.file("s.polus", text);
    return this.start(["run", script, ...pidWords(pid), "--json"], environment);
  }

  journal(): Promise<readonly JournalRecord[]> {
    return journalsIn(join(this.folder, "state", "polus"));
  }
}

function pidWords(pid: number | readonly number[]): readonly string[] {
  const pids = typeof pid === "number" ? [pid] : pid;
  return pids.flatMap((one) => ["--pid", String(one)]);
}
