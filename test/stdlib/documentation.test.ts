/** What the files of the standard library say of themselves: complete, and true as far as a check goes. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { RecipeDeclaration } from "../../lang/ast.js";
import { loadScript, parse, SourceFile } from "../../lang/index.js";
import { fileDoc, recipeDoc } from "../../lang/recipe_docs.js";
import { memoryFiles } from "../lang/memory-files.js";
import { repositoryRoot } from "../support/repository.js";

const stdlib = join(repositoryRoot, "stdlib");
const libraries = readdirSync(stdlib)
  .filter((name) => name.endsWith(".polus"))
  .map((name) => new SourceFile(join(stdlib, name), readFileSync(join(stdlib, name), "utf8")));

function recipesOf(source: SourceFile): readonly RecipeDeclaration[] {
  const { script } = parse(source);
  return (script?.items ?? []).filter((item) => item.kind === "recipe");
}

/** Checks a script that imports the files as they are. */
function problemsOf(script: string): readonly string[] {
  const files = memoryFiles({
    "/example.polus": script,
    ...Object.fromEntries(libraries.map(({ path, text }) => [path, text])),
  });
  const { diagnostics } = loadScript("/example.polus", { stdlib, files });
  return diagnostics.map(({ code, message }) => `${code}: ${message}`);
}

test("every file and every recipe says what it is for, and every parameter what it stands for", () => {
  assert.ok(libraries.length >= 6);
  for (const source of libraries) {
    assert.match(fileDoc(source), /\.$/, source.path);
    const recipes = recipesOf(source);
    assert.ok(recipes.length > 0, source.path);
    for (const recipe of recipes) {
      const where = `${source.path}: ${recipe.name.text}`;
      const doc = recipeDoc(recipe);
      if (doc === null) throw new Error(`${where} has no comment`);
      assert.match(doc.summary, /^[A-Z].*\.$/, where);
      assert.equal(
        [...doc.parameters.keys()],
        recipe.parameters.map(({ text }) => text),
        where,
      );
    }
  }
});

test("every example is a whole script that passes the checks and uses its recipe", () => {
  for (const source of libraries) {
    for (const recipe of recipesOf(source)) {
      const where = `${source.path}: ${recipe.name.text}`;
      const example = recipeDoc(recipe)?.example ?? "";
      assert.match(example, new RegExp(`\\b${recipe.name.text}\\(`), where);
      assert.equal(problemsOf(example), [], where);
    }
  }
});

test("recipes of different files can be used together", () => {
  const imports = libraries.map(({ path }) => `import "std/${path.slice(stdlib.length + 1, -6)}"`);
  assert.equal(problemsOf(`${imports.join("\n")}\nprint 1\n`), []);
});

test("a comment's parts are told apart", () => {
  const source = new SourceFile(
    "a.polus",
    `// The file.

// Does a thing. And
// more of it.
//
// note: is no parameter
//
// x: the one
//   thing
// y: the other
//
// Example:
//
//     import "std/a"
//
//     if (x) {
//       both(x, y)
//     }
recipe both(x, y) {}

recipe bare() {}
`,
  );
  assert.is(fileDoc(source), "The file.");
  const [both, bare] = recipesOf(source);
  if (both === undefined || bare === undefined) throw new Error("not parsed");
  assert.equal(recipeDoc(both), {
    summary: "Does a thing.",
    paragraphs: ["And more of it.", "note: is no parameter"],
    parameters: new Map([
      ["x", "the one thing"],
      ["y", "the other"],
    ]),
    example: 'import "std/a"\n\nif (x) {\n  both(x, y)\n}\n',
  });
  assert.is(recipeDoc(bare), null);
});

test.run();
