/** Names that a person may have meant. */

/** Damerau-Levenshtein distance (adjacent transpositions), given up above `most`. */
function distance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let k = 1; k <= b.length; k++) {
      const substitution = (last[k - 1] ?? 0) + (a[i - 1] === b[k - 1] ? 0 : 1);
      let best = Math.min((last[k] ?? 0) + 1, (row[k - 1] ?? 0) + 1, substitution);
      if (i > 1 && k > 1 && a[i - 1] === b[k - 2] && a[i - 2] === b[k - 1]) {
        best = Math.min(best, (beforeLast[k - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? most + 1;
}

/** At most five of `names`, nearest first, none further than a third of the name's length. */
export function nearestNames(name: string, names: readonly string[]): string[] {
  const most = Math.max(1, Math.floor(name.length / 3));
  return [...new Set(names)]
    .map((candidate) => ({ candidate, d: distance(name, candidate, most) }))
    .filter(({ candidate, d }) => d <= most && candidate !== name)
    .sort((x, y) => x.d - y.d || (x.candidate < y.candidate ? -1 : 1))
    .slice(0, 5)
    .map(({ candidate }) => candidate);
}
