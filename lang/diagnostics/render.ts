/** Drawing a diagnostic for a person: first line, source line, caret, notes, suggestion. */
import { placeOf, type Span } from "../source.js";
import type { Diagnostic } from "./diagnostic.js";

export interface RenderOptions {
  /** Whether to use the terminal's colours. */
  readonly color?: boolean;
  /** Columns that a line may take; longer source lines are cut around the caret. */
  readonly width?: number;
}

const tabWidth = 8;
const defaultWidth = 120;

/** All of them, one after another, with a closing line break. */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  options: RenderOptions = {},
): string {
  return diagnostics.map((one) => `${renderDiagnostic(one, options)}\n`).join("");
}

/** One diagnostic, several lines, without a closing line break. */
export function renderDiagnostic(diagnostic: Diagnostic, options: RenderOptions = {}): string {
  const paint = painter(options.color ?? false);
  const { severity, code, span } = diagnostic;
  const tone = severity === "error" ? "red" : "yellow";
  const where = span === undefined ? "polus" : describePlace(span);
  const message = escapeText(diagnostic.message);
  const lines = [
    `${paint("bold", `${where}:`)} ${paint(tone, severity)} ${code}: ${paint("bold", message)}`,
  ];
  if (span !== undefined) lines.push(...excerpt(span, options, (text) => paint(tone, text)));
  for (const note of diagnostic.notes) {
    const place = note.span === undefined ? "" : `${describePlace(note.span)}: `;
    lines.push(`  ${paint("cyan", "note:")} ${place}${escapeText(note.message)}`);
    if (note.span !== undefined) {
      lines.push(...excerpt(note.span, options, (text) => paint("cyan", text)));
    }
  }
  if (diagnostic.suggestion !== undefined) {
    lines.push(`  ${paint("green", "suggestion:")} ${escapeText(diagnostic.suggestion)}`);
  }
  return lines.join("\n");
}

function describePlace(span: Span): string {
  const { line, column } = placeOf(span);
  return `${escapeText(span.file.path)}:${line}:${column}`;
}

const colors = { bold: 1, red: 31, yellow: 33, green: 32, cyan: 36 } as const;

function painter(color: boolean): (tone: keyof typeof colors, text: string) => string {
  return (tone, text) => (color ? `\u001b[${colors[tone]}m${text}\u001b[0m` : text);
}

/** The line in which a span begins, and a line of `^~~~` below the part that it covers. */
function excerpt(
  span: Span,
  options: RenderOptions,
  paint: (text: string) => string,
): readonly string[] {
  const { line } = placeOf(span);
  const text = span.file.line(line);
  if (text.trim() === "" && span.file.text.trim() === "") return [];
  const from = span.start - span.file.lineStart(line);
  const to = Math.max(from, Math.min(span.end - span.file.lineStart(line), text.length));
  const cells = layOut(text);
  const start = columnsBefore(cells, from);
  const width = Math.max(1, columnsBefore(cells, to) - start);
  const margin = `${line}`.padStart(5);
  const room = Math.max(20, (options.width ?? defaultWidth) - margin.length - 3);
  const visible = Math.min(width, room);
  const shown = cut(cells, start, visible, room);
  const underline = `^${"~".repeat(visible - 1)}`;
  return [
    `${margin} | ${shown.text}`,
    `${" ".repeat(margin.length)} | ${" ".repeat(shown.start)}${paint(underline)}`,
  ];
}

/** A character of the source as it is drawn. */
interface Cell {
  /** Offset in the line, in UTF-16 units. */
  readonly offset: number;
  readonly drawn: string;
  /** Columns that it takes on a terminal. */
  readonly width: number;
}

function layOut(line: string): readonly Cell[] {
  const cells: Cell[] = [];
  let column = 0;
  let offset = 0;
  for (const character of line) {
    let drawn = escapeText(character);
    let width = drawn === character ? characterWidth(character) : drawn.length;
    if (character === "\t") {
      width = tabWidth - (column % tabWidth);
      drawn = " ".repeat(width);
    }
    cells.push({ offset, drawn, width });
    column += width;
    offset += character.length;
  }
  return cells;
}

function columnsBefore(cells: readonly Cell[], offset: number): number {
  let columns = 0;
  for (const cell of cells) {
    if (cell.offset >= offset) break;
    columns += cell.width;
  }
  return columns;
}

/** At most `room` columns of a line, with the marked part in sight and `…` where it is cut. */
function cut(
  cells: readonly Cell[],
  start: number,
  width: number,
  room: number,
): { readonly text: string; readonly start: number } {
  const total = cells.reduce((sum, cell) => sum + cell.width, 0);
  if (total <= room) return { text: cells.map(({ drawn }) => drawn).join(""), start };
  const middle = start - Math.floor((room - width) / 2);
  const left = Math.max(0, Math.min(middle, Math.max(total, start + width) - room));
  const first = left > 0 ? left + 1 : 0;
  const end = left + room < total ? left + room - 1 : left + room;
  let text = left > 0 ? "…" : "";
  let column = 0;
  for (const cell of cells) {
    const next = column + cell.width;
    // A wide character that the cut goes through leaves blanks, so that columns stay.
    if (column >= first && next <= end) text += cell.drawn;
    else if (next > first && column < end) {
      text += " ".repeat(Math.min(next, end) - Math.max(column, first));
    }
    column = next;
  }
  if (left + room < total) text += "…";
  return { text, start: start - left };
}

/**
 * Makes untrusted text safe to show: control characters, direction marks and lone
 * surrogates, which could move the cursor or turn the text around, become visible.
 */
export function escapeText(text: string): string {
  return text.replace(unsafe, (character) => {
    const point = character.codePointAt(0) ?? 0;
    if (point === 9) return "\t";
    if (point === 10) return "\\n";
    if (point === 13) return "\\r";
    return point < 256 ? `\\x${point.toString(16).padStart(2, "0")}` : `\\u{${point.toString(16)}}`;
  });
}

const unsafe = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

/** Columns of a printable character on a terminal: 0, 1 or 2. */
function characterWidth(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (point < 0x300) return 1;
  if (/\p{Mn}|\p{Me}/u.test(character)) return 0;
  return wideRanges.some(([first, last]) => point >= first && point <= last) ? 2 : 1;
}

/** Unicode's East Asian "wide" and "fullwidth" blocks and emoji, as terminals draw them. */
const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x231a, 0x231b],
  [0x2329, 0x232a],
  [0x23e9, 0x23ec],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];
