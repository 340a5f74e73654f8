/** `version.json`: what a constructed patch is made of, for `polus build` and for the next patch. */
import { join } from "node:path";
import type { ExtractedUnit } from "../extract/extract.js";
import type { Detection, RedirectPlan } from "../model.js";
import type { TransferDescription } from "../transfer/describe.js";
import { marksIn } from "./marks.js";

/** Checked by its schema in interpreter/schema.ts when it is read. */
export interface VersionFile {
  readonly format: 1;
  /** Number of the version that the patch leads to; the program as it was built is 1. */
  readonly version: number;
  /** The new source, absolute. */
  readonly root: string;
  /** The shared object, relative to the folder. */
  readonly object: string;
  readonly files: readonly {
    /** Relative to the folder. */
    readonly file: string;
    /** Relative to the root. */
    readonly source: string;
    readonly directory: string;
    readonly arguments: readonly string[];
  }[];
  readonly replaces: readonly {
    readonly function: string;
    /** `null`: it is global. */
    readonly file: string | null;
    readonly with: string;
    readonly because: readonly string[];
  }[];
  /** Labels under which later patches find what this one defines. */
  readonly defines: readonly string[];
  /** Objects of which there are two versions while the patch is applied. */
  readonly data: readonly {
    /** `conf`, `serve::calls`, `struct session`. */
    readonly name: string;
    readonly kind: "global" | "heap";
    /** A static variable's. */
    readonly file: string | null;
    /**
     * `layout`: other members or another size; `contains`: it holds such an object; `points`: only what its
     * pointers lead to differs.
     */
    readonly how: "layout" | "contains" | "points";
    readonly oldSize: number;
    readonly newSize: number;
    readonly forward: string;
    readonly backward: string;
  }[];
  /** Fields that live beside their objects (polus_shadow), and the keys by which they are known. */
  readonly shadowed: readonly {
    readonly record: string;
    readonly field: string;
    readonly key: number;
  }[];
  /** What was left to a person when the patch was constructed. */
  readonly marks: readonly string[];
  /** Functions that the patch has a copy of, by source. */
  readonly copies: readonly { readonly source: string; readonly functions: readonly string[] }[];
}

/** The name of a unit's file in the patch: its path, flat. */
export function patchFileName(source: string): string {
  return source.replace(/\//g, "__");
}

/** The file of the functions that carry objects over. */
export const transferFileName = "polus_transfer.c";

/** Whether there is anything to carry over, if only for the time of a call. */
export function hasTransferFile(
  transfer: TransferDescription | null,
): transfer is TransferDescription {
  return transfer !== null && transfer.items.length + transfer.objects.records.size > 0;
}

/** Of a unit's options those that the functions that carry objects over must share with it. */
function transferArguments(words: readonly string[]): readonly string[] {
  const [compiler = "gcc", ...options] = words;
  return [compiler, ...options.filter((word) => word.startsWith("-m")), "-std=gnu11", "-O2"];
}

export function versionFile(
  { new: { root, units: all } }: Detection,
  version: number,
  units: readonly ExtractedUnit[],
  plan: RedirectPlan,
  transfer: TransferDescription | null,
): VersionFile {
  const transferFile = {
    file: transferFileName,
    source: transferFileName,
    directory: root,
    arguments: transferArguments((units[0]?.unit ?? all[0])?.arguments ?? []),
  };
  return {
    format: 1,
    version,
    root,
    object: "update.so",
    files: [
      ...units.map(({ unit }) => ({
        file: patchFileName(unit.source),
        source: unit.source,
        directory: unit.directory,
        arguments: unit.arguments,
      })),
      ...(hasTransferFile(transfer) ? [transferFile] : []),
    ],
    replaces: units.flatMap(({ unit, replacements }) =>
      replacements.map(({ name, file, as }) => ({
        function: name,
        file,
        with: as,
        because: reasonsOf(plan, unit.source, name),
      })),
    ),
    defines: units.flatMap(({ defines }) => defines).toSorted(),
    data: transfer?.items.map(({ line: _line, ...item }) => item) ?? [],
    shadowed:
      transfer?.objects.shadowed.flatMap(({ name: record, fields }) =>
        fields.map(({ name: field, key }) => ({ record, field, key })),
      ) ?? [],
    marks: [
      ...(transfer?.marks.map(({ about, text }) => `${about}: ${text}`) ?? []),
      ...units.flatMap(({ text }) => marksIn(text)),
    ],
    copies: units
      .filter(({ copies }) => copies.length > 0)
      .map(({ unit, copies }) => ({ source: unit.source, functions: copies })),
  };
}

function reasonsOf(plan: RedirectPlan, source: string, name: string): readonly string[] {
  const redirection = plan.redirections.find((r) => r.source === source && r.name === name);
  if (redirection === undefined) return ["refers to a changed function without an entry"];
  return redirection.reasons.map(({ kind, of }) => (of === undefined ? kind : `${kind} ${of}`));
}

/** What `compilePatch` is given of a version file in `folder`. */
export function patchFiles(
  folder: string,
  version: VersionFile,
): readonly { path: string; source: string; directory: string; arguments: readonly string[] }[] {
  return version.files.map(({ file, source, directory, arguments: words }) => ({
    path: join(folder, file),
    source: join(version.root, source),
    directory,
    arguments: words,
  }));
}
