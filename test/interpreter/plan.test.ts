/** From a checked script to a plan, without files or processes. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { diskFiles } from "../../lang/files.js";
import { loadScript } from "../../lang/index.js";
import { buildPlan, type Plan } from "../../interpreter/plan/plan.js";
import { planToJson, planToText } from "../../interpreter/plan/show.js";

function plan(text: string, files: Readonly<Record<string, string>> = {}): Plan {
  const all: Record<string, string> = { ...files, "/s/main.polus": text };
  const { script, diagnostics } = loadScript("/s/main.polus", {
    stdlib: "/std",
    files: {
      ...diskFiles,
      read: (path) => {
        const content = all[path];
        return content === undefined
          ? { kind: "missing" }
          : { kind: "read", bytes: Buffer.from(content) };
      },
      probe: () => ({ kind: "file" }),
      list: () => [],
    },
  });
  if (script === null) throw new Error(JSON.stringify(diagnostics));
  return buildPlan(script);
}

const ordered = `update u {
  target { exe "x" }
  patch last from "l.so" after middle { replace l }
  patch middle from "m.so" after first { replace m }
  patch first from "f.so" { replace f }
  rollback point before_last before last
  rollback point after_first after first
  on failure rollback to after_first
  complete within 1500us
}`;

test("patches come in the order of the graph and points at their positions", () => {
  const [update] = plan(ordered).updates;
  assert.equal(
    update?.checked.patches.map((patch) => patch.name),
    ["first", "middle", "last"],
  );
  assert.equal(
    update?.checked.points.map(({ name, position }) => [name, position]),
    [
      ["start", 0],
      ["before_last", 2],
      ["after_first", 1],
    ],
  );
  assert.equal(update?.onFailure, { kind: "rollback", point: "after_first", position: 1 });
  assert.is(update?.completeWithinMs, 1.5);
});

test("without statements the updates are the steps, in file order", () => {
  const made = plan(`update a { patch p from "a.so" { replace f } }
    update b { patch p from "b.so" { replace f } }`);
  assert.is(made.order, "file");
  assert.equal(
    made.steps.map((step) => step.kind === "apply" && step.update.name),
    ["a", "b"],
  );
});

test("with statements they are the steps; imported updates are planned when they are named", () => {
  const made = plan(
    `import "other.polus"
     const limit = 3
     print "limit", limit
     apply theirs
     rollback to theirs.start`,
    { "/s/other.polus": 'update theirs { patch p from "a.so" { replace f } }' },
  );
  assert.is(made.order, "statements");
  assert.equal(
    made.steps.map((step) => step.kind === "statement" && step.statement.kind),
    ["print", "apply", "rollback"],
  );
  assert.equal(
    made.updates.map((update) => [update.name, update.applied]),
    [["theirs", true]],
  );
});

test("updates that recipes get as arguments are planned too, each for what is done with it", () => {
  const made = plan(
    `import "recipes.polus"
     update one { patch p from "a.so" { replace f } }
     update two { patch p from "b.so" { replace f } }
     recipe both(first, second) { trial(first) apply second back(second) }
     both(one, two)
     back(two)`,
    {
      "/s/recipes.polus": `recipe trial(which) { apply which back(which) }
        recipe back(which) { rollback to which.start }`,
    },
  );
  assert.equal(
    made.updates.map((update) => [update.name, update.applied]),
    [
      ["one", true],
      ["two", true],
    ],
  );
  const only = plan(`update one { patch p from "a.so" { replace f } }
    update two { patch p from "b.so" { replace f } }
    recipe back(which) { rollback to which.start }
    back(one) recipe on(one) { apply one } on(two) on(one)`);
  assert.equal(
    only.updates.map((update) => [update.name, update.applied]),
    [
      ["one", true],
      ["two", true],
    ],
  );
});

test("a plan is data: it goes into JSON and text without any file being read", () => {
  const made = plan(ordered);
  const json = JSON.parse(JSON.stringify(planToJson(made, new Map())));
  assert.equal(json.steps, [{ step: "apply", update: "u" }]);
  const [update] = json.updates;
  assert.equal(update.on_failure, { action: "rollback", point: "after_first" });
  assert.equal(update.patches[0], {
    name: "first",
    source: "object",
    path: "/s/f.so",
    digest: null,
    bytes: null,
    after: [],
    replace: [{ function: "f", in: null, with: null }],
    data: [],
  });
  const lines = planToText(made, new Map()).split("\n");
  const at = (text: string): number => lines.findIndex((line) => line.includes(text));
  const places = [
    "point start",
    "patch first",
    "point after_first",
    "patch middle",
    "point before_last",
    "patch last",
  ].map(at);
  assert.ok(
    places.every((place) => place >= 0),
    lines.join("\n"),
  );
  assert.equal(
    places,
    [...places].sort((left, right) => left - right),
  );
});

test.run();
