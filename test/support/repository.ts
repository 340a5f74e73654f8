/** Where the sources are: tests run compiled, from dist/, but read C sources in place. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error("package.json not found above the tests");
    folder = parent;
  }
  return folder;
}

/** Absolute path of the repository. */
export const repositoryRoot: string = findRoot();

/** Absolute path of a C program used as target, or of part of one. */
export function targetSource(name: string): string {
  return join(repositoryRoot, "test", "targets", name);
}

/** Absolute path of a patch's source. */
export function patchSource(name: string): string {
  return join(repositoryRoot, "test", "targets", "patches", name);
}

/** Folder of the header for authors of patches. */
export const stdlibInclude: string = join(repositoryRoot, "stdlib", "include");
