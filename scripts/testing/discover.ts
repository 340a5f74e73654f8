/** Which test files there are, and what each says of itself in its first lines. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** One test file, as it is to be run. */
export interface TestFile {
  /** Path that people see, relative to the root. */
  readonly name: string;
  /** What Node is to run. */
  readonly script: string;
  readonly timeLimitMs: number;
  /** No other test file may run at the same time. */
  readonly exclusive: boolean;
  /** Why the file may skip tests; `null`: a skipped test is a failure. */
  readonly maySkip: string | null;
  /** Faults that can be seen from the text alone; the file fails if there are any. */
  readonly faults: readonly string[];
}

export const defaultTimeLimitMs = 120_000;

type Directives = Pick<TestFile, "timeLimitMs" | "exclusive" | "maySkip" | "faults">;

/**
 * Reads the directives in a file's leading `//` lines, each on a line of its own:
 * `// exclusive`, `// timeout 300s`, `// may skip: REASON`.
 */
export function readDirectives(text: string): Directives {
  let timeLimitMs = defaultTimeLimitMs;
  let exclusive = false;
  let maySkip: string | null = null;
  const faults: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("#!")) continue;
    const comment = /^\/\/\s*(.*?)\s*$/.exec(line)?.[1];
    if (comment === undefined) break;
    const timeout = /^timeout:?\s+(\d+)\s*s$/.exec(comment);
    const skip = /^may skip:\s*(\S.*)$/.exec(comment);
    if (comment === "exclusive") exclusive = true;
    else if (timeout) timeLimitMs = Number(timeout[1]) * 1000;
    else if (skip) maySkip = skip[1] ?? null;
    else if (/^(exclusive|timeout|may skip)\b/.test(comment)) {
      faults.push(`cannot read the directive "// ${comment}"`);
    }
  }
  return { timeLimitMs, exclusive, maySkip, faults };
}

/** Traps of uvu that its output does not show: a suite that is never run, `only` left in. */
export function textualFaults(text: string): string[] {
  const faults: string[] = [];
  const suites = [...text.matchAll(/^\s*(?:const|let)\s+(\w+)\s*=\s*suite\b/gm)].map((m) => m[1]);
  if (/^import\s*\{[^}]*\btest\b[^}]*\}\s*from\s*["']uvu["']/m.test(text)) suites.push("test");
  for (const suite of suites) {
    if (suite !== undefined && !new RegExp(`\\b${suite}\\.run\\(\\)`).test(text)) {
      faults.push(`${suite}.run() is never called`);
    }
    if (suite !== undefined && new RegExp(`\\b${suite}\\.only\\(`).test(text)) {
      faults.push(`${suite}.only() leaves the other tests out`);
    }
  }
  return faults;
}

/** Describes one file; `source` is what a person wrote, `script` what Node runs. */
export function describeTestFile(name: string, source: string, script: string): TestFile {
  const text = readFileSync(source, "utf8");
  const directives = readDirectives(text);
  return { name, script, ...directives, faults: [...directives.faults, ...textualFaults(text)] };
}

/**
 * All `*.test.ts` files below `root`/test, in order of their paths. Found by source, so
 * that a compiled file whose source is gone is not run and a missing one fails.
 */
export function discoverTestFiles(root: string): TestFile[] {
  const entries = readdirSync(join(root, "test"), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
    .map((name) =>
      describeTestFile(name, join(root, name), join(root, "dist", name.replace(/\.ts$/, ".js"))),
    );
}
