/** Reads `version.json` of a constructed patch. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PatchgenError } from "../../patchgen/error.js";
import type { VersionFile } from "../../patchgen/output/version_file.js";

/** @throws PatchgenError NOT_A_PATCH */
export async function readVersionFile(folder: string): Promise<VersionFile> {
  const path = join(folder, "version.json");
  const bad = (why: string): PatchgenError =>
    new PatchgenError(
      "NOT_A_PATCH",
      `${path} is not that of a constructed patch: ${why}`,
      "give a folder that `polus patchgen` has made",
      path,
    );
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error));
  }
  const schema = await import("../schema.js");
  const checked = schema.validate(schema.VersionFile, value);
  if (!checked.ok) throw bad(checked.problem);
  return checked.value;
}
