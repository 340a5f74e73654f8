/** Reads and checks a script under the rules of file ownership, and tells what is wrong with it. */
import { join } from "node:path";
import type { CheckedScript } from "../lang/check/checked.js";
import type { FileAccess } from "../lang/files.js";
import type { CommandContext } from "./commands/command.js";
import { diagnose } from "./diagnose.js";
import { packageRoot } from "./installation.js";
import { Stop } from "./outcome.js";
import { FileProblem, readTrustedFile, trustFor, type FileTrust } from "./patches/trusted_file.js";

/** The rules of this run; says loudly when the operator lifted them. */
export function fileTrust(context: CommandContext): FileTrust {
  const insecure = context.parsed.flags.has("insecure-files");
  if (insecure && context.effectiveUser === 0) {
    const message = "--insecure-files: other users may be able to change what runs here as root";
    context.reporter.diagnostic(diagnose({ severity: "warning", code: "insecure-files", message }));
    context.tally.warn(message);
  }
  return trustFor(context.effectiveUser, context.environment, insecure);
}

/** The script that the command line names. Throws Stop `invalid` after telling everything that is wrong. */
export async function readScript(
  context: CommandContext,
  trust: FileTrust,
): Promise<CheckedScript> {
  const { parsed, reporter } = context;
  const { diskFiles, loadScript, maximumScriptBytes } = await loadFrontEnd();
  const { script, diagnostics } = loadScript(parsed.operands[0] ?? "", {
    stdlib: join(packageRoot, "stdlib"),
    vars: parsed.values.get("var") ?? [],
    files: trustedFiles(trust, diskFiles, maximumScriptBytes),
  });
  for (const diagnostic of diagnostics) reporter.diagnostic(diagnostic);
  if (script === null) throw new Stop("invalid");
  return script;
}

/** The parser takes time to load: only commands that read a script do. */
async function loadFrontEnd() {
  const { diskFiles, maximumScriptBytes } = await import("../lang/files.js");
  const { loadScript } = await import("../lang/index.js");
  return { diskFiles, loadScript, maximumScriptBytes };
}

/** The disk, as far as it may be trusted. */
export function trustedFiles(trust: FileTrust, disk: FileAccess, sizeLimit: number): FileAccess {
  return {
    ...disk,
    read(path) {
      try {
        return { kind: "read", bytes: readTrustedFile(path, trust, sizeLimit) };
      } catch (error) {
        if (!(error instanceof FileProblem)) throw error;
        if (error.code === "file-not-found") return { kind: "missing" };
        const { message, help } = error;
        return { kind: "refused", reason: help === null ? message : `${message} (${help})` };
      }
    },
  };
}
