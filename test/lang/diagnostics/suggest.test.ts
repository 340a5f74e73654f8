import { suite } from "uvu";
import * as assert from "uvu/assert";
import { didYouMean, editDistance, nearest } from "../../../lang/diagnostics/suggest.js";

const test = suite("suggest");

test("insertions, deletions, substitutions and exchanges cost one each", () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "", 3],
    ["abc", "abc", 0],
    ["abc", "ab", 1],
    ["abc", "abcd", 1],
    ["abc", "axc", 1],
    ["abc", "acb", 1],
    ["ca", "abc", 3],
    ["kitten", "sitting", 3],
    ["replace", "relpace", 1],
  ];
  for (const [a, b, distance] of cases) {
    assert.is(editDistance(a, b), distance, `${a} ${b}`);
    assert.is(editDistance(b, a), distance, `${b} ${a}`);
  }
});

test("a limit ends the search early and says so", () => {
  assert.is(editDistance("abcdefgh", "stuvwxyz", 3), 3);
  assert.is(editDistance("abc", "abd", 3), 1);
});

test("only what is near enough is suggested", () => {
  const words = ["print", "patch", "point", "replace"];
  assert.is(nearest("pritn", words), "print");
  assert.is(nearest("PRINT", words), "print");
  assert.is(nearest("relpace", words), "replace");
  assert.is(nearest("xyz", words), undefined);
  assert.is(nearest("print", ["print"]), undefined, "the same word is no suggestion");
  assert.is(nearest("a", ["b"]), undefined, "one letter is no likeness");
  assert.is(nearest("a", ["A"]), "A");
  assert.is(didYouMean("replce", words), "did you mean `replace`?");
  assert.is(didYouMean("x", []), undefined);
});

test("of equally near ones the first", () => {
  assert.is(nearest("cat", ["bat", "rat"]), "bat");
});

test.run();
