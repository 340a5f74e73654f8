/** What a checked script holds for those who carry it out. */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CheckedScript, CheckedUpdate } from "../../../lang/check/checked.js";
import { loadScript, placeOf, textOf } from "../../../lang/index.js";
import { diskFiles } from "../../../lang/files.js";
import { memoryFiles } from "../memory-files.js";

const test = suite("load");

const contents = {
  "/scripts/lib/fixes.polus": `const depth = 3
update base { patch p from "base.so" { replace f } }`,
  "/scripts/lib/base.so": "",
  "/scripts/x.so": "",
  "/scripts/y.c": "",
  "/abs/z.so": "",
};

function load(text: string): CheckedScript {
  const files = memoryFiles({ ...contents, "/scripts/main.polus": text });
  const { script, diagnostics } = loadScript("/scripts/main.polus", { stdlib: "/std", files });
  assert.equal(
    diagnostics.map(({ message }) => message),
    [],
  );
  if (script === null) throw new Error("no script");
  return script;
}

function only(script: CheckedScript): CheckedUpdate {
  const [update] = script.updates;
  if (update === undefined || script.updates.length !== 1) throw new Error("not one update");
  return update;
}

const text = `const wait = 2 * 15s
update fix "A description" {
  complete within wait
  on failure rollback to mid
  rollback point end after one
  rollback point mid before two
  patch two from "x.so" after one, three {
    replace f in "src/str.c" with g
    replace h in "libfoo.so.1"
  }
  patch three { c { int k(void) { return 1; } } replace k }
  patch one from "y.c" { replace m }
  patch four from "/abs/z.so" { replace n }
  target { scope tree build_id "5B0C1E4F" exe "server" }
}
print "wait", wait
apply fix
rollback to fix.mid`;

test("patches stand in the order of application, points at their places", () => {
  const update = only(load(text));
  assert.equal(
    update.patches.map(({ name }) => name),
    ["three", "one", "two", "four"],
  );
  assert.equal(
    update.points.map(({ name, position }) => `${name} ${position}`),
    ["start 0", "end 2", "mid 2"],
  );
  assert.equal(update.onFailure, { kind: "rollback", point: "mid", position: 2 });
  assert.is(update.completeWithin?.value, 30_000_000_000n);
});

test("sources have absolute paths, or the text itself", () => {
  const update = only(load(text));
  const sources = update.patches.map(({ source }) =>
    source.kind === "inline" ? `inline ${source.text.trim()}` : `${source.kind} ${source.path}`,
  );
  assert.equal(sources, [
    "inline int k(void) { return 1; }",
    "c-file /scripts/y.c",
    "object /scripts/x.so",
    "object /abs/z.so",
  ]);
  const [inline] = update.patches;
  assert.is(
    inline?.source.kind === "inline" && textOf(inline.source.span),
    inline?.source.kind === "inline" && inline.source.text,
  );
});

test("names keep the places where they are written", () => {
  const update = only(load(text));
  const two = update.patches[2];
  const [first, second] = two?.replacements ?? [];
  assert.is(first && textOf(first.span), 'replace f in "src/str.c" with g');
  assert.is(first && textOf(first.function.span), "f");
  assert.is(first?.with && textOf(first.with.span), "g");
  assert.equal(first?.scope?.kind, "source");
  assert.is(first?.scope?.value, "src/str.c");
  assert.is(first?.scope && textOf(first.scope.span), '"src/str.c"');
  assert.is(second?.scope?.kind, "library");
  assert.is(second?.with, undefined);
  assert.is(textOf(update.span), "fix");
  assert.is(two && textOf(two.source.span), '"x.so"');
  assert.equal(update.target && placeOf(update.target.span), { line: 14, column: 3 });
  assert.is(update.target?.buildId?.value, "5b0c1e4f");
  assert.is(update.target?.buildId && textOf(update.target.buildId.span), '"5B0C1E4F"');
  assert.is(update.target?.exe?.value, "server");
  assert.is(update.target?.scope, "tree");
  assert.is(update.description, "A description");
});

