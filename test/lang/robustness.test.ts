// timeout 420s
/** Whatever the text: diagnostics, never an exception; and in bounded time. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadScript, parse, renderDiagnostics, SourceFile } from "../../lang/index.js";
import { formatScript } from "../../lang/format/format.js";
import { tokenize } from "../../lang/tokens.js";
import { memoryFiles } from "./memory-files.js";
import { readFileSync } from "node:fs";

const test = suite("robustness");

const seed = readFileSync(new URL("../../../test/lang/contract.polus", import.meta.url), "utf8");

const statements = `
set a.b[1] = -c * (struct s *) d ? 1 : 0x1fU
let x = call f(1, "text")->q
if (a == 'c') { print (a) - 1, 5s, 4KiB } else if (b in "a.c") { fail "no" } else { break }
for i in list(head, next) { wait until i::x within 250ms }
patch update on within recover otherwise check c in
update u { patch p { c { int x; } replace x } on failure keep }
apply u rollback to u.start
`;

const text = seed + statements;
const tokens = tokenize(text).tokens.map(({ image }) => image);
const oddities = [
  "",
  "\n",
  " ",
  "{",
  "}",
  "(",
  ")",
  '"',
  "'",
  "/*",
  "//",
  "@",
  "\u0000",
  "🙂",
  "5x",
  "\\",
];

/** Loads a text as a script and draws what is said: all of the front end. */
function loadText(content: string): void {
  const files = memoryFiles({ "/s.polus": content, "/p.so": "", "/std/counters.polus": "" });
  const { script, diagnostics } = loadScript("/s.polus", { stdlib: "/std", files });
  const drawn = renderDiagnostics(diagnostics);
  assert.is(
    script === null,
    diagnostics.some(({ severity }) => severity === "error"),
  );
  for (const { span } of diagnostics) {
    if (span === undefined) throw new Error("a diagnostic of a script without a place");
    assert.ok(span.start >= 0 && span.end >= span.start && span.end <= span.file.text.length);
  }
  assert.not.match(drawn, /NaN|undefined|\[object/);
  // What is still a script is formatted, and formatting it again changes nothing.
  const file = new SourceFile("/s.polus", content);
  const formatted = formatScript(file);
  assert.is(formatted.kind === "formatted", parse(file).script !== null);
  if (formatted.kind !== "formatted") return;
  const again = formatScript(new SourceFile("/s.polus", formatted.text));
  assert.is(again.kind === "formatted" && again.text, formatted.text, "not idempotent");
}

test("10,000 scripts with tokens removed, doubled, exchanged and replaced", () => {
  const place = fc.nat({ max: tokens.length - 1 });
  const change = fc.oneof(
    fc.record({ kind: fc.constant("remove" as const), at: place }),
    fc.record({ kind: fc.constant("double" as const), at: place }),
    fc.record({ kind: fc.constant("exchange" as const), at: place, with: place }),
    fc.record({ kind: fc.constant("replace" as const), at: place, with: place }),
    fc.record({ kind: fc.constant("odd" as const), at: place, with: fc.constantFrom(...oddities) }),
    fc.record({ kind: fc.constant("cut" as const), at: place }),
  );
  const separator = fc.constantFrom(" ", "\n");
  const began = performance.now();
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), separator, (changes, between) => {
      let images: string[] = [...tokens];
      for (const one of changes) {
        const at = Math.min(one.at, images.length - 1);
        const here = images[at] ?? "";
        if (one.kind === "remove") images.splice(at, 1);
        else if (one.kind === "double") images.splice(at, 0, here);
        else if (one.kind === "odd") images[at] = one.with;
        else if (one.kind === "cut") images = images.slice(0, at);
        else if (one.kind === "replace") images[at] = tokens[one.with] ?? "";
        else {
          images[at] = images[one.with] ?? "";
          images[one.with] = here;
        }
      }
      loadText(images.join(between));
    }),
    { numRuns: 10_000, interruptAfterTimeLimit: 250_000, markInterruptAsFailure: true },
  );
  console.log(`10,000 changed scripts in ${Math.round(performance.now() - began)} ms`);
});

