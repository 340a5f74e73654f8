/** `polus patchgen`: constructs a patch from two versions of the source. No process is touched. */
import { resolve } from "node:path";
import { construct } from "../../patchgen/construct.js";
import { orStopped } from "../run/context.js";
import type { Command } from "./command.js";
import { readVersionFile } from "./version_file.js";

export const run: Command = async (context) => {
  const { parsed, workingFolder, interruption } = context;
  const path = (option: string): string =>
    resolve(workingFolder, parsed.values.get(option)?.[0] ?? ".");
  const out = path("out");
  const after = parsed.values.get("after") ?? [];
  const carried = await Promise.all(
    after.map((folder) => readVersionFile(resolve(workingFolder, folder))),
  );
  const constructed = await orStopped(
    context,
    construct({
      after: carried,
      old: path("old"),
      new: path("new"),
      out,
      build: parsed.values.get("build")?.[0] ?? null,
      binary: parsed.values.has("binary") ? path("binary") : null,
      environment: process.env,
      progress: (text) => context.ask(`${text}\n`),
      cancel: interruption.abortSignal,
    }),
  );
  const { functions, files, lines, unreached } = constructed;
  const left = unreached === 0 ? "" : `, ${unreached} are not reached`;
  context.reporter.result(
    `${out}: ${functions} functions replaced${left}, ${lines} lines of C; ` +
      `read report.md, then \`polus build ${out}\``,
    { event: "constructed", time: new Date().toISOString(), folder: out, functions, lines, files },
  );
  return "completed";
};
