/** How the REPL speaks: on a terminal everything in order on one screen, else as other commands do. */
import type { Diagnostic } from "../../lang/diagnostics/diagnostic.js";
import { renderDiagnostic } from "../../lang/diagnostics/render.js";
import type { PrintedValue, ProgressEvent } from "../progress/events.js";
import type { Output } from "../progress/output.js";
import { paint, type Paint } from "../progress/paint.js";
import { escapeBlock, type Reporter } from "../progress/reporter.js";
import { wordEvent } from "../progress/wording.js";
import { highlightValue } from "./highlight.js";

export class ReplReporter implements Reporter {
  private readonly paint: Paint;

  constructor(
    private readonly answers: Output,
    /** Diagnostics and progress; the same as `answers` on a terminal. */
    private readonly remarks: Output,
    private readonly colour: boolean,
  ) {
    this.paint = paint(colour);
  }

  diagnostic(diagnostic: Diagnostic): void {
    this.remarks.write(`${renderDiagnostic(diagnostic, { color: this.colour })}\n`);
  }

  print(_pid: number | null, values: readonly PrintedValue[]): void {
    const text = values.map((value) => escapeBlock(value.text)).join(" ");
    this.answers.write(`${this.colour ? highlightValue(text) : text}\n`);
  }

  progress(event: ProgressEvent): void {
    for (const line of wordEvent(event)) {
      this.remarks.write(`${this.paint.progress(escapeBlock(line))}\n`, { droppable: true });
    }
  }

  result(text: string): void {
    if (text !== "") this.answers.write(`${escapeBlock(text)}\n`);
  }

  /** A remark beside the answers. */
  remark(text: string): void {
    this.remarks.write(`${this.paint.progress(escapeBlock(text))}\n`);
  }

  warning(text: string): void {
    this.remarks.write(`${this.paint.severity("warning", "warning")}: ${escapeBlock(text)}\n`);
  }

  done(): void {
    // A REPL has no last line.
  }

  async flush(): Promise<void> {
    await Promise.all([this.answers.flush(), this.remarks.flush()]);
  }
}