test("500 texts of random pieces", () => {
  const pieces = fc.array(fc.constantFrom(...oddities, ...tokens.slice(0, 200)), { maxLength: 60 });
  fc.assert(
    fc.property(pieces, (images) => loadText(images.join(" "))),
    { numRuns: 500, interruptAfterTimeLimit: 30_000, markInterruptAsFailure: true },
  );
});

test("300 random byte strings", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const files = memoryFiles({ "/s.polus": bytes });
      const { diagnostics } = loadScript("/s.polus", { stdlib: "/std", files });
      renderDiagnostics(diagnostics);
    }),
    { numRuns: 300 },
  );
});

test("every beginning of a script is either right or said to be wrong", () => {
  for (let end = 0; end < text.length; end += 17) loadText(text.slice(0, end));
});

test("nesting without end is refused, not followed", () => {
  const deep = 10_000;
  for (const content of [
    `print ${"(".repeat(deep)}`,
    `print ${"-".repeat(deep)}1`.replaceAll("--", "- "),
    `print ${"!".repeat(deep)}1`,
    `print ${"a[".repeat(deep)}`,
    `print ${"f(".repeat(deep)}`,
    `print ${"sizeof ".repeat(deep)}x`,
    `print ${"a ? ".repeat(deep)}`,
    `print ${"a ? b : ".repeat(deep)}c`,
    `print ${"(int) ".repeat(deep)}c`,
    "if (a) {".repeat(deep),
    `${"if (a) { } else ".repeat(deep)}{ }`,
  ]) {
    const { script, diagnostics } = parse(new SourceFile("deep", content));
    assert.is(script, null);
    assert.ok(
      diagnostics.some(({ code }) => code === "too-deep"),
      content.slice(0, 20),
    );
  }
});

test("chains have a limit, up to which they are no trouble", () => {
  const operators = (count: number): readonly string[] => [
    `print ${"1 + ".repeat(count)}1`,
    `print ${"(a) - ".repeat(count)}b`,
    `print a${".b".repeat(count)}`,
    `print a${"[1]".repeat(count)}`,
  ];
  const codesOf = (content: string): readonly string[] =>
    parse(new SourceFile("long", content)).diagnostics.map(({ code }) => code);
  for (const content of operators(1_000)) {
    assert.equal(codesOf(content), []);
    loadText(content);
  }
  for (const content of operators(1_001)) assert.equal(codesOf(content), ["too-deep"]);
});

test("long lists are no trouble", () => {
  loadText(`print ${Array.from({ length: 20_000 }, (_, i) => i).join(", ")}`);
  loadText("}".repeat(5_000));
  loadText("{".repeat(5_000));
  loadText("update u {".repeat(2_000));
});

test("5,000 lines", () => {
  const lines = ["const limit = 5"];
  for (let i = 0; lines.length < 5_000; i++) {
    lines.push(
      `update u${i} "number ${i}" {`,
      '  target { exe "server" build_id "5b0c1e4f" scope tree }',
      '  patch one from "p.so" {',
      `    replace f${i} in "a.c" with g${i}   // a comment`,
      `    replace h${i}`,
      "  }",
      '  patch two from "p.so" after one { replace k }',
      "  rollback point mid before two",
      "  complete within limit * 2s",
      "}",
      `print "update ${i}", limit * ${i} + (2 << 3)`,
      `apply u${i}`,
    );
  }
  const content = lines.join("\n");
  const files = memoryFiles({ "/s.polus": content, "/p.so": "" });
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    const began = performance.now();
    const { script, diagnostics } = loadScript("/s.polus", { stdlib: "/std", files });
    times.push(performance.now() - began);
    assert.equal(diagnostics, []);
    assert.is(script?.updates.length, script?.statements.filter((s) => s.kind === "apply").length);
  }
  const shown = times.map((time) => `${Math.round(time)} ms`).join(", ");
  console.log(`${lines.length} lines parsed and checked in ${shown}`);
  // Far above what it takes, so that only a change of its order of growth fails here.
  assert.ok(Math.min(...times) < 5_000);
});

test.run();
