import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { firstWord, joinSpans, placeOf, SourceFile, textOf } from "../../lang/source.js";

const test = suite("source");

test("lines and columns count from one, columns in characters", () => {
  const file = new SourceFile("f", "ab\n🙂c\r\n\nend");
  const places = [0, 2, 3, 5, 6, 7, 8, 9, 12, 99].map((offset) => file.place(offset));
  assert.equal(
    places.map(({ line, column }) => `${line}:${column}`),
    ["1:1", "1:3", "2:1", "2:2", "2:3", "2:4", "3:1", "4:1", "4:4", "4:4"],
  );
  assert.equal(
    [1, 2, 3, 4, 5].map((line) => file.line(line)),
    ["ab", "🙂c", "", "end", ""],
  );
  assert.is(file.lineCount, 4);
});

test("every offset is where a plain count says", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("a", "\n", "é", "🙂", "\r\n") }), (text) => {
      const file = new SourceFile("f", text);
      for (let offset = 0; offset <= text.length; offset++) {
        // The inside of a surrogate pair is no place that a token begins at.
        if (/[\udc00-\udfff]/.test(text[offset] ?? "")) continue;
        const before = text.slice(0, offset).split("\n");
        const place = file.place(offset);
        assert.is(place.line, before.length);
        assert.is(place.column, [...(before.at(-1) ?? "")].length + 1);
        assert.is(file.lineStart(place.line) <= offset, true);
      }
    }),
    { numRuns: 200 },
  );
});

test("spans are clamped, joined, and written as JSON by their path", () => {
  const file = new SourceFile("f", "one two three");
  const [one, three] = [file.span(0, 3), file.span(8, 99)];
  assert.is(textOf(three), "three");
  assert.is(textOf(joinSpans(one, three)), "one two three");
  assert.is(textOf(firstWord(joinSpans(file.span(4, 7), three))), "two");
  assert.equal(placeOf(three), { line: 1, column: 9 });
  assert.is(textOf(file.span(5, 2)), "");
  assert.equal(JSON.parse(JSON.stringify(one)), { file: "f", start: 0, end: 3 });
});

test.run();
