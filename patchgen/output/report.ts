/** `report.md` of a constructed patch: what changed, why each function is redirected, what is left. */
import type { ExtractedUnit } from "../extract/extract.js";
import type { DataChange, Detection, RedirectPlan } from "../model.js";
import type { TransferDescription } from "../transfer/describe.js";
import { marksIn } from "./marks.js";
import { patchFileName, type VersionFile } from "./version_file.js";

export function reportText(
  detection: Detection,
  plan: RedirectPlan,
  version: VersionFile,
  units: readonly ExtractedUnit[],
  transfer: TransferDescription | null,
): string {
  const { statistics } = detection;
  const lines = [
    `# Version ${version.version}`,
    "",
    `From \`${detection.old.root}\` to \`${detection.new.root}\`: ${statistics.units} units compared ` +
      `(${statistics.skipped} alike, ${statistics.cached} known) in ${statistics.seconds.toFixed(1)} s.`,
    "",
    "## What is replaced",
    "",
    ...table(
      ["function", "file", "by", "because"],
      version.replaces.map((one) => [
        one.function,
        one.file ?? "",
        one.with,
        one.because.join(", "),
      ]),
    ),
    "",
    "## What differs in data",
    "",
    ...table(
      ["object", "file", "how", "in the patch"],
      detection.units.flatMap(({ source, data }) =>
        data.map((change) => [nameOf(change), source, change.how, treatment(change)]),
      ),
    ),
    "",
    ...transferSection(version, transfer),
    "## What is left to a person",
    "",
    ...list(leftToAPerson(plan, units, transfer)),
    "",
    "## Files",
    "",
    ...list(
      units.map(
        ({ unit, text, copies }) =>
          `\`${patchFileName(unit.source)}\`: ${text.split("\n").length} lines` +
          (copies.length === 0
            ? ""
            : `; copies of ${copies.join(", ")}, which the program cannot be called for`),
      ),
    ),
    "",
  ];
  return lines.join("\n");
}

function nameOf({ name, function: host }: DataChange): string {
  return host === null ? name : `${host}::${name}`;
}

function treatment({ how, readOnly }: DataChange): string {
  switch (how) {
    case "added":
      return "defined";
    case "removed":
      return "not used any more";
    case "initialiser":
      return readOnly ? "defined anew" : "the running program's, with its present value";
    case "linkage":
      return "the running program's";
    case "layout":
    case "grown":
      return readOnly ? "defined anew" : "defined anew, its contents carried over";
  }
}

const explained = {
  layout: "another layout",
  contains: "it contains what has another layout",
  points: "its pointers lead to what has another layout",
} as const;

/** What is carried over, object by object and type by type. */
function transferSection(
  { data, shadowed }: VersionFile,
  transfer: TransferDescription | null,
): readonly string[] {
  if (transfer === null) return [];
  const roots = transfer.roots.map((name) => `\`${name}\``).join(", ");
  return [
    "## What is carried over",
    "",
    ...table(
      ["object", "file", "bytes", "because of", "by"],
      data.map((one) => [
        one.kind === "heap" ? `every ${one.name}` : one.name,
        one.file ?? "",
        one.oldSize === one.newSize ? String(one.oldSize) : `${one.oldSize}, now ${one.newSize}`,
        explained[one.how],
        `${one.forward}, ${one.backward}`,
      ]),
    ),
    "",
    ...shadowed.map(
      ({ record, field }) =>
        `- \`${field}\` of ${record} lives beside its objects (polus_shadow), which keep their layout`,
    ),
    ...(shadowed.length === 0 ? [] : [""]),
    ...(roots === "" ? [] : [`Allocated objects are found from ${roots}.`, ""]),
  ];
}

function leftToAPerson(
  plan: RedirectPlan,
  units: readonly ExtractedUnit[],
  transfer: TransferDescription | null,
): readonly string[] {
  return [
    ...plan.unreached.map(
      ({ name, source, help }) => `\`${name}\` of ${source} is not reached: ${help}`,
    ),
    ...(transfer?.marks.map(({ about, text }) => `${about}: ${text}`) ?? []),
    ...units.flatMap(({ unit, text }) =>
      marksIn(text).map((mark) => `${patchFileName(unit.source)}: ${mark}`),
    ),
    ...units.flatMap(({ unit, anew }) =>
      anew.map(
        (name) => `\`${name}\` of ${unit.source} begins anew: the program has no symbol for it`,
      ),
    ),
    ...units.flatMap(({ unit, headerData }) =>
      headerData.map(
        (name) => `\`${name}\`, a static of a header of ${unit.source}, is the patch's own`,
      ),
    ),
  ];
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return ["Nothing."];
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line)];
}

function list(entries: readonly string[]): readonly string[] {
  return entries.length === 0 ? ["Nothing."] : entries.map((entry) => `- ${entry}`);
}
