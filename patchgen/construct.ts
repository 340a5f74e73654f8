/** The patch constructor's way through: trees, what differs, what to redirect, the patch's files. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { addon, type ModuleHandle } from "../native/addon/addon.js";
import { Compilations } from "./detect/compilations.js";
import { defaultCacheFolder, ResultCache } from "./detect/result_cache.js";
import { detect } from "./detect/detect.js";
import { PatchgenError } from "./error.js";
import { extract, type ExtractedUnit } from "./extract/extract.js";
import type { PatchObjects } from "./extract/unit_objects.js";
import { identifier } from "./transfer/items.js";
import {
  symbolsOfBinary,
  symbolsOfObjects,
  type ProgramSymbols,
} from "./extract/program_symbols.js";
import type { Detection, RedirectPlan, Tree } from "./model.js";
import { reportText } from "./output/report.js";
import { scriptText, updateName } from "./output/script.js";
import { suggestChecks, type Suggestion } from "./output/suggestions.js";
import {
  hasTransferFile,
  patchFileName,
  transferFileName,
  versionFile,
  type VersionFile,
} from "./output/version_file.js";
import { oldCode, oldCodeText } from "./redirect/old_code.js";
import { ofProgram } from "./redirect/members.js";
import { planRedirections } from "./redirect/redirect.js";
import { openProgram, RunningBinary } from "./redirect/running_binary.js";
import { describeTransfer, type TransferDescription } from "./transfer/describe.js";
import { planTransfer } from "./transfer/transfer.js";
import { loadTree } from "./trees/tree.js";

export interface ConstructRequest {
  /** Folders. */
  readonly old: string;
  readonly new: string;
  readonly out: string;
  readonly build: string | null;
  /** Constructed patches that the process carries, oldest first. */
  readonly after: readonly VersionFile[];
  /** The running program's file or its unstripped build. */
  readonly binary: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A line about what is being done. */
  readonly progress: (text: string) => void;
  readonly cancel: AbortSignal;
}

export interface Constructed {
  readonly functions: number;
  readonly files: readonly string[];
  readonly lines: number;
  /** Changed functions whose old version some code goes on executing. */
  readonly unreached: number;
}

const noObjects: PatchObjects = {
  records: new Set(),
  rooms: new Map(),
  adopted: [],
  shadowed: [],
  identifier,
};

/** The program as it was built is version 1. */
const firstVersion = 2;

/**
 * Constructs a patch from `old` to `new` in the folder `out`.
 * @throws PatchgenError for bad input
 */
export function construct(request: ConstructRequest): Promise<Constructed> {
  return Compilations.within(request.cancel, (compilations) => constructBy(compilations, request));
}

async function constructBy(
  compilations: Compilations,
  request: ConstructRequest,
): Promise<Constructed> {
  const { build, environment, cancel, progress } = request;
  const load = (folder: string): Promise<Tree> => loadTree({ folder, build, environment, cancel });
  progress("reading the old version");
  const old = await load(request.old);
  progress("reading the new version");
  const next = await load(request.new);
  const binary = request.binary === null ? null : openProgram(resolve(request.binary));
  const cacheFolder = defaultCacheFolder(environment);
  const detected = await detect({
    old,
    new: next,
    cacheFolder,
    progress: (done, total) => progress(`compared ${done} of ${total} units`),
    compilations,
  });
  const program = programOf(request, old, binary);
  const own = binary === null ? detected : ofProgram(detected, binary);
  progress("looking for what must be carried over");
  const { detection: whole, transfer } = await planTransfer(
    own,
    new ResultCache(cacheFolder),
    compilations,
  );
  // Units of other programs that have to do with the same types come in anew.
  const detection = binary === null ? whole : ofProgram(whole, binary);
  const version = firstVersion + request.after.length;
  const carried = new Set(request.after.flatMap(({ data }) => data.map(({ name }) => name)));
  const described =
    transfer === null ? null : describeTransfer({ transfer, program, version, carried });
  // With patches in between the old version is not what the binary was built of.
  const running =
    binary === null || request.binary === null || request.after.length > 0
      ? null
      : new RunningBinary(resolve(request.binary), binary);
  const plan = await redirections(detection, running, compilations, progress);
  const units = await extract({
    detection,
    plan,
    program,
    version,
    carried: described?.symbols ?? [],
    objects: described?.objects ?? noObjects,
    cancel,
    progress: (done, all, source) => progress(`extracting ${source} (${done + 1} of ${all})`),
  });
  if (units.length === 0) throw nothingDiffers(detection, plan);
  const checks = await suggestChecks(detected, compilations);
  const stacked = withStacked(described, request, units);
  return writePatch(
    request,
    detection,
    plan,
    units,
    withOldCode(stacked, running, detection, plan, program),
    checks,
    executableFacts(request.binary, binary),
  );
}

/** Entries that lend old code's objects to new code must know old code. */
function withOldCode(
  described: TransferDescription | null,
  running: RunningBinary | null,
  detection: Detection,
  plan: RedirectPlan,
  program: ProgramSymbols,
): TransferDescription | null {
  if (described === null || described.objects.rooms.size === 0) return described;
  const code = running === null ? null : oldCode(running, detection, plan, program);
  const about = "polus_is_old_code of polus_transfer.c";
  const marks = code === null ? [{ about, text: "say where the old version's code lies" }] : [];
  return {
    ...described,
    text: `${described.text}\n${oldCodeText(code)}`,
    marks: [...described.marks, ...marks],
  };
}

