/** Whatever the script and however it is written: nothing is lost and nothing changes its meaning. */
import * as fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatScript, standardLayout } from "../../../lang/format/format.js";
import { commentsOf, sameTree } from "../../../lang/format/equivalence.js";
import { sourceTokens } from "../../../lang/format/source_tokens.js";
import { parse } from "../../../lang/parse.js";
import { SourceFile } from "../../../lang/source.js";
import { tokenize } from "../../../lang/tokens.js";
import { scriptTokens, writeDown, writing } from "./random_script.js";

const test = suite("properties");
const runs = Number(process.env["POLUS_FORMAT_RUNS"] ?? 1_500);

/** Narrow ones break wherever it is allowed at all. */
const width = fc.constantFrom(80, 80, 40, 20, 1);

/** Formats a text if it is a script at all; tells whether it was. */
function examine(text: string, printWidth = standardLayout.printWidth): boolean {
  const file = new SourceFile("random.polus", text);
  const { script } = parse(file);
  const layout = { ...standardLayout, printWidth };
  const result = formatScript(file, layout);
  if (script === null) {
    assert.is(result.kind, "rejected");
    return false;
  }
  if (result.kind !== "formatted") throw new Error("a script without mistakes was rejected");
  const formatted = new SourceFile("random.polus", result.text);
  const again = parse(formatted).script;
  assert.ok(again !== null && sameTree(script, again), "the tree changed");
  assert.equal(commentsOf(formatted), commentsOf(file));
  const second = formatScript(formatted, layout);
  assert.is(second.kind === "formatted" && second.text, result.text, "the second pass differs");
  for (const { before } of sourceTokens(formatted)) {
    const newlines = before.comments.map(({ newlinesBefore }) => newlinesBefore);
    assert.ok(Math.max(before.newlinesAfter, ...newlines) <= 2, "more than one blank line");
  }
  return true;
}

function report(what: string, accepted: number, tried: number): void {
  console.log(`${what}: ${accepted} of ${tried} texts were scripts`);
  assert.ok(accepted > tried / 10, "too few texts were scripts to prove anything");
}

test("random scripts, with comments between any two tokens", () => {
  let accepted = 0;
  let tried = 0;
  fc.assert(
    fc.property(scriptTokens, writing, width, (tokens, way, printWidth) => {
      tried++;
      if (examine(writeDown(tokens, way), printWidth)) accepted++;
    }),
    { numRuns: runs, interruptAfterTimeLimit: 120_000, markInterruptAsFailure: true },
  );
  report("random scripts", accepted, tried);
});

/** Every valid script of the tests and examples. */
function corpus(): readonly string[] {
  const root = fileURLToPath(new URL("../../../../", import.meta.url));
  const texts: string[] = [];
  for (const folder of ["test/lang", "examples", "stdlib"]) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".polus")) continue;
      const text = readFileSync(join(root, folder, name), "utf8");
      if (parse(new SourceFile(name, text)).script !== null) texts.push(text);
    }
  }
  return texts;
}

test("the scripts of this repository, written down anew", () => {
  const texts = corpus();
  assert.ok(texts.length >= 40);
  for (const text of texts) assert.ok(examine(text));
  const tokenized = texts.map((text) => tokenize(text).tokens.map(({ image }) => image));
  let accepted = 0;
  let tried = 0;
  fc.assert(
    fc.property(fc.constantFrom(...tokenized), writing, width, (tokens, way, printWidth) => {
      tried++;
      if (examine(writeDown(tokens, { ...way, semicolons: 10 }), printWidth)) accepted++;
    }),
    {
      numRuns: Math.ceil(runs / 3),
      interruptAfterTimeLimit: 120_000,
      markInterruptAsFailure: true,
    },
  );
  report("known scripts", accepted, tried);
});

test("parts of scripts put together", () => {
  const items = corpus().flatMap((text) => {
    const file = new SourceFile("corpus", text);
    return parse(file).script?.items.map(({ span }) => text.slice(span.start, span.end)) ?? [];
  });
  const separator = fc.constantFrom("\n", ";", "; // c\n", " /* d */ ; ", "\n\n\n/* e */ ");
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...items), separator), { maxLength: 6 }),
      (parts) => {
        examine(parts.flat().join(""));
      },
    ),
    { numRuns: Math.ceil(runs / 5), interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
});

test.run();
