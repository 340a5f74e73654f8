import { test } from "uvu";
import * as assert from "uvu/assert";
import { estimate } from "../../scripts/experiment/estimate.js";

/** Numbers from 0 to 1 that are the same in every run (Park and Miller's generator). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

const near = (value: number, wanted: number, what: string): void =>
  assert.ok(Math.abs(value - wanted) < 1e-9, `${what} is ${value}, not ${wanted}`);

test("the interval is that of the signed-rank test", () => {
  // Of ten values, eight of the 55 means are left out at either end (critical value of the test at 5 %).
  const logs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const means = logs
    .flatMap((one, index) => logs.slice(index).map((other) => (one + other) / 2))
    .sort((a, b) => a - b);
  const { ratio, from, to } = estimate(logs.map(Math.exp));
  near(Math.log(ratio), 5.5, "the ratio");
  near(Math.log(from), means[8] ?? 0, "the lower end");
  near(Math.log(to), means[55 - 1 - 8] ?? 0, "the upper end");
});

test("the true ratio lies within in about 95 of 100 experiments", () => {
  const next = numbers(7);
  const truth = 0.99;
  let within = 0;
  const experiments = 400;
  for (let experiment = 0; experiment < experiments; experiment++) {
    const ratios = Array.from({ length: 16 }, () => {
      // Most pairs are near, some were disturbed.
      const noise = next() + next() + next() - 1.5;
      return truth * Math.exp(noise * (next() < 0.1 ? 0.4 : 0.04));
    });
    const { from, to } = estimate(ratios);
    if (from <= truth && truth <= to) within++;
  }
  assert.ok(within > experiments * 0.92 && within < experiments * 0.985, `${within} times`);
});

test("of one ratio nothing more is known", () => {
  const { ratio, from, to } = estimate([1.25]);
  for (const value of [ratio, from, to]) near(value, 1.25, "each");
});

test("what is no ratio is refused", () => {
  assert.throws(() => estimate([]), RangeError);
  assert.throws(() => estimate([1, 0]), RangeError);
  assert.throws(() => estimate([1, Number.NaN]), RangeError);
});

test.run();
