import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { orderItems, type OrderItem } from "../../../lang/check/order.js";

const test = suite("order");

function item(name: string, ...after: string[]): OrderItem {
  return { name, after };
}

test("without `after` the order is the file's", () => {
  assert.equal(orderItems([item("c"), item("a"), item("b")]), { order: [0, 1, 2], cycles: [] });
});

test("of all that may come next, what was written first comes first", () => {
  const items = [item("a", "d"), item("b"), item("c", "b"), item("d"), item("e")];
  assert.equal(orderItems(items).order, [1, 2, 3, 0, 4]);
});

test("unknown names and repetitions do no harm", () => {
  assert.equal(orderItems([item("a", "b", "b", "x"), item("b")]).order, [1, 0]);
});

test("a cycle is named with its whole path, and only what it holds back is missing", () => {
  const items = [item("a", "c"), item("b", "a"), item("c", "b"), item("d", "c"), item("e")];
  assert.equal(orderItems(items), { order: [4], cycles: [["a", "c", "b", "a"]] });
});

test("each cycle is named once", () => {
  const items = [item("x", "a"), item("a", "b"), item("b", "a"), item("c", "c")];
  assert.equal(orderItems(items).cycles, [
    ["a", "b", "a"],
    ["c", "c"],
  ]);
});

/** Graphs of up to 12 items; edges may make cycles. */
const graphs = fc
  .integer({ min: 1, max: 12 })
  .chain((count) =>
    fc.array(fc.array(fc.integer({ min: 0, max: count - 1 }), { maxLength: 4 }), {
      minLength: count,
      maxLength: count,
    }),
  )
  .map((edges) => edges.map((after, index) => item(`p${index}`, ...after.map((i) => `p${i}`))));

test("an order keeps every `after`; every cycle is one; both together explain all items", () => {
  fc.assert(
    fc.property(graphs, (items) => {
      const { order, cycles } = orderItems(items);
      const place = new Map(order.map((index, at) => [items[index]?.name, at]));
      for (const index of order) {
        for (const earlier of items[index]?.after ?? []) {
          const before = place.get(earlier);
          const here = place.get(items[index]?.name);
          assert.ok(before !== undefined && here !== undefined && before < here);
        }
      }
      for (const cycle of cycles) {
        assert.is(cycle[0], cycle.at(-1));
        cycle.slice(0, -1).forEach((name, at) => {
          const next = cycle[at + 1];
          assert.ok(
            next !== undefined && items.find((one) => one.name === name)?.after.includes(next),
          );
        });
      }
      assert.is(order.length === items.length, cycles.length === 0);
      // Stable: each item is the first in the file of those that could have come then.
      const done = new Set<string>();
      for (const index of order) {
        const ready = items.findIndex(
          ({ name, after }) => !done.has(name) && after.every((earlier) => done.has(earlier)),
        );
        assert.is(index, ready);
        done.add(items[index]?.name ?? "");
      }
    }),
    { numRuns: 500 },
  );
});

test("ten thousand patches are no trouble", () => {
  const items = Array.from({ length: 10_000 }, (_, i) => item(`p${i}`, `p${i + 1}`));
  const began = performance.now();
  const { order } = orderItems(items);
  assert.is(order[0], 9_999);
  assert.ok(performance.now() - began < 5_000);
});

test.run();
