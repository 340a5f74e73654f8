/**
 * Wrong scripts and exactly what is said about them: `golden/NAME.polus` and
 * `NAME.expected`. A first line `// vars: a=1 b=2` gives `--var` options. With
 * UPDATE_GOLDEN=1 the expectations are written instead; read the difference.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { codes, loadScript, renderDiagnostics } from "../../lang/index.js";
import { memoryFiles } from "./memory-files.js";

const folder = fileURLToPath(new URL("../../../test/lang/golden/", import.meta.url));
const update = process.env["UPDATE_GOLDEN"] === "1";

/** Everything under the folder as `/golden/…`, and the patch objects that scripts name. */
function virtualFiles() {
  const contents: Record<string, string | Uint8Array> = {
    "/golden/p.so": "",
    "/golden/q.so": "",
    "/golden/r.so": "",
    "/golden/p.c": "",
    "/golden/folder.so/inside": "",
  };
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (name.endsWith(".polus")) contents[`/golden/${name}`] = readFileSync(join(folder, name));
  }
  return memoryFiles(contents);
}

const files = virtualFiles();
const test = suite("golden");
const seen = new Set<string>();
const names = readdirSync(folder)
  .filter((name) => name.endsWith(".polus"))
  .sort();

for (const name of names) {
  test(name, () => {
    const text = readFileSync(join(folder, name), "utf8");
    const vars = /^\/\/ vars: (.*)$/m.exec(text)?.[1]?.split(" ") ?? [];
    const { script, diagnostics } = loadScript(`/golden/${name}`, {
      stdlib: "/golden/std",
      files,
      vars,
    });
    for (const { code } of diagnostics) seen.add(code);
    assert.is(
      script === null,
      diagnostics.some(({ severity }) => severity === "error"),
      "a script exactly if there is no error",
    );
    assert.ok(diagnostics.length > 0, "something is wrong with every script here");
    const rendered = renderDiagnostics(diagnostics).replaceAll("/golden/", "");
    const expected = join(folder, name.replace(/\.polus$/, ".expected"));
    if (update) writeFileSync(expected, rendered);
    assert.fixture(rendered, readFileSync(expected, "utf8"));
  });
}

test("every message has a script that shows it", () => {
  assert.ok(names.length >= 40);
  const unseen = Object.keys(codes).filter((code) => !seen.has(code));
  assert.equal(unseen, ["unreadable-script"]);
});

test.run();
