/** What repeated ratios say of the true one, and how sure that is. */

/** Of positive ratios. */
export interface Estimate {
  /** The middle of the geometric means of all pairs of ratios (Hodges and Lehmann, 1963). */
  readonly ratio: number;
  /**
   * Where the true one lies with 95 % confidence, by the signed-rank test (Hollander, Wolfe and Chicken,
   * Nonparametric Statistical Methods, 3.3), if the ratios are independent. Of fewer than six it is the whole
   * range, which says less.
   */
  readonly from: number;
  readonly to: number;
}

/** With fewer ratios no interval has that confidence. */
export const fewestForConfidence = 6;

/** 97.5 % of a normal distribution lie below so many standard deviations. */
const normal975 = 1.96;

/** @throws RangeError without ratios, or when one is not a positive number */
export function estimate(ratios: readonly number[]): Estimate {
  const logs = ratios.map(Math.log);
  if (logs.length === 0 || !logs.every(Number.isFinite)) {
    throw new RangeError(`no positive ratios: ${ratios.join(", ")}`);
  }
  // Each with itself, too. Outliers, of which a shared machine has many, move their middle hardly.
  const means = logs
    .flatMap((one, index) => logs.slice(index).map((other) => (one + other) / 2))
    .sort((a, b) => a - b);
  const count = logs.length;
  const deviation = Math.sqrt((count * (count + 1) * (2 * count + 1)) / 24);
  const outside = Math.max(0, Math.floor((count * (count + 1)) / 4 - normal975 * deviation));
  const at = (index: number): number => Math.exp(means[index] ?? 0);
  const last = means.length - 1;
  return {
    ratio: Math.sqrt(at(last >> 1) * at((last + 1) >> 1)),
    from: at(outside),
    to: at(last - outside),
  };
}
