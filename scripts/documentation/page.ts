/** What all generated pages have. */

/** Says to whoever opens the file that changing it is of no use. */
export const note =
  "<!-- Made by scripts/reference from the sources; change those, and run it again. -->";

/** A Markdown table; bars inside of cells are escaped. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
