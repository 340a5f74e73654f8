/** How soon the front end is through: a script of 5,000 lines, and the command itself. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median, quantile, table } from "./figures.js";
import type { BenchmarkOptions, Findings } from "./main.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Parsing and checking 5,000 lines in a process that has just started, milliseconds. */
const mostScriptMs = 300;

const lineCount = 5_000;

/** Updates, recipes, taints and statements of every kind. */
function longScript(): string {
  const lines = ["const limit = 5"];
  for (let i = 0; lines.length < lineCount - 24; i++) {
    lines.push(
      `update u${i} "number ${i}" {`,
      '  target { exe "server" build_id "5b0c1e4f" scope tree }',
      '  patch one from "p.so" {',
      `    replace f${i} in "a.c" with g${i}   // a comment`,
      "  }",
      '  patch two from "p.so" after one { replace k }',
      "  rollback point mid before two",
      `  taint t before one { check clients <= limit + ${i} recover { clamp${i}(clients, limit) } }`,
      "  complete within limit * 2s",
      "}",
      `recipe clamp${i}(counter, most) {`,
      `  if (counter > most) { set counter = most }`,
      "}",
      `if (conf.limits[${i}].max != head->next->value * 2 && !done) {`,
      `  for node in list(head, next) { print node->name, (long) node + ${i} }`,
      `  set table[${i}] = limit << 2 | 0x${i.toString(16)}`,
      "}",
      `let v${i} = sizeof(struct session) * ${i}`,
      `wait until clients in "main.c" < v${i} within 5s`,
      `print "update ${i}", limit * ${i} + (2 << 3)`,
      `apply u${i}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

const measure = `
const [tuned, index, script] = process.argv.slice(1);
await import(tuned);
const { loadScript } = await import(index);
const began = performance.now();
const { diagnostics } = loadScript(script, { stdlib: "/nowhere" });
const took = performance.now() - began;
if (diagnostics.length > 0) throw new Error(JSON.stringify(diagnostics[0].message));
console.log(took);
`;

export async function check({ rounds = 10, progress }: BenchmarkOptions): Promise<Findings> {
  const folder = mkdtempSync(join(tmpdir(), "polus-bench-"));
  try {
    const long = join(folder, "long.polus");
    const small = join(folder, "small.polus");
    writeFileSync(join(folder, "p.so"), "");
    writeFileSync(long, longScript());
    writeFileSync(small, 'update u { patch p from "p.so" { replace f } }\n');
    const command = join(root, "bin", "polus");
    const modules = [join(root, "bin", "tuned_v8.js"), join(root, "dist", "lang", "index.js")];
    const load = (): number =>
      Number(
        execFileSync(process.execPath, ["--input-type=module", "-e", measure, ...modules, long], {
          encoding: "utf8",
        }),
      );
    const timed = (words: readonly string[]) => (): number => {
      const began = performance.now();
      // A script whose patch is no object is refused; that takes no less time.
      try {
        execFileSync(command, words, { stdio: "ignore" });
      } catch {
        /* the exit code says so */
      }
      return performance.now() - began;
    };
    const rows: readonly (readonly [string, () => number])[] = [
      [`${lineCount} lines parsed and checked`, load],
      ["node itself", timedNode],
      ["polus --help", timed(["--help"])],
      ["polus check, a small script", timed(["check", small])],
      ["polus status", timed(["status"])],
    ];
    const samples = new Map<string, number[]>();
    for (let round = 0; round < rounds; round++) {
      progress(`check: round ${round + 1} of ${rounds}`);
      for (const [name, run] of rows) {
        samples.set(name, [...(samples.get(name) ?? []), run()]);
      }
    }
    const of = (name: string): readonly number[] => samples.get(name) ?? [];
    const loading = median(of(rows[0]?.[0] ?? ""));
    return {
      text: [
        `${rounds} rounds, each in a process of its own; milliseconds.`,
        "",
        table(
          ["", "median", "slowest tenth"],
          rows.map(([name]) => [
            name,
            median(of(name)).toFixed(0),
            quantile(of(name), 0.9).toFixed(0),
          ]),
        ),
      ].join("\n"),
      data: { rounds, samples: Object.fromEntries(samples) },
      faults:
        loading > mostScriptMs
          ? [`${lineCount} lines take ${loading.toFixed(0)} ms, more than ${mostScriptMs} ms`]
          : [],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function timedNode(): number {
  const began = performance.now();
  execFileSync(process.execPath, ["-e", "0"]);
  return performance.now() - began;
}
