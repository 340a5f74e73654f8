/** The order of an update's patches: a graph made by `after`, files' order where it leaves a choice. */

export interface OrderItem {
  readonly name: string;
  /** Names of items that come before this one; unknown names are ignored. */
  readonly after: readonly string[];
}

export interface Order {
  /** Indices of the items in order; those that a cycle holds back are missing. */
  readonly order: readonly number[];
  /** Each cycle once, as names: `a` (waits for) `b` … `a`. */
  readonly cycles: readonly (readonly string[])[];
}

/**
 * Sorts topologically and stably: of all items that may come next, always the one
 * that was written first. Of items with one name only the first can be waited for.
 */
export function orderItems(items: readonly OrderItem[]): Order {
  const indexOf = new Map<string, number>();
  items.forEach(({ name }, index) => {
    if (!indexOf.has(name)) indexOf.set(name, index);
  });
  const before = items.map(({ after }) => [
    ...new Set(after.flatMap((name) => indexOf.get(name) ?? [])),
  ]);
  const followers = items.map((): number[] => []);
  const waiting = before.map((list) => list.length);
  before.forEach((list, index) => {
    for (const earlier of list) followers[earlier]?.push(index);
  });
  const ready = new Heap();
  waiting.forEach((count, index) => {
    if (count === 0) ready.push(index);
  });
  const order: number[] = [];
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    order.push(next);
    for (const follower of followers[next] ?? []) {
      const left = (waiting[follower] ?? 0) - 1;
      waiting[follower] = left;
      if (left === 0) ready.push(follower);
    }
  }
  const nameOf = (index: number): string => items[index]?.name ?? "";
  const cycles = findCycles(before, waiting).map((cycle) => cycle.map(nameOf));
  return { order, cycles };
}

/** Follows, from each item that still waits, one item that it waits for, until one comes again. */
function findCycles(
  before: readonly (readonly number[])[],
  waiting: readonly number[],
): readonly (readonly number[])[] {
  const held = (index: number): boolean => (waiting[index] ?? 0) > 0;
  const seen = new Set<number>();
  const cycles: number[][] = [];
  waiting.forEach((_, start) => {
    const path: number[] = [];
    let at: number | undefined = start;
    while (at !== undefined && held(at) && !seen.has(at)) {
      seen.add(at);
      path.push(at);
      // Every held item waits for at least one held item, else it would have come.
      at = before[at]?.find(held);
    }
    const begin = at === undefined ? -1 : path.indexOf(at);
    if (begin >= 0 && at !== undefined) cycles.push([...path.slice(begin), at]);
  });
  return cycles;
}

/** A binary heap of indices, the smallest first. */
class Heap {
  readonly #items: number[] = [];

  push(value: number): void {
    const items = this.#items;
    let at = items.push(value) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] ?? 0;
      if (above <= value) break;
      items[at] = above;
      at = parent;
    }
    items[at] = value;
  }

  pop(): number | undefined {
    const items = this.#items;
    const smallest = items[0];
    const value = items.pop();
    if (value === undefined || items.length === 0) return smallest;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if ((items[child + 1] ?? Infinity) < (items[child] ?? Infinity)) child++;
      const below = items[child] ?? Infinity;
      if (below >= value) break;
      items[at] = below;
      at = child;
    }
    items[at] = value;
    return smallest;
  }
}
