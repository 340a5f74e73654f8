/** `update.polus` of a constructed patch. */
import { formatScript } from "../../lang/format/format.js";
import { SourceFile } from "../../lang/source.js";
import type { Detection } from "../model.js";
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
export function scriptText(facts: ScriptFacts, version: VersionFile, detection: Detection): string {
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
    "}",
    ...suggestions(detection),
    ...marks(detection),
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

/**
 * New code would read and write objects of the old layout: until somebody has said how they are
 * carried over, or that none is in use, `polus build` refuses the patch.
 */
function marks(detection: Detection): readonly string[] {
  const types = detection.types
    .filter(({ kind, oldSize, newSize }) => kind !== "enum" && oldSize !== null && newSize !== null)
    .filter(({ onlyContained }) => !onlyContained)
    .map(
      ({ name, oldSize, newSize }) =>
        `// MANUAL: ${name} has another layout (${oldSize}, now ${newSize} bytes): a data block with forward and backward carries its objects over.`,
    );
  const objects = detection.units.flatMap(({ source, data }) =>
    data
      .filter(({ how, readOnly }) => (how === "layout" || how === "grown") && !readOnly)
      .map(
        ({ name }) =>
          `// MANUAL: ${name} of ${source} has another layout: a data block with forward and backward carries its contents over.`,
      ),
  );
  return [...types, ...objects];
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
