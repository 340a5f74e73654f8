/**
 * Node's repl as the line editor: it edits lines, searches the history, completes, and
 * tells commands from inputs. What a line does is told to `LineHandlers`, one line at a
 * time; Node's own evaluation is never used.
 */
import { Interface } from "node:readline";
import { Recoverable, start, type REPLEval, type REPLServer } from "node:repl";
import { Writable } from "node:stream";
import type { Output } from "../progress/output.js";
import { highlightInput } from "./highlight.js";
import type { History } from "./history.js";
import { LineQueue } from "./line_queue.js";
import { Screen } from "./screen.js";

export interface LineHandlers {
  /** The words before an input. */
  prompt(): string;
  /** Whether a text needs another line to be complete. */
  isIncomplete(text: string): boolean;
  /** Carries out a complete input or a command (`.name rest`). Tells its own errors, never rejects. */
  input(text: string): Promise<void>;
  command(name: string, rest: string): Promise<void>;
  /** A word after a dot that is no command. */
  unknownCommand(name: string): void;
  complete(text: string): Promise<readonly [readonly string[], string]>;
  /** Asks the running input to stop where that is safe. */
  interrupt(): void;
  /** Tells the person something that is not the answer to an input. */
  hint(text: string): void;
}

export interface LineEditorOptions {
  readonly input: NodeJS.ReadableStream;
  readonly output: Output;
  /** The terminal that both ends are, null where there is none. */
  readonly terminal: NodeJS.WriteStream | null;
  readonly colour: boolean;
  readonly history: History;
  /** With what `.help` of Node would say; each begins without its dot. */
  readonly commands: readonly string[];
}

/** Members of Node's line editor that its types leave out; `_` names are its stable old faces. */
interface Internals {
  history: string[];
  prevRows: number;
  _ttyWrite(text: string | undefined, key: Key | undefined): void;
  _writeToOutput(text: string): void;
  _refreshLine(): void;
  _insertString(text: string): void;
}

interface Key {
  readonly name?: string;
  readonly ctrl?: boolean;
  readonly meta?: boolean;
}

/** What Node's repl made of a line. */
type Started =
  | { readonly kind: "input"; readonly finish: (error: Error | null) => void }
  | { readonly kind: "command"; readonly name: string; readonly rest: string };

const continuationPrompt = "... ";
const pasteOn = "\u001b[?2004h";
const pasteOff = "\u001b[?2004l";

export class LineEditor {
  private readonly server: REPLServer & Internals;
  private readonly screen: Screen | null;
  private readonly queue = new LineQueue((line) => this.runLine(line));
  private readonly nodesLine: (line: string) => void;
  /** Lines of a block that is not complete. */
  private block: readonly string[] = [];
  private started: Started | null = null;
  private emptyInterrupts = 0;
  private stopped = false;
  private redraw: NodeJS.Immediate | null = null;
  private pasted: string | null = null;
  /** Resolves when the person has left and everything begun is done. */
  readonly left: Promise<void>;

  constructor(
    private readonly options: LineEditorOptions,
    private readonly handlers: LineHandlers,
  ) {
    const { input, output, terminal } = options;
    this.screen = terminal === null ? null : new Screen(output, terminal);
    // Node draws a prompt of its own at once.
    if (this.screen !== null) this.screen.mute = true;
    this.server = start({
      prompt: "",
      input,
      output: this.screen ?? nowhere(),
      terminal: terminal !== null,
      useGlobal: true,
      ignoreUndefined: true,
      useColors: false,
      preview: false,
      eval: this.evaluate,
      writer: String,
      completer: this.complete,
    }) as REPLServer & Internals;
    const { server } = this;
    if (this.screen !== null) this.screen.mute = false;
    const nodesListeners = server.listeners("line");
    this.nodesLine = (line) => {
      for (const listener of nodesListeners) listener.call(server, line);
    };
    server.removeAllListeners("line");
    server.removeAllListeners("SIGINT");
    server.displayPrompt = () => this.drawPrompt();
    for (const name of Object.keys(server.commands)) Reflect.deleteProperty(server.commands, name);
    for (const name of options.commands) {
      server.defineCommand(name, (rest) => {
        this.started = { kind: "command", name, rest };
      });
    }
    server.history.splice(0, server.history.length, ...options.history.entries);
    server.on("line", (line: string) => {
      if (!this.stopped) this.queue.push(line);
    });
    server.on("SIGINT", () => this.interrupted());
    this.left = new Promise((resolve) => {
      server.on("close", () => {
        // What waits was typed before the end of input: it still counts.
        void this.queue.idle().then(resolve);
      });
    });
    if (this.screen !== null) this.customise(this.screen);
    this.drawPrompt();
  }

  /** Lines that came in and have not begun are dropped, and no more are taken. */
  close(): void {
    this.stopped = true;
    this.queue.clear();
    this.server.close();
  }

  /** Gives the terminal back. */
  release(): void {
    this.close();
    if (this.screen === null) return;
    this.screen.mute = false;
    if (this.options.colour) this.screen.write(pasteOff);
    this.screen.destroy();
  }

  /** As if Ctrl-C had been pressed. */
  interrupted(): void {
    const { server } = this;
    if (this.queue.busy) {
      const dropped = this.queue.clear();
      if (dropped > 0) this.handlers.hint(`${dropped} more lines that waited are dropped`);
      this.handlers.interrupt();
      return;
    }
    const empty = server.line === "" && this.block.length === 0;
    this.emptyInterrupts = empty ? this.emptyInterrupts + 1 : 0;
    this.block = [];
    server.clearBufferedCommand();
    if (this.screen === null) return;
    // Leaves what was typed in sight, on a line of its own.
    server.write(null, { ctrl: true, name: "e" });
    this.screen.write("\r\n");
    this.screen.mute = true;
    server.write(null, { ctrl: true, name: "u" });
    this.screen.mute = false;
    if (this.emptyInterrupts >= 2) {
      this.handlers.hint("Ctrl-D or .exit leaves; what runs goes on, and changes stay");
      this.emptyInterrupts = 0;
    }
    this.drawPrompt();
  }