/**
 * A patch that the process carries calls its own functions that take objects of two versions directly, past
 * the entries that the program's calls go through: where this one has to do with them, a person must see to it.
 */
function withStacked(
  described: TransferDescription | null,
  { after }: ConstructRequest,
  units: readonly ExtractedUnit[],
): TransferDescription | null {
  const direct = after.flatMap(({ replaces }) =>
    replaces.filter((one) => one.with.endsWith("_entry")).map((one) => one.function),
  );
  const stacked = direct
    .filter((name) => units.some(({ text }) => new RegExp(`\\b${name}\\b`).test(text)))
    .map((name) => ({
      about: name,
      text: "an earlier patch calls its own version of it directly, and what it gives to others are old copies",
    }));
  if (stacked.length === 0) return described;
  const nothing = { text: "", items: [], symbols: [], objects: noObjects, marks: [], roots: [] };
  const known = described ?? nothing;
  return { ...known, marks: [...known.marks, ...stacked] };
}

function nothingDiffers(detection: Detection, { unreached }: RedirectPlan): PatchgenError {
  const trees = `${detection.old.root} and ${detection.new.root}`;
  const begins = detection.units.flatMap(({ data }) =>
    data
      .filter(({ how }) => how === "initialiser")
      .map(({ name, function: host }) => (host === null ? name : `${name} of ${host}`)),
  );
  const [first] = unreached;
  if (first !== undefined) {
    return new PatchgenError(
      "NOTHING_DIFFERS",
      `${trees} differ in ${first.name} (${first.source}), which no redirection reaches`,
      first.help,
      first.name,
    );
  }
  if (begins.length > 0) {
    return new PatchgenError(
      "NOTHING_DIFFERS",
      `${trees} differ only in what ${begins.join(", ")} begins with: the running program keeps what it has there`,
      "where it must have the new contents, write them by a script's assignment (`polus repl` or a taint's recover block)",
    );
  }
  return new PatchgenError(
    "NOTHING_DIFFERS",
    `${trees} do not differ in what a patch could change`,
    "see that --old and --new are the versions that are meant",
  );
}

function programOf(
  { after }: ConstructRequest,
  old: Tree,
  binary: ModuleHandle | null,
): ProgramSymbols {
  const held = new Set(after.flatMap(({ defines }) => defines));
  return binary === null ? symbolsOfObjects(old, held) : symbolsOfBinary(binary, old, held);
}

/** What the running binary's own code needs redirected; without one nothing can be looked up. */
function redirections(
  detection: Detection,
  binary: RunningBinary | null,
  compilations: Compilations,
  progress: (text: string) => void,
): Promise<RedirectPlan> {
  if (binary === null) return Promise.resolve(planOf(detection));
  progress("looking for what the program must be redirected in");
  return planRedirections({ detection, binary, compilations });
}

/** Changed functions with an entry; what inlines others differs itself at the build's own flags. */
function planOf(detection: Detection): RedirectPlan {
  const changed = detection.units.flatMap(({ source, functions }) =>
    functions.filter(({ how }) => how === "changed").map((change) => ({ source, ...change })),
  );
  return {
    redirections: changed
      .filter(({ symbol }) => symbol)
      .map(({ source, name, static: local, reasons }) => ({
        source,
        name,
        symbol: name,
        static: local,
        reasons,
      })),
    unreached: [],
  };
}

async function writePatch(
  request: ConstructRequest,
  detection: Detection,
  plan: RedirectPlan,
  units: readonly ExtractedUnit[],
  transfer: TransferDescription | null,
  checks: readonly Suggestion[],
  executable: ExecutableFacts,
): Promise<Constructed> {
  const folder = resolve(request.out);
  const number = firstVersion + request.after.length;
  const version = versionFile(detection, number, units, plan, transfer);
  const facts = {
    name: updateName(basename(folder)),
    description: `${basename(detection.old.root)} to ${basename(detection.new.root)}`,
    ...executable,
  };
  const texts = new Map<string, string>(
    units.map(({ unit, text }) => [patchFileName(unit.source), text]),
  );
  if (hasTransferFile(transfer)) texts.set(transferFileName, transfer.text);
  texts.set("update.polus", scriptText(facts, version, detection, transfer, checks));
  texts.set("version.json", `${JSON.stringify(version, null, 2)}\n`);
  texts.set("report.md", reportText(detection, plan, version, units, transfer));
  texts.set("build", '#!/bin/sh\nexec polus build "$(dirname "$0")"\n');
  try {
    await mkdir(folder, { recursive: true });
    for (const [name, text] of texts) await writeFile(join(folder, name), text);
    await chmod(join(folder, "build"), 0o755);
  } catch (error) {
    throw new PatchgenError(
      "NO_PLACE",
      `the patch cannot be written to ${folder}: ${error instanceof Error ? error.message : String(error)}`,
      "give another folder by --out",
      folder,
    );
  }
  return {
    functions: version.replaces.length,
    files: [...texts.keys()],
    lines: [...texts]
      .filter(([name]) => name.endsWith(".c"))
      .reduce((sum, [, text]) => sum + text.split("\n").length, 0),
    unreached: plan.unreached.length,
  };
}

interface ExecutableFacts {
  readonly executable: string | null;
  readonly buildId: string | null;
}

function executableFacts(path: string | null, binary: ModuleHandle | null): ExecutableFacts {
  if (path === null || binary === null) return { executable: null, buildId: null };
  return { executable: basename(path), buildId: addon.moduleInfo(binary).buildId };
}
