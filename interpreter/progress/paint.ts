/** Colours, or none: the one place that writes escape sequences to a terminal. */
import { isBad, outcomes, type Outcome } from "../outcome.js";

export interface Paint {
  severity(severity: string, text: string): string;
  progress(text: string): string;
  outcome(outcome: Outcome, text: string): string;
}

const red = 31;
const green = 32;
const yellow = 33;
const cyan = 36;

function sgr(codes: string, text: string): string {
  return `\u001b[${codes}m${text}\u001b[0m`;
}

const plain: Paint = {
  severity: (_severity, text) => text,
  progress: (text) => text,
  outcome: (_outcome, text) => text,
};

const coloured: Paint = {
  severity: (severity, text) =>
    sgr(`1;${severity === "error" ? red : severity === "warning" ? yellow : cyan}`, text),
  progress: (text) => sgr("2", text),
  outcome: (outcome, text) => {
    const word = outcomes.find((name) => text.startsWith(name)) ?? "";
    return sgr(`1;${isBad(outcome) ? red : green}`, word) + text.slice(word.length);
  },
};

export function paint(colour: boolean): Paint {
  return colour ? coloured : plain;
}

/** Colour as the environment and the settings want it; whether it is a terminal is asked elsewhere. */
export function wantsColour(
  environment: Readonly<Record<string, string | undefined>>,
  setting: "auto" | "never" = "auto",
): boolean {
  if (setting === "never") return false;
  // https://no-color.org: any non-empty value.
  return (environment["NO_COLOR"] ?? "") === "" && environment["TERM"] !== "dumb";
}
