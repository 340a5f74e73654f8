import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  diagnosticRecord,
  escapeText,
  renderDiagnostic,
  SourceFile,
  type Diagnostic,
} from "../../../lang/index.js";

const test = suite("render");
const escape = "\u001b";

function at(text: string, marked: string, options: { path?: string } = {}): Diagnostic {
  const file = new SourceFile(options.path ?? "a.polus", text);
  const start = text.indexOf(marked);
  const span = file.span(start, start + marked.length);
  return { severity: "error", code: "some-code", message: "a message", span, notes: [] };
}

function lines(diagnostic: Diagnostic, width?: number): readonly string[] {
  return renderDiagnostic(diagnostic, width === undefined ? {} : { width }).split("\n");
}

test("the first line has the fixed form, then source line and caret", () => {
  assert.equal(lines(at("one\ntwo bad three", "bad")), [
    "a.polus:2:5: error some-code: a message",
    "    2 | two bad three",
    "      |     ^~~",
  ]);
});

test("notes with and without a place, then the suggestion", () => {
  const file = new SourceFile("a.polus", "one\ntwo");
  const diagnostic: Diagnostic = {
    severity: "warning",
    code: "some-code",
    message: "a message",
    span: file.span(4, 7),
    notes: [{ message: "elsewhere", span: file.span(0, 3) }, { message: "in general" }],
    suggestion: "did you mean `three`?",
  };
  assert.equal(lines(diagnostic), [
    "a.polus:2:1: warning some-code: a message",
    "    2 | two",
    "      | ^~~",
    "  note: a.polus:1:1: elsewhere",
    "    1 | one",
    "      | ^~~",
    "  note: in general",
    "  suggestion: did you mean `three`?",
  ]);
});

test("tabs are drawn as columns, the caret under its character", () => {
  assert.equal(lines(at("\ta\tbad", "bad")).slice(1), [
    "    1 |         a       bad",
    "      |                 ^~~",
  ]);
});

test("wide and combining characters take their columns, count as characters", () => {
  assert.equal(lines(at('"漢字" + bad', "bad")), [
    "a.polus:1:8: error some-code: a message",
    '    1 | "漢字" + bad',
    "      |          ^~~",
  ]);
  assert.equal(lines(at("🙂e\u0301x", "x")), [
    "a.polus:1:4: error some-code: a message",
    "    1 | 🙂e\u0301x",
    "      |    ^",
  ]);
  assert.is(lines(at("a 漢字 b", "漢字"))[2], "      |   ^~~~");
});

test("nothing that moves a terminal's cursor or turns text around gets through", () => {
  const evil = "\u001b[2J\r\u0000\u202e\ud800\u0085\u2028\u200b";
  const diagnostic: Diagnostic = {
    ...at(`x ${evil} bad`, "bad", { path: `p${evil}` }),
    message: evil,
    suggestion: evil,
    notes: [{ message: evil }],
  };
  const text = renderDiagnostic(diagnostic);
  assert.not.match(text.replaceAll("\n", ""), /[\p{Cc}\p{Cs}\u200b\u2028\u202e]/u);
  const shown = "\\x1b[2J\\r\\x00\\u{202e}\\u{d800}\\x85\\u{2028}\\u{200b}";
  assert.is(escapeText(evil), shown);
  const [, source = "", caret = ""] = text.split("\n");
  assert.is(source, `    1 | x ${shown} bad`);
  assert.is(caret.indexOf("^"), source.indexOf("bad"));
});

test("a long line is cut around the mark", () => {
  const long = `${"a ".repeat(200)}bad ${"b ".repeat(200)}`;
  const [, source = "", caret = ""] = lines(at(long, "bad"), 60);
  assert.ok(source.length <= 60);
  assert.match(source, /^ {4}1 \| ….* bad .*…$/);
  assert.is(source.indexOf("bad"), caret.indexOf("^~~"));
  const [, wide = "", under = ""] = lines(at(`${"漢".repeat(80)}bad${"字".repeat(80)}`, "bad"), 61);
  // The characters before the mark are two columns each, one character in this string.
  const before = wide.slice(8, wide.indexOf("bad"));
  const columns = [...before].reduce((sum, c) => sum + (c === "漢" ? 2 : 1), 8);
  assert.is(columns, under.indexOf("^~~"));
});

test("a mark longer than its line ends with the line; an empty one is one caret", () => {
  assert.equal(lines(at("one {\n two\n}", "{\n two\n}")).slice(1), [
    "    1 | one {",
    "      |     ^",
  ]);
  assert.equal(lines(at("one", "")).slice(1), ["    1 | one", "      | ^"]);
  const file = new SourceFile("a", "one");
  const end = { ...at("one", ""), span: file.span(3, 3) };
  assert.is(lines(end)[2], "      |    ^");
});

test("line breaks of any system", () => {
  assert.equal(lines(at("one\r\ntwo\r\n", "two")), [
    "a.polus:2:1: error some-code: a message",
    "    2 | two",
    "      | ^~~",
  ]);
});

test("without a place", () => {
  const diagnostic: Diagnostic = { severity: "error", code: "c", message: "m", notes: [] };
  assert.equal(lines(diagnostic), ["polus: error c: m"]);
  assert.equal(diagnosticRecord(diagnostic), {
    severity: "error",
    code: "c",
    file: null,
    line: null,
    column: null,
    message: "m",
    suggestion: null,
  });
});

test("the machine's form has exactly the fields of the contract", () => {
  const record = diagnosticRecord({ ...at("x\n🙂bad", "bad"), suggestion: "s" });
  assert.equal(record, {
    severity: "error",
    code: "some-code",
    file: "a.polus",
    line: 2,
    column: 2,
    message: "a message",
    suggestion: "s",
  });
  const fields = "severity code file line column message suggestion";
  assert.is(Object.keys(record).join(" "), fields);
});

test("colours only when asked for", () => {
  const diagnostic = at("bad", "bad");
  assert.not.ok(renderDiagnostic(diagnostic).includes(escape));
  const colored = renderDiagnostic(diagnostic, { color: true });
  assert.is(
    colored.replace(new RegExp(`${escape}\\[\\d+m`, "gu"), ""),
    renderDiagnostic(diagnostic),
  );
});

test.run();
