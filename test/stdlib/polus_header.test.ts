import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const include = resolve(import.meta.dirname, "../../../stdlib/include");
const folder = mkdtempSync(join(tmpdir(), "polus-header-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const patch = `
#include <polus.h>
struct table;
extern struct table *store POLUS_GLOBAL(store);
extern unsigned hits POLUS_STATIC(hits, "table.c");
extern int grow(struct table *) POLUS_STATIC(grow, "table.c");
extern int calls POLUS_STATIC_LOCAL(calls, 3, "table.c");
extern int plain(void);
int lookup_fixed(void) { return grow(store) + (int)hits++ + calls + plain(); }
int erase_fixed(void) { return 0; }
POLUS_REPLACE(lookup, lookup_fixed);
POLUS_REPLACE(erase, erase_fixed);
`;

function compile(...flags: string[]): string {
  const source = join(folder, "patch.c");
  const object = join(folder, "patch.so");
  writeFileSync(source, patch);
  const warnings = ["-Wall", "-Wextra", "-Werror", "-pedantic"];
  const args = [...warnings, ...flags, "-shared", "-fPIC", "-I", include, "-o", object, source];
  execFileSync("gcc", args, { stdio: "pipe" });
  return object;
}

for (const flags of [["-O0"], ["-O2", "-g"], ["-O2", "-ffunction-sections", "-Wl,--gc-sections"]]) {
  test(`labels name exactly what is meant (${flags.join(" ")})`, () => {
    const undefinedNames = execFileSync("nm", ["-D", "-u", compile(...flags)], { encoding: "utf8" })
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line.startsWith("U "))
      .map((line) => line.slice(2))
      .sort();
    assert.equal(undefinedNames, [
      "calls.3$table.c",
      "grow$table.c",
      "hits$table.c",
      "plain",
      "store$",
    ]);
  });

  test(`replacements are plain text in their section (${flags.join(" ")})`, () => {
    const object = compile(...flags);
    const bytes = join(folder, "section");
    execFileSync("objcopy", ["-O", "binary", "-j", ".polus_replace", object, bytes]);
    const text = execFileSync("cat", [bytes], { encoding: "latin1" });
    assert.equal(text.split("\0").filter(Boolean).sort(), [
      "erase=erase_fixed",
      "lookup=lookup_fixed",
    ]);
    assert.is(text.at(-1), "\0");
  });
}

test("the same function cannot be replaced twice", () => {
  const source = join(folder, "twice.c");
  writeFileSync(source, `${patch}\nPOLUS_REPLACE(erase, lookup_fixed);\n`);
  assert.throws(
    () => execFileSync("gcc", ["-c", "-I", include, "-o", "/dev/null", source], { stdio: "pipe" }),
    /redefinition of .polus_replace_erase/,
  );
});

test.run();
