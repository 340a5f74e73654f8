import { test } from "uvu";
import * as assert from "uvu/assert";
import { exitCodeOf, outcomeOfError, outcomes, Stop, worse } from "../../interpreter/outcome.js";
import { EngineError } from "../../native/engine.js";

test("every outcome has the exit code of the contract", () => {
  const expected = {
    applied: 0,
    completed: 0,
    "rolled-back": 0,
    recovered: 0,
    skipped: 0,
    invalid: 1,
    refused: 2,
    failed: 3,
    inconsistent: 4,
  };
  assert.equal(Object.fromEntries(outcomes.map((name) => [name, exitCodeOf(name)])), expected);
});

test("an engine's error has the outcome of its kind, touched or not", () => {
  for (const kind of ["invalid", "refused", "failed", "inconsistent"] as const) {
    for (const touched of [false, true]) {
      assert.is(outcomeOfError(new EngineError("X", kind, "x"), touched), kind);
      assert.is(outcomeOfError(new Stop(kind), touched), kind);
    }
  }
});

test("an error of our own is never `invalid`, and inconsistent once a process was touched", () => {
  assert.is(outcomeOfError(new TypeError("x"), false), "failed");
  assert.is(outcomeOfError(new TypeError("x"), true), "inconsistent");
  assert.is(outcomeOfError("no error object", true), "inconsistent");
});

test("the worse outcome is the one with the higher exit code", () => {
  assert.is(worse("invalid", "failed"), "failed");
  assert.is(worse("inconsistent", "refused"), "inconsistent");
  assert.is(worse("refused", "refused"), "refused");
});

test.run();
