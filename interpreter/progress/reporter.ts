/**
 * The one way in which commands speak: as text for a person (results on
 * standard output, all else on standard error) or as JSON Lines on standard
 * output with `--json`.
 */
import { diagnosticRecord, type Diagnostic } from "../../lang/diagnostics/diagnostic.js";
import { escapeText, renderDiagnostic } from "../../lang/diagnostics/render.js";
import type { Done, PrintedValue, ProgressEvent } from "./events.js";
import type { Output } from "./output.js";
import { paint, type Paint } from "./paint.js";
import { wordDone, wordEvent } from "./wording.js";

export interface Reporter {
  /** For a person on standard error always; with `--json` on standard output as well. */
  diagnostic(diagnostic: Diagnostic): void;
  /** What a script prints; `pid` is null where no process is involved. */
  print(pid: number | null, values: readonly PrintedValue[]): void;
  progress(event: ProgressEvent): void;
  /** A command's answer: `text` for a person, `line` as it is with `--json`. Never dropped. */
  result(text: string, line: object): void;
  /** The last line of a run. */
  done(done: Done): void;
  /** Everything written, or the reader gone. */
  flush(): Promise<void>;
}

/** Text of several lines that is safe on a terminal. */
export function escapeBlock(text: string): string {
  return text.split("\n").map(escapeText).join("\n");
}

/** Lines for a person. */
export class TextReporter implements Reporter {
  private readonly colour: boolean;
  private readonly paint: Paint;

  constructor(
    private readonly standardOutput: Output,
    private readonly standardError: Output,
    colour: boolean,
  ) {
    this.colour = colour && standardError.isTerminal;
    this.paint = paint(this.colour);
  }

  diagnostic(diagnostic: Diagnostic): void {
    this.standardError.write(`${renderDiagnostic(diagnostic, { color: this.colour })}\n`);
  }

  print(_pid: number | null, values: readonly PrintedValue[]): void {
    // Printed text is the script's own and keeps its newlines; other controls are made visible.
    this.standardOutput.write(`${values.map((value) => escapeBlock(value.text)).join(" ")}\n`);
  }

  progress(event: ProgressEvent): void {
    const lines = wordEvent(event).map(escapeText);
    this.standardError.write(lines.map((line) => `${this.paint.progress(line)}\n`).join(""), {
      droppable: true,
    });
  }

  result(text: string): void {
    if (text !== "") this.standardOutput.write(`${escapeBlock(text)}\n`);
  }

  done(done: Done): void {
    if (this.standardError.droppedCount > 0) {
      this.standardError.write(
        `(${this.standardError.droppedCount} progress lines were dropped: the reader was too slow)\n`,
      );
    }
    for (const warning of done.warnings ?? []) {
      this.standardError.write(
        `${this.paint.severity("warning", "warning")}: ${escapeText(warning)}\n`,
      );
    }
    this.standardError.write(`${this.paint.outcome(done.outcome, escapeText(wordDone(done)))}\n`);
  }

  async flush(): Promise<void> {
    await Promise.all([this.standardOutput.flush(), this.standardError.flush()]);
  }
}

/** JSON Lines on standard output, diagnostics for people on standard error all the same. */
export class JsonReporter implements Reporter {
  private readonly colour: boolean;

  constructor(
    private readonly standardOutput: Output,
    private readonly standardError: Output,
    colour: boolean,
  ) {
    this.colour = colour && standardError.isTerminal;
  }

  diagnostic(diagnostic: Diagnostic): void {
    this.line({ event: "diagnostic", ...diagnosticRecord(diagnostic) });
    this.standardError.write(`${renderDiagnostic(diagnostic, { color: this.colour })}\n`);
  }

  print(pid: number | null, values: readonly PrintedValue[]): void {
    this.line({ event: "print", pid, values });
  }

  progress(event: ProgressEvent): void {
    this.line(event, true);
  }

  result(_text: string, line: object): void {
    this.standardOutput.write(`${stringify(line)}\n`);
  }

  done(done: Done): void {
    if (this.standardOutput.droppedCount > 0) {
      this.line({ event: "dropped", lines: this.standardOutput.droppedCount });
    }
    this.line(done);
  }

  async flush(): Promise<void> {
    await Promise.all([this.standardOutput.flush(), this.standardError.flush()]);
  }

  private line<T extends { readonly event: string }>(object: T, droppable = false): void {
    const { event, ...rest } = object;
    const line = { event, time: new Date().toISOString(), ...rest };
    this.standardOutput.write(`${stringify(line)}\n`, { droppable });
  }
}

/** JSON in one line; a bigint (an address) as the project writes addresses, in hex. */
function stringify(value: object): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "bigint" ? `0x${part.toString(16)}` : part,
  );
}
