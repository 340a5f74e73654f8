/** `record_build.js FOLDER COMMAND`: builds in a folder and leaves a `compile_commands.json` there. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { recordBuild } from "../../patchgen/trees/recorder.js";

const [, , folder = ".", command = "make"] = process.argv;
const calls = await recordBuild({
  command,
  directory: folder,
  environment: process.env,
  cancel: new AbortController().signal,
});
// Of each call the directory and the words are what is read; `file` is what other tools look for.
const entries = calls.map(({ directory, arguments: words }) => ({
  directory,
  arguments: words,
  file: words.findLast((word) => word.endsWith(".c")) ?? "",
}));
writeFileSync(join(folder, "compile_commands.json"), `${JSON.stringify(entries, null, 1)}\n`);
