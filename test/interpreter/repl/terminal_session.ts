/** Drives the real REPL through a terminal of its own, and keeps all that it shows. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { join } from "node:path";
import { repositoryRoot } from "../../support/repository.js";
import { build } from "../../support/toolchain.js";

const patienceMs = 20_000;

export const keys = {
  ctrlC: "\u0003",
  ctrlD: "\u0004",
  tab: "\t",
  up: "\u001b[A",
  pasteStart: "\u001b[200~",
  pasteEnd: "\u001b[201~",
} as const;

function terminalProgram(): string {
  return build({
    name: "pseudo_terminal",
    sources: [join(repositoryRoot, "test", "support", "pseudo_terminal.c")],
    flags: ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2", "-lutil"],
  });
}

export class TerminalSession {
  /** All that was shown, escape sequences included. */
  screen = "";
  private seen = 0;
  private code: number | null = null;
  private readonly child: ChildProcessWithoutNullStreams;
  private wake: (() => void)[] = [];

  constructor(
    words: readonly string[],
    options: { readonly folder: string; readonly colour?: boolean },
  ) {
    const command = ["200", "50", process.execPath, join(repositoryRoot, "bin", "polus"), ...words];
    this.child = spawn(terminalProgram(), command, {
      cwd: options.folder,
      env: {
        PATH: process.env["PATH"] ?? "",
        TERM: "xterm",
        HOME: options.folder,
        XDG_STATE_HOME: join(options.folder, "state"),
        ...(options.colour === true ? {} : { NO_COLOR: "1" }),
      },
    });
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.screen += text;
      this.awaken();
    });
    this.child.stdin.on("error", () => undefined);
    this.child.on("close", (code) => {
      this.code = code ?? -1;
      this.awaken();
    });
  }

  private awaken(): void {
    for (const resolve of this.wake.splice(0)) resolve();
  }

  /** What is on the screen as text. */
  get text(): string {
    return plain(this.screen);
  }

  type(text: string): void {
    this.child.stdin.write(text);
  }

  /** Waits until something new matches; what stands before the match's end is not looked at again. */
  async saw(wanted: RegExp | string): Promise<string> {
    const pattern =
      typeof wanted === "string"
        ? new RegExp(wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
        : wanted;
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const fresh = this.text.slice(this.seen);
      const match = pattern.exec(fresh);
      if (match !== null) {
        this.seen += match.index + match[0].length;
        return match[0];
      }
      if (this.code !== null || Date.now() > deadline) {
        throw new Error(`never saw ${String(wanted)} (exit ${this.code}) after:\n${this.text}`);
      }
      await this.change(deadline - Date.now());
    }
  }

  private async change(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Types a line and waits for the prompt after it; returns what was shown between. */
  async line(text: string, prompt: RegExp = /> $/): Promise<string> {
    const from = this.text.length;
    this.type(`${text}\r`);
    await this.saw(/\n/);
    await this.saw(prompt);
    return this.text.slice(from);
  }

  /** Waits for the end; its exit code. */
  async ended(): Promise<number> {
    const deadline = Date.now() + patienceMs;
    while (this.code === null) {
      if (Date.now() > deadline) {
        this.kill();
        throw new Error(`the REPL did not end:\n${this.text}`);
      }
      await this.change(deadline - Date.now());
    }
    return this.code;
  }

  kill(): void {
    if (this.code === null) this.child.kill("SIGKILL");
  }
}

/** Without the terminal's escape sequences and carriage returns. */
export function plain(screen: string): string {
  return screen.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "").replace(/\r/g, "");
}
