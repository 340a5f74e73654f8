/** The reference pages are what the sources say; scripts in any page of the repository are right. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { builtins } from "../../lang/builtins.js";
import { loadScript } from "../../lang/index.js";
import { statementKeywords } from "../../lang/keywords.js";
import { builtinEntries, statementEntries } from "../../lang/reference.js";
import { makePages } from "../../scripts/documentation/pages.js";
import { memoryFiles } from "../lang/memory-files.js";
import { buildTarget } from "../support/target_process.js";
import { LivePlace } from "../interpreter/live_run.js";
import { repositoryRoot } from "../support/repository.js";

function committed(pattern: string): readonly string[] {
  const listed = execFileSync(
    "git",
    ["ls-files", "--cached", "--others", "--exclude-standard", pattern],
    {
      cwd: repositoryRoot,
      encoding: "utf8",
    },
  );
  return listed.split("\n").filter((name) => name !== "");
}

function read(name: string): string {
  return readFileSync(join(repositoryRoot, name), "utf8");
}

test("the pages are up to date", async () => {
  const pages = await makePages(repositoryRoot);
  assert.is(pages.size, 2);
  for (const [name, text] of pages) {
    assert.ok(read(name) === text, `${name} is out of date: run scripts/reference`);
  }
});

test("every statement and every built-in is told of", () => {
  const words = new Set(statementEntries.map(({ word }) => word));
  for (const word of statementKeywords) assert.ok(words.has(word), word);
  assert.equal(Object.keys(builtinEntries).sort(), [...builtins.keys()].sort());
});

test("the members of built-ins are those that there are", async () => {
  const place = new LivePlace();
  const program = buildTarget({ name: "basic" });
  const members = Object.entries(builtinEntries).flatMap(([name, entry]) =>
    Object.keys(entry.members).map((member) =>
      name === "memory"
        ? `print memory().${member}`
        : `print ${name === "stack" ? "stack(1)" : `${name}()`}[0].${member}`,
    ),
  );
  assert.ok(members.length > 30);
  const right = await place.json(
    "check",
    place.file("right.polus", members.join("\n")),
    "--exe",
    program,
  );
  assert.is(right.code, 0, right.finished.stderr);
  const wrong = place.file("wrong.polus", "print threads()[0].none");
  assert.is((await place.json("check", wrong, "--exe", program)).code, 2);
});

const blocks = committed("*.md").flatMap((name) =>
  [...read(name).matchAll(/^```polus\n([\s\S]*?)^```$/gm)].map(([, text = ""], index) => ({
    where: `${name}, script ${index + 1}`,
    text,
  })),
);

test("scripts in pages pass the checks", () => {
  assert.ok(blocks.length > 40, `${blocks.length}`);
  const stdlib = join(repositoryRoot, "stdlib");
  const libraries = committed("stdlib/*.polus").map((name) => [
    join(repositoryRoot, name),
    read(name),
  ]);
  for (const { where, text } of blocks) {
    const patches = [...text.matchAll(/ from "([^"]+)"/g)].map(([, name = ""]) => [`/${name}`, ""]);
    const files = memoryFiles({
      "/script.polus": text,
      ...Object.fromEntries([...patches, ...libraries]),
    });
    const { diagnostics } = loadScript("/script.polus", { stdlib, files });
    const problems = diagnostics
      .filter(({ code }) => code !== "not-supported")
      .map(({ code, message }) => `${code}: ${message}`);
    assert.equal(problems, [], where);
  }
});

test("all scripts are formatted as `polus fmt` does it", async () => {
  const scripts = [...committed("stdlib/*.polus"), ...committed("examples/**/*.polus")];
  assert.ok(scripts.length >= 12, scripts.join(" "));
  const paths = scripts.map((name) => join(repositoryRoot, name));
  const run = await new LivePlace().polus("fmt", "--check", ...paths);
  assert.is(run.code, 0, run.stderr);
});

test.run();
