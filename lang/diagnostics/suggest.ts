/** "Did you mean": the nearest of the names that would have been right. */

/**
 * The candidate nearest to `written`, or undefined if none is near enough to be
 * meant: at most a third of the letters differ (and always one may). Ties go to the
 * earlier candidate.
 */
export function nearest(written: string, candidates: Iterable<string>): string | undefined {
  const wanted = written.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(written.length / 3)) + 1;
  for (const candidate of candidates) {
    if (candidate === written) continue;
    if (Math.abs(candidate.length - written.length) >= bestDistance) continue;
    // A one-letter word is near to every other; only its other case is meant.
    const distance = editDistance(wanted, candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance && distance < Math.max(written.length, candidate.length)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** At most `most` candidates that may have been meant, nearest first. */
export function nearestFew(
  written: string,
  candidates: Iterable<string>,
  most: number,
): readonly string[] {
  const few: string[] = [];
  const left = new Set(candidates);
  while (few.length < most) {
    const found = nearest(written, left);
    if (found === undefined) break;
    few.push(found);
    left.delete(found);
  }
  return few;
}

/** ``did you mean `x`?`` for the nearest candidate; undefined without one. */
export function didYouMean(written: string, candidates: Iterable<string>): string | undefined {
  const found = nearest(written, candidates);
  return found === undefined ? undefined : `did you mean \`${found}\`?`;
}

/**
 * Damerau-Levenshtein distance (insertions, deletions, substitutions and exchanges
 * of neighbours, no part edited twice). Stops early, with `limit`, once it cannot
 * be below `limit`.
 */
export function editDistance(a: string, b: string, limit = Number.POSITIVE_INFINITY): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let smallest = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, at(beforeLast, j - 2) + 1);
      }
      row.push(cost);
      smallest = Math.min(smallest, cost);
    }
    if (smallest >= limit) return limit;
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