test("statements are as written, with what their names stand for", () => {
  const script = load(text);
  const { statements, scope } = script;
  assert.equal(
    statements.map(({ kind }) => kind),
    ["print", "apply", "rollback"],
  );
  const [print, apply, rollback] = statements;
  assert.equal(
    print?.kind === "print" &&
      print.values.map((value) => script.constantValues.get(value)?.kind ?? "none"),
    ["string", "duration"],
  );
  assert.is(apply?.kind === "apply" && scope.updates.get(apply.update.text), only(script));
  assert.is(rollback?.kind === "rollback" && rollback.point.text, "mid");
  assert.is(only(script).scope, scope);
  assert.is(script.digest, createHash("sha256").update(text).digest("hex"));
  assert.is(script.path, "/scripts/main.polus");
});

test("defaults: no target, process, start, no waiting", () => {
  const update = only(load('update u { patch p from "x.so" { replace f } }'));
  assert.is(update.target, undefined);
  assert.is(update.completeWithin, undefined);
  assert.is(update.description, undefined);
  assert.equal(update.onFailure, { kind: "rollback", point: "start", position: 0 });
  assert.equal(
    update.points.map(({ name, position }) => [name, position]),
    [["start", 0]],
  );
  const scoped = only(load('update u { target { exe "a" } patch p from "x.so" { replace f } }'));
  assert.is(scoped.target?.scope, "process");
  const keeping = only(load('update u { on failure keep patch p from "x.so" { replace f } }'));
  assert.equal(keeping.onFailure, { kind: "keep" });
});

test("an imported update may be applied; its paths are relative to its own file", () => {
  const script = load(`import "lib/fixes.polus"\nprint depth\napply base\nrollback to base.start`);
  assert.equal(script.updates, []);
  const [base] = script.importedUpdates;
  const source = base?.patches[0]?.source;
  assert.is(source?.kind === "object" && source.path, "/scripts/lib/base.so");
  const apply = script.statements[1];
  assert.is(apply?.kind === "apply" && script.scope.updates.get(apply.update.text), base);
  assert.equal(
    script.files.map(({ path }) => path),
    ["/scripts/main.polus", "/scripts/lib/fixes.polus"],
  );
});

test("what is said about an imported file has its place there", () => {
  const files = memoryFiles({
    "/scripts/main.polus": 'import "lib/bad.polus"\nprint 1',
    "/scripts/lib/bad.polus": "const a = b\n",
  });
  const { script, diagnostics } = loadScript("/scripts/main.polus", { stdlib: "/std", files });
  assert.is(script, null);
  assert.equal(
    diagnostics.map(({ code, span }) => `${span?.file.path} ${code}`),
    ["/scripts/lib/bad.polus unknown-constant"],
  );
});

test("on the disk: missing, unreadable and strange files are told apart", () => {
  const folder = mkdtempSync(join(tmpdir(), "polus-lang-"));
  try {
    const path = (name: string): string => join(folder, name);
    writeFileSync(path("ok.polus"), 'update u { patch p from "p.so" { replace f } }');
    writeFileSync(path("p.so"), "");
    mkdirSync(path("folder"));
    symlinkSync("loop", path("loop"));
    writeFileSync(path("large.polus"), Buffer.alloc((16 << 20) + 1, " "));
    const said = (name: string) =>
      loadScript(path(name), { stdlib: folder }).diagnostics.map(({ message }) =>
        message.replaceAll(folder, ""),
      );
    assert.equal(said("ok.polus"), []);
    assert.equal(said("none.polus"), ["`/none.polus` cannot be read: there is no such file"]);
    assert.equal(said("folder"), ["`/folder` cannot be read: it is a directory"]);
    assert.equal(said("loop"), ["`/loop` cannot be read: too many symbolic links"]);
    assert.equal(said("large.polus"), ["`/large.polus` cannot be read: it is larger than 16 MiB"]);
    assert.equal(said("ok.polus/x"), ["`/ok.polus/x` cannot be read: there is no such file"]);
    assert.equal(diskFiles.probe("/dev/null"), {
      kind: "refused",
      reason: "it is no regular file",
    });
    assert.is(diskFiles.read("/dev/zero").kind, "refused");
    if (process.getuid?.() !== 0) {
      chmodSync(path("ok.polus"), 0);
      assert.equal(said("ok.polus"), ["`/ok.polus` cannot be read: permission denied"]);
    }
    const suggested = loadScript(path("okk.polus"), { stdlib: folder }).diagnostics[0]?.suggestion;
    assert.is(suggested, "did you mean `ok.polus`?");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