  /** The handlers of Node's repl; they only note what it made of a line. */
  private readonly evaluate: REPLEval = (_text, _context, _file, finish) => {
    this.started = { kind: "input", finish: (error) => finish(error, undefined) };
  };

  private readonly complete = (
    line: string,
    answer: (error: Error | null, result: [string[], string]) => void,
  ): void => {
    const text = [...this.block, line].join("\n");
    this.handlers.complete(text).then(
      ([names, written]) => answer(null, [[...names], written]),
      () => answer(null, [[], ""]),
    );
  };

  private async runLine(line: string): Promise<void> {
    const { screen, handlers, options } = this;
    this.emptyInterrupts = 0;
    // It was typed while something else ran: it is drawn now.
    if (screen?.mute === true) this.unmute().write(`${this.promptText()}${this.paint(line)}\r\n`);
    if (screen !== null) screen.mute = true;
    const unknown = /^\s*\.([A-Za-z]\w*)/.exec(line)?.[1];
    if (unknown !== undefined && this.block.length === 0 && !options.commands.includes(unknown)) {
      options.history.add(line);
      handlers.unknownCommand(unknown);
      this.settle();
      return;
    }
    this.started = null;
    this.nodesLine(line);
    await this.carryOut(this.started, line);
    this.settle();
  }

  private async carryOut(started: Started | null, line: string): Promise<void> {
    const { handlers, options, server } = this;
    if (started === null) return;
    if (started.kind === "command") {
      options.history.add(line);
      await handlers.command(started.name, started.rest);
      return;
    }
    const text = [...this.block, line].join("\n");
    if (handlers.isIncomplete(text)) {
      this.block = [...this.block, line];
      started.finish(new Recoverable(new SyntaxError("incomplete")));
      return;
    }
    this.block = [];
    options.history.add(text);
    server.history.splice(0, server.history.length, ...options.history.entries);
    await handlers.input(text);
    started.finish(null);
  }

  /** After a line: its block is one entry of the history, and the next prompt is drawn. */
  private settle(): void {
    const { server, options } = this;
    server.history.splice(0, server.history.length, ...options.history.entries);
    if (this.queue.length === 0) {
      this.unmute();
      this.drawPrompt();
    }
  }

  private unmute(): Writable {
    if (this.screen === null) return nowhere();
    this.screen.mute = false;
    return this.screen;
  }

  private promptText(): string {
    return this.block.length > 0 ? continuationPrompt : this.handlers.prompt();
  }

  private drawPrompt(): void {
    if (this.screen === null || this.screen.mute || this.stopped) return;
    const { server } = this;
    Interface.prototype.setPrompt.call(server, this.promptText());
    // What was typed ahead was never drawn, so no rows of it are to be overwritten.
    server.prevRows = 0;
    server.prompt(true);
  }

  private paint(line: string): string {
    return this.options.colour ? highlightInput(line) : line;
  }

  // --- a terminal ------------------------------------------------------------------------------

  private customise(screen: Screen): void {
    const { server } = this;
    const { colour } = this.options;
    const ttyWrite = server._ttyWrite.bind(server);
    const insert = server._insertString.bind(server);
    const write = server._writeToOutput.bind(server);
    server._ttyWrite = (text, key) => {
      if (this.paste(text, key)) return;
      // Nobody may be left held by a stopped polus.
      if (this.queue.busy && key?.ctrl === true && key.name === "z") return;
      if (this.queue.busy && key?.name === "tab") return;
      ttyWrite(text, key);
      if (colour && !this.queue.busy && !screen.mute) this.redrawSoon();
    };
    server._insertString = (text) => {
      insert(text);
      if (colour) this.redrawSoon();
    };
    server._writeToOutput = (text) => {
      const prompt = server.getPrompt();
      const isWhole = colour && server.line !== "" && text === `${prompt}${server.line}`;
      write(isWhole ? `${prompt}${highlightInput(server.line)}` : text);
    };
    if (colour) screen.write(pasteOn);
  }

  /** Colours what was typed once the keys that are there have been read: a paste is drawn once. */
  private redrawSoon(): void {
    if (this.redraw !== null) return;
    this.redraw = setImmediate(() => {
      this.redraw = null;
      if (this.screen?.mute === false && this.server.line !== "" && !this.stopped) {
        this.server._refreshLine();
      }
    });
  }

  /** A paste goes into the line as it is and runs when the person presses Enter. */
  private paste(text: string | undefined, key: Key | undefined): boolean {
    if (key?.name === "paste-start") {
      this.pasted = "";
      return true;
    }
    if (this.pasted === null) return false;
    if (key?.name === "paste-end") {
      const whole = this.pasted.replace(/\n+$/, "");
      this.pasted = null;
      if (whole !== "") this.server._insertString(whole);
      this.redrawSoon();
      return true;
    }
    if (key?.name === "return" || key?.name === "enter") this.pasted += "\n";
    else if (key?.name === "tab") this.pasted += "  ";
    else if (text !== undefined && !/\p{Cc}/u.test(text)) this.pasted += text;
    return true;
  }
}

/** Node's editor draws nothing where there is no terminal. */
function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, callback) => callback() });
}
