/** Functions in C that find the other version's copy of what a pointer leads to. */
import type { Direction } from "./copy.js";
import type { Place } from "./items.js";

/** How the patch names both copies of a variable. */
export interface Bases {
  readonly old: string;
  readonly new: string;
}

/** Whether a place is the beginning of an item of its own, which the runtime finds by itself. */
function isWhole({ oldOffset, newOffset, dimensions }: Place): boolean {
  return oldOffset === 0 && newOffset === 0 && dimensions.length === 0;
}

/**
 * `static void *NAME(const void *p)`, which gives NULL for what is no object of the items.
 * @param what the type, for the comment
 */
export function translationText(
  name: string,
  what: string,
  places: readonly Place[],
  direction: Direction,
  basesOf: (place: Place) => Bases | null,
): string {
  const side = direction === "forward" ? "new" : "old";
  const lines = [
    `/* The ${side} version's copy of an object of type ${what}; NULL for what is none. */`,
    `static void *${name}(const void *p) {`,
    "  const char *at = p;",
    "  char *found;",
    "  if (p == NULL) return NULL;",
  ];
  for (const place of places.toSorted((a, b) => Number(isWhole(b)) - Number(isWhole(a)))) {
    lines.push(...search(place, direction, basesOf(place)).map((line) => `  ${line}`));
  }
  return [...lines, "  (void)at, (void)found;", "  return NULL;", "}", ""].join("\n");
}

function search(place: Place, direction: Direction, bases: Bases | null): readonly string[] {
  const forward = direction === "forward";
  const offset = forward ? place.oldOffset : place.newOffset;
  const otherOffset = forward ? place.newOffset : place.oldOffset;
  let source = `at${offset === 0 ? "" : ` - ${offset}`}`;
  let target = otherOffset === 0 ? "" : ` + ${otherOffset}`;
  const heads: string[] = [];
  for (const [number, { count, oldStride, newStride }] of place.dimensions.entries()) {
    const index = `i${number === 0 ? "" : number}`;
    // C lets a pointer stand behind the last element.
    const last = bases !== null && number === 0 ? "<=" : "<";
    heads.push(`for (long ${index} = 0; ${index} ${last} ${count}; ${index}++)`);
    source += ` - ${index} * ${forward ? oldStride : newStride}`;
    target += ` + ${index} * ${forward ? newStride : oldStride}`;
  }
  const transfer = forward ? place.item.forward : place.item.backward;
  if (bases === null) {
    return [
      ...heads,
      `${"  ".repeat(Math.min(heads.length, 1))}if ((found = polus_copy_by(${source}, ${transfer})) != NULL) return found${target};`,
    ];
  }
  const [from, to] = forward ? [bases.old, bases.new] : [bases.new, bases.old];
  return [
    ...heads,
    `${"  ".repeat(Math.min(heads.length, 1))}if (${source} == ${from}) return ${to}${target};`,
  ];
}
