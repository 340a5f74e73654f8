import { test } from "uvu";
import * as assert from "uvu/assert";
import type { PolusRun } from "../../scripts/demonstration/polus.js";
import {
  formatReport,
  formatTable,
  phaseNames,
  problemsOf,
  type DemoReport,
} from "../../scripts/demonstration/report.js";

function commandRun(outcome: string, exitCode = 0): PolusRun {
  return {
    exitCode,
    lines: [],
    done: { outcome, pids: [7], functions: 1, stallUsMax: 321, stoppedThreadsMax: 9 },
    errors: "",
    wallMs: 88,
  };
}

const good: DemoReport = {
  title: "a server",
  phases: phaseNames.map((phase) => ({
    phase,
    requests: 10,
    failed: 0,
    maxUs: 1500,
    firstFailure: null,
  })),
  answers: [{ question: "COUNT", before: ":81", updated: ":100", after: ":81" }],
  apply: commandRun("applied"),
  rollback: commandRun("rolled-back"),
  problems: [],
};

test("a run in which all held has no problems", () => {
  assert.equal(problemsOf(good), []);
  assert.match(formatReport(good), /All of this held/);
  assert.match(formatReport(good), /in all +50 +0/);
});

const spoiled: readonly (readonly [string, Partial<DemoReport>, RegExp])[] = [
  [
    "a failed request",
    {
      phases: good.phases.map((p) =>
        p.phase === "updated" ? { ...p, failed: 1, firstFailure: "GET x" } : p,
      ),
    },
    /1 failed with the update: GET x/,
  ],
  [
    "a phase without requests",
    { phases: good.phases.map((p) => ({ ...p, requests: 0 })) },
    /no request/,
  ],
  ["a missing phase", { phases: good.phases.slice(1) }, /nothing was measured before/],
  [
    "an update that changes nothing",
    { answers: [{ question: "COUNT", before: ":81", updated: ":81", after: ":81" }] },
    /did not change the answer to COUNT/,
  ],
  [
    "a rollback that does not bring the old back",
    { answers: [{ question: "COUNT", before: ":81", updated: ":100", after: ":100" }] },
    /did not bring the answer to COUNT back/,
  ],
  [
    "another outcome",
    { apply: commandRun("skipped") },
    /polus run exited with 0 and did not say "applied"/,
  ],
  ["an exit code", { rollback: commandRun("rolled-back", 4) }, /polus rollback exited with 4/],
  [
    "a command that died",
    { apply: { ...commandRun(""), done: null, exitCode: null } },
    /outcome none/,
  ],
  ["what the example itself found", { problems: ["the server ended"] }, /the server ended/],
];

for (const [what, change, problem] of spoiled) {
  test(`${what} is a problem`, () => {
    const report = { ...good, ...change };
    assert.match(problemsOf(report).join("\n"), problem);
    assert.match(formatReport(report), /NOT HELD/);
    assert.not.match(formatReport(report), /All of this held/);
  });
}

test("table columns line up", () => {
  assert.is(
    formatTable([
      ["", "n", "text"],
      ["long title", "12345", "x"],
    ]),
    "                   n   text\n  long title   12345      x\n",
  );
});

test.run();
