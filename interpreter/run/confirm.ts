/** Asking a person at a terminal whether to go on. */
import { isatty } from "node:tty";
import type { Interruption } from "./interruption.js";

/** Only when both ends of the conversation are a terminal. */
export function canAsk(): boolean {
  return isatty(0) && isatty(2);
}

/**
 * Asks on standard error and reads one line of standard input. Only `y` and
 * `yes` mean yes; end of input and a signal mean no.
 */
export async function confirm(
  question: string,
  ask: (text: string) => void,
  interruption: Interruption,
): Promise<boolean> {
  ask(`${question} [y/N] `);
  const { stdin } = process;
  const { abortSignal } = interruption;
  if (abortSignal.aborted) return false;
  stdin.setEncoding("utf8");
  const line = await new Promise<string>((resolve) => {
    let text = "";
    const finish = (): void => {
      stdin.off("data", take);
      stdin.off("end", finish);
      abortSignal.removeEventListener("abort", finish);
      stdin.pause();
      stdin.unref();
      resolve(text);
    };
    const take = (chunk: string): void => {
      text += chunk;
      if (text.includes("\n")) finish();
    };
    stdin.on("data", take);
    stdin.on("end", finish);
    abortSignal.addEventListener("abort", finish, { once: true });
    stdin.resume();
  });
  return /^\s*y(es)?\s*$/i.test(line.split("\n")[0] ?? "");
}
