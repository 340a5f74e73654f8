/** What reaches a terminal: escaping, colours, words; and values as `print` shows them. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Output } from "../../interpreter/progress/output.js";
import { wantsColour } from "../../interpreter/progress/paint.js";
import { JsonReporter, TextReporter } from "../../interpreter/progress/reporter.js";
import { SourceFile } from "../../lang/source.js";
import { diagnose, fileSpan } from "../../interpreter/diagnose.js";
import {
  formatDuration,
  formatFloat,
  formatSize,
  printConstant,
} from "../../interpreter/values/print.js";

class Collected implements Output {
  text = "";
  droppedCount = 0;
  constructor(readonly isTerminal: boolean) {}
  write(text: string): void {
    this.text += text;
  }
  async flush(): Promise<void> {}
}

test("a hostile name reaches a terminal escaped, and JSON as JSON", () => {
  const hostile = "\u001b]0;owned\u0007";
  const [out, err] = [new Collected(true), new Collected(true)];
  const text = new TextReporter(out, err, false);
  text.progress({ event: "left_out", pid: 1, exe: hostile, why: "w" });
  text.print(1, [{ text: hostile, type: "char [9]" }]);
  text.diagnostic(
    diagnose({ code: "x", message: hostile, span: fileSpan(hostile), suggestion: hostile }),
  );
  assert.not.match(out.text + err.text, "\u001b");
  assert.match(err.text, "\\x1b]0;owned\\x07");
  const json = new Collected(false);
  new JsonReporter(json, err, false).print(1, [{ text: hostile, type: "t" }]);
  assert.is(JSON.parse(json.text).values[0].text, hostile);
});

test("colour only on a terminal, and never against NO_COLOR, a dumb terminal or the setting", () => {
  const coloured = (isTerminal: boolean, colour: boolean): boolean => {
    const err = new Collected(isTerminal);
    new TextReporter(new Collected(isTerminal), err, colour).diagnostic(
      diagnose({ code: "x", message: "m" }),
    );
    return err.text.includes("\u001b[");
  };
  assert.ok(coloured(true, true));
  assert.not.ok(coloured(false, true));
  assert.not.ok(coloured(true, false));
  assert.ok(wantsColour({}));
  assert.ok(wantsColour({ NO_COLOR: "" }));
  assert.not.ok(wantsColour({ NO_COLOR: "1" }));
  assert.not.ok(wantsColour({ TERM: "dumb" }));
  assert.not.ok(wantsColour({}, "never"));
});

test("the first line of a diagnostic is FILE:LINE:COL: error CODE: text", () => {
  const err = new Collected(false);
  const reporter = new TextReporter(new Collected(false), err, false);
  const span = new SourceFile("a.polus", "one\n two").span(5, 8);
  reporter.diagnostic(diagnose({ code: "some-code", message: "text.", span }));
  assert.is(err.text.split("\n")[0], "a.polus:2:2: error some-code: text");
});

test("durations and sizes print in the largest unit without a rest", () => {
  assert.is(formatDuration(0n), "0s");
  assert.is(formatDuration(90_000_000_000n), "90s");
  assert.is(formatDuration(7_200_000_000_000n), "2h");
  assert.is(formatDuration(250_000n), "250us");
  assert.is(formatDuration(1n), "1ns");
  assert.is(formatSize(4096n), "4KiB");
  assert.is(formatSize(4097n), "4097");
  assert.is(formatSize(3n << 30n), "3GiB");
});

test("floats are recognisable and as short as exactness allows", () => {
  assert.is(formatFloat(1, "double"), "1.0");
  assert.is(formatFloat(0.1, "double"), "0.1");
  assert.is(formatFloat(Math.fround(0.1), "float"), "0.1");
  assert.is(formatFloat(-0, "double"), "-0.0");
  assert.is(formatFloat(1e300, "double"), "1e+300");
  assert.is(formatFloat(Number.NaN, "double"), "nan");
});

test("constants print with C's types", () => {
  assert.equal(printConstant({ kind: "integer", value: -1n, type: "int" }), {
    text: "-1",
    type: "int",
  });
  assert.equal(printConstant({ kind: "integer", value: (1n << 64n) - 1n, type: "unsigned long" }), {
    text: "18446744073709551615",
    type: "unsigned long",
  });
  assert.equal(printConstant({ kind: "string", value: "ü" }), {
    text: "ü",
    type: "char [3]",
  });
  assert.is(printConstant({ kind: "null" }).text, "NULL");
  assert.is(printConstant({ kind: "boolean", value: true }).text, "true");
});

test.run();
