/** A file system in memory, for tests. */
import { dirname } from "node:path";
import type { FileAccess } from "../../lang/files.js";

/** Files by absolute path; a path that ends with `/` is a directory. */
export function memoryFiles(contents: Readonly<Record<string, string | Uint8Array>>): FileAccess {
  const isDirectory = (path: string): boolean =>
    Object.keys(contents).some((file) => file.startsWith(path.endsWith("/") ? path : `${path}/`));
  const find = (path: string) => {
    const content = contents[path];
    if (content !== undefined) return { kind: "found", content } as const;
    return isDirectory(path)
      ? ({ kind: "refused", reason: "it is a directory" } as const)
      : ({ kind: "missing" } as const);
  };
  return {
    read(path) {
      const found = find(path);
      if (found.kind !== "found") return found;
      const { content } = found;
      return {
        kind: "read",
        bytes: typeof content === "string" ? Buffer.from(content, "utf8") : content,
      };
    },
    probe(path) {
      const found = find(path);
      return found.kind === "found" ? { kind: "file" } : found;
    },
    list(directory) {
      return Object.keys(contents)
        .filter((path) => dirname(path) === directory)
        .map((path) => path.slice(directory.length + 1));
    },
  };
}
