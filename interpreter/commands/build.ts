/** `polus build`: compiles a constructed patch into its shared object. No process is touched. */
import { join, resolve } from "node:path";
import { compilePatch } from "../../patchgen/extract/compile_patch.js";
import { refuseMarks } from "../../patchgen/output/marks.js";
import { patchFiles } from "../../patchgen/output/version_file.js";
import { patchIncludeFolder } from "../installation.js";
import { orStopped } from "../run/context.js";
import type { Command } from "./command.js";
import { readVersionFile } from "./version_file.js";

export const run: Command = async (context) => {
  const folder = resolve(context.workingFolder, context.parsed.operands[0] ?? ".");
  const version = await readVersionFile(folder);
  const files = patchFiles(folder, version);
  await refuseMarks([...files.map(({ path }) => path), join(folder, "update.polus")]);
  const object = join(folder, version.object);
  await orStopped(
    context,
    compilePatch(files, object, patchIncludeFolder, context.interruption.abortSignal),
  );
  context.reporter.result(`${object}: ${files.length} files compiled`, {
    event: "built",
    time: new Date().toISOString(),
    object,
    files: files.length,
  });
  return "completed";
};
