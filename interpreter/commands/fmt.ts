/** `polus fmt`: the one style of scripts. No process is touched, nothing is imported or checked. */
import { basename, dirname, resolve } from "node:path";
import { didYouMean } from "../../lang/diagnostics/suggest.js";
import { decodeScript } from "../../lang/decode.js";
import { diskFiles } from "../../lang/files.js";
import { formatScript } from "../../lang/format/format.js";
import type { SourceFile } from "../../lang/source.js";
import { diagnose, fileSpan } from "../diagnose.js";
import { Stop } from "../outcome.js";
import { ReplaceError, replaceFile } from "../replace_file.js";
import type { Command, CommandContext } from "./command.js";

const byteOrderMark = "\ufeff";

export const run: Command = async (context) => {
  let good = true;
  for (const path of context.parsed.operands) good = formatFile(context, path) && good;
  if (!good) throw new Stop("invalid");
  return "completed";
};

/** Does with one file what the flags say; false if it is wrong, told already. */
function formatFile(context: CommandContext, path: string): boolean {
  const { parsed, reporter } = context;
  const read = readFile(context, path);
  if (read === null) return false;
  const { bytes, source } = read;
  const result = formatScript(source);
  if (result.kind === "rejected") {
    for (const diagnostic of result.diagnostics) reporter.diagnostic(diagnostic);
    return false;
  }
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const text = (marked ? byteOrderMark : "") + result.text;
  if (!parsed.flags.has("check") && !parsed.flags.has("write")) {
    context.write(text);
    return true;
  }
  if (source.text === result.text) return true;
  if (parsed.flags.has("check")) {
    tellDifference(context, source, result.text);
    return false;
  }
  return rewrite(context, path, bytes, text);
}

interface ReadScript {
  readonly bytes: Uint8Array;
  readonly source: SourceFile;
}

function readFile(context: CommandContext, path: string): ReadScript | null {
  const { reporter } = context;
  const absolute = resolve(context.workingFolder, path);
  const result = path.includes("\0")
    ? ({ kind: "refused", reason: "the name holds a zero character" } as const)
    : diskFiles.read(absolute);
  if (result.kind !== "read") {
    const missing = result.kind === "missing";
    const reason = missing ? "there is no such file" : result.reason;
    reporter.diagnostic(
      diagnose({
        code: "unreadable-script",
        message: `\`${path}\` cannot be read: ${reason}`,
        span: fileSpan(path),
        suggestion: missing
          ? didYouMean(basename(absolute), diskFiles.list(dirname(absolute)))
          : undefined,
      }),
    );
    return null;
  }
  const { source, problem } = decodeScript(path, result.bytes);
  if (problem === undefined) return { bytes: result.bytes, source };
  reporter.diagnostic(problem);
  return null;
}

/** Points at the first character that is not as `polus fmt` writes it. */
function tellDifference({ reporter }: CommandContext, source: SourceFile, text: string): void {
  let at = 0;
  while (at < source.text.length && source.text[at] === text[at]) at++;
  reporter.diagnostic(
    diagnose({
      code: "not-formatted",
      message: `\`${source.path}\` is not formatted`,
      span: source.span(at, at + 1),
      suggestion: "`polus fmt --write` formats it",
    }),
  );
}

function rewrite(context: CommandContext, path: string, before: Uint8Array, text: string): boolean {
  const { reporter } = context;
  try {
    replaceFile(resolve(context.workingFolder, path), before, text);
  } catch (error) {
    if (!(error instanceof ReplaceError)) throw error;
    reporter.diagnostic(
      diagnose({
        code: "unwritable-script",
        message: `\`${path}\` cannot be written: ${error.message}`,
        span: fileSpan(path),
      }),
    );
    return false;
  }
  reporter.result(path, { event: "formatted", time: new Date().toISOString(), file: path });
  return true;
}
