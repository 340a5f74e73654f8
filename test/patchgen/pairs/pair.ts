/**
 * Pairs of versions of one small C file that differ in one respect. All are `unit.c` of the same
 * program: its main loop reads a number a line and answers with `step(number)`.
 */
export interface Pair {
  readonly name: string;
  /** The old `unit.c`. */
  readonly text: string;
  /** Each place, which stands in the text exactly once, and what it is in the new version. */
  readonly edits: readonly (readonly [from: string, to: string])[];
  /** `name reason,…` of each function that differs, sorted. */
  readonly functions: readonly string[];
  /** `name how` of each object that differs, `function.name how` for a static local; sorted. */
  readonly data?: readonly string[];
  /** Names of the types that differ, sorted. */
  readonly types?: readonly string[];
  /** A number and what the versions answer. */
  readonly asks: readonly [number: number, old: number, now: number];
  /**
   * What the running program answers to that number before the update, with it, and after it was rolled
   * back, where that is not what the versions answer when they start: it keeps what it has counted.
   */
  readonly live?: readonly [before: number, updated: number, back: number];
  /** Part of the message with which the constructor, its build or the run says why nothing is applied. */
  readonly refused?: string;
}

/** The program's other file: `step` is called anew for each line, so that a version can be replaced. */
export const mainText = `#include <stdio.h>
int step(int number);
int main(void) {
  int number;
  setvbuf(stdout, NULL, _IONBF, 0);
  while (scanf("%d", &number) == 1) printf("%d\\n", step(number));
  return 0;
}
`;

/** The new text of a pair. */
export function newText(pair: Pair): string {
  return pair.edits.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) {
      throw new Error(`pair "${pair.name}": ${JSON.stringify(from)} does not stand there once`);
    }
    return text.replace(from, () => to);
  }, pair.text);
}
