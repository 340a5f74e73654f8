import type { CheckedScript } from "../lang/check/checked.js";
import type { CommandContext } from "./commands/command.js";
import { trustFor, type FileTrust } from "./patches/trusted_file.js";
export function fileTrust(context: CommandContext): FileTrust { return trustFor(context.effectiveUser, context.environment, context.parsed.flags.has("insecure-files")); }
export async function readScript(_context: CommandContext, _trust: FileTrust): Promise<CheckedScript> { throw new Error("later"); }
