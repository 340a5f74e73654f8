/**
 * The patch constructor on versions of real programs: what it finds, held against an independent
 * comparison of object code, what it writes, what is left to a person, and what it costs.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Compilations } from "../../patchgen/detect/compilations.js";
import { detect } from "../../patchgen/detect/detect.js";
import type { Detection, TranslationUnit, Tree } from "../../patchgen/model.js";
import { loadTree } from "../../patchgen/trees/tree.js";
import { functionsOf } from "../../test/patchgen/judge/judge.js";
import { table } from "./figures.js";
import type { BenchmarkOptions, Findings } from "./main.js";
import { patchTexts, realPairs, type RealPair } from "./real_pairs.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const mostNeedless = 0.05;
const fewestWithoutMark = 0.8;
const mostCost = 3;

interface Row {
  readonly program: string;
  readonly pair: string;
  /** Functions with an entry that detection says have changed. */
  readonly found: number;
  readonly missed: readonly string[];
  readonly needless: readonly string[];
  /** Functions of the program that the patch replaces. */
  readonly replaced: number;
  readonly lines: number;
  readonly marks: number;
  /** Why there is no patch, or it does not compile; `null`: it does. */
  readonly problem: string | null;
  /** Processor time of the command and all that it ran, with nothing in its cache, seconds. */
  readonly seconds: number;
  /** The same for compiling each unit whose preprocessed text differs, once in each version, as its build does. */
  readonly compileSeconds: number;
}

export async function patchgen({ progress }: BenchmarkOptions): Promise<Findings> {
  const rows: Row[] = [];
  const missing: string[] = [];
  const wanted = process.env["POLUS_PAIRS"]?.split(",") ?? Object.keys(realPairs);
  for (const [program, make] of Object.entries(realPairs)) {
    const isWanted = (pair: string): boolean =>
      wanted.includes(program) || wanted.includes(`${program}/${pair}`);
    if (!wanted.some((one) => one.split("/")[0] === program)) continue;
    const pairs = make(progress);
    if (pairs === null) {
      missing.push(program);
      continue;
    }
    for (const pair of pairs.filter(({ name }) => isWanted(name))) {
      progress(`${program}: ${pair.name}`);
      const row = await rowOf(program, pair);
      if (row === null) continue;
      rows.push(row);
      process.stderr.write(`${JSON.stringify(row)}\n`);
    }
  }
  return { text: textOf(rows, missing), data: { rows, missing }, faults: faultsOf(rows) };
}

