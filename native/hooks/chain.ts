/**
 * A dispatch chain: compares the one selector with the numbers of the levels that replace a
 * function, newest first, and jumps to the first that is active; at the end the original.
 * It changes flags only: an old caller compiled with -fipa-ra may keep values in any register.
 */
import { EngineError } from "../engine.js";
import { chainRoom } from "./arena.js";
import { Encoder } from "./encoder.js";

/** `target` is the function from the selector's value `number` on. */
export interface ChainEntry {
  readonly number: number;
  readonly target: bigint;
}

/** Highest number a level can have: the selector is changed by a store of one byte. */
export const highestLevel = 250;

/**
 * @param cell where the code is to stand
 * @param original the relocated entry of the function
 * @throws EngineError refused TOO_MANY_UPDATES
 */
export function chainCode(
  cell: bigint,
  selector: bigint,
  entries: readonly ChainEntry[],
  original: bigint,
): Buffer {
  const code = new Encoder(cell);
  for (const entry of [...entries].sort((a, b) => b.number - a.number)) {
    code.compareByte(selector, entry.number);
    code.jumpIfNotBelow(entry.target);
  }
  code.jump(original);
  const bytes = code.bytes();
  if (bytes.length > chainRoom) {
    throw new EngineError(
      "TOO_MANY_UPDATES",
      "refused",
      `${entries.length} updates of one function are stacked; roll some back first`,
    );
  }
  return bytes;
}

export function sameChain(a: readonly ChainEntry[], b: readonly ChainEntry[]): boolean {
  if (a.length !== b.length) return false;
  const sorted = (list: readonly ChainEntry[]): ChainEntry[] =>
    [...list].sort((x, y) => x.number - y.number);
  const right = sorted(b);
  return sorted(a).every(
    (entry, at) => entry.number === right[at]?.number && entry.target === right[at]?.target,
  );
}
