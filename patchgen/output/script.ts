/** `update.polus` of a constructed patch. */
import { formatScript } from "../../lang/format/format.js";
import { SourceFile } from "../../lang/source.js";
import type { Detection } from "../model.js";
import type { TransferDescription } from "../transfer/describe.js";
import { suggestionLines, type Suggestion } from "./suggestions.js";
import type { VersionFile } from "./version_file.js";

export interface ScriptFacts {
  /** The update's name, an identifier. */
  readonly name: string;
  /** Base name of the running executable; `null`: the operator names the process. */
  readonly executable: string | null;
  readonly buildId: string | null;
  readonly description: string;
}

/** An identifier for an update out of a folder's name. */
export function updateName(folder: string): string {
  const name = folder.replace(/\W+/g, "_").replace(/^_+|_+$/g, "");
  return /^[A-Za-z]/.test(name) ? name : `update_${name}`;
}

/** The script's text, formatted as `polus fmt` would. */
export function scriptText(
  facts: ScriptFacts,
  version: VersionFile,
  detection: Detection,
  transfer: TransferDescription | null,
  checks: readonly Suggestion[],
): string {
  const lines = [
    `// Constructed by polus patchgen; report.md says why each function is replaced.`,
    `update ${facts.name} ${quoted(facts.description)} {`,
    ...targetLines(facts),
    `patch changes from ${quoted(version.object)} {`,
    ...version.replaces.map(({ function: name, file, with: as }) =>
      file === null
        ? `replace ${name} with ${as}`
        : `replace ${name} in ${quoted(file)} with ${as}`,
    ),
    ...(transfer?.items.flatMap(({ line }) => line) ?? []),
    "}",
    ...suggestions(detection),
    ...suggestionLines(checks),
    ...(transfer?.marks.map(({ about, text }) => `// MANUAL: ${about}: ${text}.`) ?? []),
    "}",
    "",
  ];
  const file = new SourceFile("update.polus", lines.join("\n"));
  const result = formatScript(file);
  if (result.kind === "rejected") {
    throw new Error(`a generated script does not parse: ${result.diagnostics[0]?.message ?? ""}`);
  }
  return result.text;
}

function targetLines({ executable, buildId }: ScriptFacts): readonly string[] {
  if (executable === null) return [];
  const id = buildId === null ? [] : [`build_id ${quoted(buildId)}`];
  // Processes that a server has forked run the same program.
  return ["target {", `exe ${quoted(executable)}`, ...id, "scope tree", "}"];
}

/** Variables keep their value; what the new version would begin with may be wanted all the same. */
function suggestions(detection: Detection): readonly string[] {
  return detection.units.flatMap(({ source, data }) =>
    data
      .filter(
        ({ how, readOnly, function: host }) => how === "initialiser" && !readOnly && host === null,
      )
      .map(
        ({ name }) =>
          `// ${name} of ${source} begins with another value in the new version; the running one keeps its own.`,
      ),
  );
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
