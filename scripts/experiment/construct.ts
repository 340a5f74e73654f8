/** Constructs a case's updates from the sources of its versions, as a developer would: `polus patchgen`, `polus build`. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { projectRoot } from "../demonstration/polus.js";
import type { PrepareOptions, UpdateFiles } from "./case.js";
import { countTypes } from "./changes.js";
import { countLines } from "./hand_written.js";

/** A version to go to. */
export interface ConstructedStep {
  readonly name: string;
  /** Its source, built, with a `compile_commands.json`. */
  readonly version: string;
  /** A unified diff against the constructed patch, seen from the checkout's root: what a person has decided. */
  readonly adjustment?: string;
  /** The same against the new version's source, which `version` has already: seen from the checkout's root, too. */
  readonly fitted?: string;
}

export interface ConstructRequest extends PrepareOptions {
  /** The first version's source, and the program that was built of it and runs. */
  readonly base: string;
  readonly binary: string;
  /** One after another; each update expects those before it. */
  readonly steps: readonly ConstructedStep[];
  /** Made anew. */
  readonly folder: string;
}

const timeLimitMs = 600_000;

/** @throws when a command fails */
export function constructUpdates(request: ConstructRequest): readonly UpdateFiles[] {
  const { base, binary, steps, folder, say, anew } = request;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const environment = anew
    ? { ...process.env, XDG_CACHE_HOME: join(folder, "cache") }
    : process.env;
  const polus = (...words: readonly string[]): string => {
    const { status, stdout, stderr, error } = spawnSync(`${projectRoot}/bin/polus`, words, {
      encoding: "utf8",
      env: environment,
      timeout: timeLimitMs,
      maxBuffer: 1 << 26,
    });
    if (status === 0) return stdout;
    throw new Error(`polus ${words.join(" ")} failed: ${error?.message ?? stderr.slice(-4000)}`);
  };
  const updates: UpdateFiles[] = [];
  const after: string[] = [];
  let old = base;
  for (const { name, version, adjustment, fitted } of steps) {
    say(`constructing ${name}`);
    const out = join(folder, name);
    const begun = performance.now();
    polus(
      ...["patchgen", "--old", old, "--new", version, "--binary", binary, "--out", out],
      ...after.flatMap((one) => ["--after", one]),
    );
    const generated = readdirSync(out)
      .filter((file) => file.endsWith(".c") || file.endsWith(".polus"))
      .reduce((sum, file) => sum + countLines(readFileSync(join(out, file), "utf8")), 0);
    const byHand = [
      fitted === undefined ? none : addedLines(join(projectRoot, fitted)),
      adjustment === undefined ? none : adjust(out, join(projectRoot, adjustment)),
    ];
    polus("build", out);
    const object = join(out, "update.so");
    const report = readFileSync(join(out, "report.md"), "utf8");
    const oldProgram = join(old, relative(base, binary));
    updates.push({
      name,
      script: join(out, "update.polus"),
      objects: [object],
      lines: {
        generated,
        cByHand: byHand.reduce((sum, { c }) => sum + c, 0),
        scriptByHand: byHand.reduce((sum, { script }) => sum + script, 0),
      },
      constructSeconds: (performance.now() - begun) / 1000,
      changes: { types: countTypes(oldProgram, object), globals: countDiffering(report) },
      unreached: countUnreached(report),
    });
    after.push(out);
    old = version;
  }
  rmSync(join(folder, "cache"), { recursive: true, force: true });
  return updates;
}

interface LinesByHand {
  readonly c: number;
  readonly script: number;
}

const none: LinesByHand = { c: 0, script: 0 };

/** Applies the diff; the lines that it adds. */
function adjust(out: string, file: string): LinesByHand {
  const { status, stdout, stderr } = spawnSync(
    "patch",
    ["-p1", "--no-backup-if-mismatch", "-d", out, "-i", file],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`${file} does not fit any more: ${stdout}${stderr}`);
  return addedLines(file);
}

function addedLines(file: string): LinesByHand {
  const lines = { c: 0, script: 0 };
  let inScript = false;
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line.startsWith("+++ ")) inScript = line.includes(".polus");
    else if (line.startsWith("+") && line.trim() !== "+") lines[inScript ? "script" : "c"]++;
  }
  return lines;
}

/** Variables that differ in their type, their size or what they begin with: rows of the report's table. */
function countDiffering(report: string): number {
  const [, section = ""] = report.split("## What differs in data\n");
  const rows = section
    .split("\n## ", 1)[0]
    ?.split("\n")
    .filter((line) => line.startsWith("| "));
  // Without the head and the line below it.
  return Math.max(0, (rows?.length ?? 0) - 2);
}

function countUnreached(report: string): number {
  return report.split("\n").filter((line) => / is not reached: /.test(line)).length;
}
