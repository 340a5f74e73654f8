/** Where this installation's own files are: found from this module, never from the working folder. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's folder: this file is `dist/interpreter/installation.js` in it. */
export const packageRoot: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** C headers for patch authors. */
export const patchIncludeFolder: string = join(packageRoot, "stdlib", "include");

/** The version in `package.json`, `unknown` where that cannot be read. */
export function packageVersion(): string {
  try {
    const text: unknown = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8"));
    if (typeof text === "object" && text !== null && "version" in text) {
      return String(text.version);
    }
  } catch {
    // An installation without its package.json still works.
  }
  return "unknown";
}
