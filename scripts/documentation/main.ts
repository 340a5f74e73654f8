/** `scripts/reference [--check]`: writes the reference pages, or says which are out of date. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makePages } from "./pages.js";

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const root = process.cwd();
for (const [name, text] of await makePages(root)) {
  const path = join(root, name);
  if (!values.check) {
    mkdirSync(join(root, "docs"), { recursive: true });
    writeFileSync(path, text);
    continue;
  }
  if (readFileSync(path, "utf8") === text) continue;
  process.stderr.write(`${name} is out of date: run scripts/reference\n`);
  process.exitCode = 1;
}
