/**
 * What the comment above a recipe says: `//` lines directly above it, without a blank line between.
 *
 *     // Summary, one sentence.
 *     //
 *     // More, in paragraphs.
 *     //
 *     // parameter: what it stands for
 *     //
 *     // Example:
 *     //
 *     //     a whole script, indented by four blanks
 */
import type { RecipeDeclaration } from "./ast.js";
import type { SourceFile } from "./source.js";

export interface RecipeDoc {
  /** First sentence or paragraph, whichever ends first. */
  readonly summary: string;
  /** Paragraphs after the summary, each in one line. */
  readonly paragraphs: readonly string[];
  /** By parameter, in the order of the comment. */
  readonly parameters: ReadonlyMap<string, string>;
  /** A script, without its indentation; `null` if there is none. */
  readonly example: string | null;
}

const comment = /^\s*\/\/ ?(.*)$/;

/** `null` if no comment stands directly above the recipe. */
export function recipeDoc(recipe: RecipeDeclaration): RecipeDoc | null {
  const above = recipe.span.file.text.slice(0, recipe.span.start).split("\n").slice(0, -1);
  const lines: string[] = [];
  for (let line = above.pop(); line !== undefined; line = above.pop()) {
    const text = comment.exec(line)?.[1];
    if (text === undefined) break;
    lines.unshift(text.trimEnd());
  }
  if (lines.length === 0) return null;
  const at = lines.indexOf("Example:");
  const names = recipe.parameters.map(({ text }) => text);
  return {
    ...described(at < 0 ? lines : lines.slice(0, at), names),
    example: exampleIn(lines, at),
  };
}

/** The comment at the head of a file, which belongs to no recipe; empty if there is none. */
export function fileDoc(file: SourceFile): string {
  const [head = ""] = file.text.split(/\n\s*\n/);
  const lines = head.split("\n").map((line) => comment.exec(line)?.[1]);
  return lines.every((line) => line !== undefined) ? lines.join(" ").trim() : "";
}

function described(lines: readonly string[], names: readonly string[]): Omit<RecipeDoc, "example"> {
  const parameters = new Map<string, string>();
  const paragraphs: string[] = [];
  /** Where a continued line belongs. */
  let open: { kind: "text" } | { kind: "parameter"; name: string } | null = null;
  for (const line of lines) {
    const [, name = "", text = ""] = /^([A-Za-z_]\w*): (.*)$/.exec(line) ?? [];
    if (line === "") {
      open = null;
    } else if (names.includes(name)) {
      parameters.set(name, text);
      open = { kind: "parameter", name };
    } else if (open?.kind === "parameter") {
      parameters.set(open.name, `${parameters.get(open.name) ?? ""} ${line.trim()}`);
    } else if (open?.kind === "text") {
      paragraphs.push(`${paragraphs.pop() ?? ""} ${line.trim()}`);
    } else {
      paragraphs.push(line.trim());
      open = { kind: "text" };
    }
  }
  const [first = "", ...others] = paragraphs;
  const [, summary = first, rest = ""] = /^(.*?[.!?])\s+(.*)$/.exec(first) ?? [];
  return { summary, paragraphs: rest === "" ? others : [rest, ...others], parameters };
}

function exampleIn(lines: readonly string[], at: number): string | null {
  if (at < 0) return null;
  const text = lines
    .slice(at + 1)
    .map((line) => line.replace(/^ {4}/, ""))
    .join("\n");
  return `${text.trim()}\n`;
}