/** `null`: the change is in other programs of the tree. */
async function rowOf(program: string, pair: RealPair): Promise<Row | null> {
  const place = mkdtempSync(join(tmpdir(), "polus-pairs-"));
  try {
    const trees = { old: await treeAt(pair.old), new: await treeAt(pair.new) };
    const out = join(place, "patch");
    const constructed = timed(
      [
        ...[process.execPath, join(root, "bin", "polus"), "patchgen"],
        ...["--old", pair.old, "--new", pair.new, "--binary", pair.binary, "--out", out],
      ],
      { ...process.env, XDG_CACHE_HOME: join(place, "cache") },
    );
    const detection = await Compilations.within(new AbortController().signal, (compilations) =>
      detect({ ...trees, cacheFolder: null, progress: () => {}, compilations }),
    );
    const differing = differingUnits(trees);
    const texts = constructed.problem === null ? patchTexts(out) : new Map<string, string>();
    const replaced = [...(texts.get("update.polus") ?? "").matchAll(/^\s*replace (\S+)/gm)];
    const names = new Set(replaced.map(([, name]) => name));
    const judgement = judged(trees, differing, detection, names);
    const elsewhere = /not-the-binary.*holds nothing|error nothing-differs/;
    const nothing = elsewhere.test(constructed.problem ?? "");
    if (nothing && judgement.missed.length === 0) return null;
    const c = [...texts].filter(([name]) => name.endsWith(".c")).map(([, text]) => text);
    const marks = [...texts.values()].join("\n").match(/\bMANUAL\b/g)?.length ?? 0;
    const build = [process.execPath, join(root, "bin", "polus"), "build", out];
    const built = constructed.problem === null && marks === 0 ? timed(build, process.env) : null;
    return {
      program,
      pair: pair.name,
      ...judgement,
      replaced: replaced.length,
      lines: c.reduce((sum, text) => sum + text.split("\n").length, 0),
      marks,
      problem: constructed.problem ?? built?.problem ?? null,
      seconds: constructed.seconds,
      compileSeconds: compileTime(trees, differing, place),
    };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

function treeAt(folder: string): Promise<Tree> {
  const cancel = new AbortController().signal;
  return loadTree({ folder, build: null, environment: process.env, cancel });
}

/** Runs a command for the processor time of itself and its children, which other load does not stretch. */
function timed(
  command: readonly string[],
  environment: NodeJS.ProcessEnv,
): { readonly seconds: number; readonly problem: string | null } {
  const done = spawnSync(
    "/bin/bash",
    ["-c", '"$@" 2>&1; code=$?; times >&2; exit $code', ...["timed", ...command]],
    {
      encoding: "utf8",
      env: { ...environment, LC_ALL: "C" },
      maxBuffer: 1 << 28,
    },
  );
  const spent = [...done.stderr.matchAll(/(\d+)m([\d.]+)s/g)].slice(-2);
  const seconds = spent.reduce((sum, [, m, s]) => sum + 60 * Number(m) + Number(s), 0);
  const said = done.stdout.split("\n").find((line) => /\berror\b/.test(line)) ?? done.stdout;
  return { seconds, problem: done.status === 0 ? null : said.trim().slice(0, 200) };
}

interface Trees {
  readonly old: Tree;
  readonly new: Tree;
}

/** A unit of both versions whose preprocessed text differs, by the judge. */
interface Differing {
  readonly old: TranslationUnit;
  readonly new: TranslationUnit;
}

function differingUnits(trees: Trees): readonly Differing[] {
  return trees.old.units.flatMap((old): readonly Differing[] => {
    const now = trees.new.units.find((one) => one.source === old.source);
    if (now === undefined) return [];
    return preprocessed(old, trees.old) === preprocessed(now, trees.new) ? [] : [{ old, new: now }];
  });
}

/** Compiling what differs, once in each version, as the build does it. */
function compileTime(trees: Trees, units: readonly Differing[], place: string): number {
  const object = join(place, "unit.o");
  const seconds = (unit: TranslationUnit, tree: Tree): number => {
    const words = [...unit.arguments, "-w", "-c", "-o", object, fileOf(unit, tree)];
    return timed(["env", "-C", unit.directory, ...words], process.env).seconds;
  };
  return units.reduce(
    (sum, unit) => sum + seconds(unit.old, trees.old) + seconds(unit.new, trees.new),
    0,
  );
}

function fileOf(unit: TranslationUnit, tree: Tree): string {
  return relative(unit.directory, join(tree.root, unit.source));
}

function judged(
  trees: Trees,
  units: readonly Differing[],
  detection: Detection,
  replaced: ReadonlySet<string | undefined>,
): Pick<Row, "found" | "missed" | "needless"> {
  const missed: string[] = [];
  const needless: string[] = [];
  let found = 0;
  for (const { old, new: now } of units) {
    const { source } = old;
    const before = functionsOf(old.directory, fileOf(old, trees.old), old.arguments);
    const after = functionsOf(now.directory, fileOf(now, trees.new), now.arguments);
    const change = detection.units.find((one) => one.source === source);
    const told = new Map(change?.functions.map((one) => [one.name, one]));
    for (const [name, code] of before) {
      const is = after.get(name);
      const one = told.get(name);
      if (is !== undefined && is !== code && one === undefined && !replaced.has(name))
        missed.push(`${source}:${name}`);
      if (one?.how !== "changed" || !one.symbol || is === undefined) continue;
      found++;
      if (is === code) needless.push(`${source}:${name}`);
    }
  }
  return { found, missed, needless };
}

function preprocessed(unit: TranslationUnit, tree: Tree): string {
  const [compiler = "gcc", ...options] = unit.arguments;
  const run = spawnSync(
    compiler,
    [...options, "-w", "-E", "-P", "-D__LINE__=0", fileOf(unit, tree)],
    {
      cwd: unit.directory,
      encoding: "latin1",
      maxBuffer: 1 << 28,
    },
  );
  if (run.status !== 0) throw new Error(run.stderr);
  return run.stdout.replaceAll(tree.root, ".").replace(/\s+/g, " ");
}

function faultsOf(rows: readonly Row[]): readonly string[] {
  const faults: string[] = [];
  const missed = rows.flatMap((row) => row.missed);
  const needless = rows.flatMap((row) => row.needless);
  const found = rows.reduce((sum, row) => sum + row.found, 0);
  if (missed.length > 0) faults.push(`missed: ${missed.join(" ")}`);
  if (needless.length > mostNeedless * found) faults.push(`needless: ${needless.join(" ")}`);
  const by = rows.filter(({ marks, problem }) => marks === 0 && problem === null).length;
  if (by < fewestWithoutMark * rows.length) {
    faults.push(`${by} of ${rows.length} pairs need no manual line`);
  }
  const cost = costOf(rows);
  if (cost > mostCost)
    faults.push(`construction costs ${cost.toFixed(1)} times what compiling does`);
  return faults;
}

function costOf(rows: readonly Row[]): number {
  const sum = (of: (row: Row) => number): number => rows.reduce((all, row) => all + of(row), 0);
  return sum(({ seconds }) => seconds) / sum(({ compileSeconds }) => compileSeconds);
}

function geometricMean(rows: readonly Row[]): number {
  const logarithms = rows.map(({ seconds, compileSeconds }) => Math.log(seconds / compileSeconds));
  return Math.exp(logarithms.reduce((sum, one) => sum + one, 0) / rows.length);
}

function textOf(rows: readonly Row[], missing: readonly string[]): string {
  const head = [
    ...["program", "pair", "changed", "missed", "needless", "replaced", "lines of C", "by hand"],
    ...["constructing", "compiling", "ratio", "builds"],
  ];
  const cells = rows.map((row) => [
    ...[row.program, row.pair, row.found, row.missed.length, row.needless.length],
    ...[row.replaced, row.lines, row.marks],
    ...[`${row.seconds.toFixed(1)} s`, `${row.compileSeconds.toFixed(1)} s`],
    (row.seconds / row.compileSeconds).toFixed(1),
    row.problem ?? (row.marks > 0 ? "once the marks are answered" : "yes"),
  ]);
  const remarks = [
    ...rows.flatMap(({ pair, missed }) => missed.map((one) => `missed in ${pair}: ${one}`)),
    ...rows.flatMap(({ pair, needless }) => needless.map((one) => `needless in ${pair}: ${one}`)),
    ...missing.map((name) => `${name}: its sources cannot be had here`),
    "constructing: processor time of `polus patchgen` and all that it runs, with nothing in its cache",
    "compiling: processor time of compiling each unit whose preprocessed text differs, once in each version",
    `all pairs: ratio ${costOf(rows).toFixed(1)} of the sums, ${geometricMean(rows).toFixed(1)} of a pair (geometric mean)`,
  ];
  return `${table(
    head,
    cells.map((row) => row.map(String)),
  )}\n\n${remarks.join("\n")}`;
}
