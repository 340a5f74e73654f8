/** What a command is given and what it answers. */
import type { ParsedCommand } from "../command_line.js";
import type { Outcome } from "../outcome.js";
import type { Output } from "../progress/output.js";
import type { RunContext } from "../run/context.js";

export interface CommandContext extends RunContext {
  readonly parsed: ParsedCommand;
  /** Runs before the process ends, also after an error that nobody expected. */
  beforeExit(action: () => Promise<void>): void;
  /** Text on standard output as it is; on a terminal with control characters made visible. */
  write(text: string): void;
  /** For a command that is a conversation: it writes for itself. */
  readonly outputs: { readonly standard: Output; readonly error: Output };
  /** Text on standard error outside of any line of progress (a question). */
  ask(text: string): void;
}

/** A command. It throws `Stop` when it ended badly and has said why. */
export type Command = (context: CommandContext) => Promise<Outcome>;
