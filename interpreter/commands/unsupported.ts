/** Commands that the contract names and that this version does not have yet. */
import { diagnose } from "../diagnose.js";
import { Stop } from "../outcome.js";
import type { Command } from "./command.js";

export const run: Command = async (context) => {
  context.reporter.diagnostic(
    diagnose({
      code: "not-supported-yet",
      message: `\`polus ${context.parsed.command}\` is not supported yet`,
    }),
  );
  throw new Stop("invalid");
};
