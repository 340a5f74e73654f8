/**
 * The one way in which commands speak: as text for a person (results on
 * standard output, all else on standard error) or as JSON Lines on standard
 * output with `--json`.
 */
import type { Done, PrintedValue, ProgressEvent, ReportedDiagnostic } from "./events.js";
import { escapeBlock, escapeLine } from "./escape.js";
import type { Output } from "./output.js";
import { paint, type Paint } from "./paint.js";
import { wordDone, wordEvent } from "./wording.js";

export interface Reporter {
  /** For a person on standard error always; with `--json` on standard output as well. */
  diagnostic(diagnostic: ReportedDiagnostic): void;
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

/** First line of a diagnostic, `FILE:LINE:COL: error CODE: text`. */
export function headline(diagnostic: ReportedDiagnostic): string {
  const { file, line, column, severity, code, message } = diagnostic;
  let place = "";
  if (file !== null) {
    place = file;
    if (line !== null) place += `:${line}`;
    if (line !== null && column !== null) place += `:${column}`;
    place += ": ";
  }
  return `${place}${severity} ${code}: ${message}`;
}

function renderDiagnostic(diagnostic: ReportedDiagnostic, colours: Paint): string {
  const text =
    diagnostic.rendered !== undefined
      ? escapeBlock(diagnostic.rendered.replace(/\n+$/, ""))
      : escapeLine(headline(diagnostic)) +
        (diagnostic.suggestion === null ? "" : `\n  help: ${escapeLine(diagnostic.suggestion)}`);
  const [first, ...rest] = text.split("\n");
  const head = (first ?? "").replace(
    /(^|: )(error|warning|note) ([a-z0-9-]+):/,
    (_all, before: string, severity: string, code: string) =>
      `${before}${colours.severity(severity, `${severity} ${code}`)}:`,
  );
  return `${[head, ...rest].join("\n")}\n`;
}

/** Lines for a person. */
export class TextReporter implements Reporter {
  private readonly errorColours: Paint;

  constructor(
    private readonly standardOutput: Output,
    private readonly standardError: Output,
    colour: boolean,
  ) {
    this.errorColours = paint(colour && standardError.isTerminal);
  }

  diagnostic(diagnostic: ReportedDiagnostic): void {
    this.standardError.write(renderDiagnostic(diagnostic, this.errorColours));
  }

  print(_pid: number | null, values: readonly PrintedValue[]): void {
    // Printed text is the script's own and keeps its newlines; other controls are made visible.
    this.standardOutput.write(`${values.map((value) => escapeBlock(value.text)).join(" ")}\n`);
  }

  progress(event: ProgressEvent): void {
    const lines = wordEvent(event).map(escapeLine);
    this.standardError.write(
      lines.map((line) => `${this.errorColours.progress(line)}\n`).join(""),
      { droppable: true },
    );
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
        `${this.errorColours.severity("warning", "warning")}: ${escapeLine(warning)}\n`,
      );
    }
    this.standardError.write(
      `${this.errorColours.outcome(done.outcome, escapeLine(wordDone(done)))}\n`,
    );
  }

  async flush(): Promise<void> {
    await Promise.all([this.standardOutput.flush(), this.standardError.flush()]);
  }
}

/** JSON Lines on standard output, diagnostics for people on standard error all the same. */
export class JsonReporter implements Reporter {
  private readonly errorColours: Paint;

  constructor(
    private readonly standardOutput: Output,
    private readonly standardError: Output,
    colour: boolean,
  ) {
    this.errorColours = paint(colour && standardError.isTerminal);
  }

  diagnostic(diagnostic: ReportedDiagnostic): void {
    const { severity, code, file, line, column, message, suggestion } = diagnostic;
    this.line({ event: "diagnostic", severity, code, file, line, column, message, suggestion });
    this.standardError.write(renderDiagnostic(diagnostic, this.errorColours));
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
