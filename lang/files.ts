/** What the front end needs of a file system: an interface, so that tests need no disk. */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from "node:fs";

export type Refusal =
  | { readonly kind: "missing" }
  /** It is there but cannot or must not be used; `reason` continues "cannot be read: …". */
  | { readonly kind: "refused"; readonly reason: string };

export type ReadResult = { readonly kind: "read"; readonly bytes: Uint8Array } | Refusal;

export type ProbeResult = { readonly kind: "file" } | Refusal;

/** Paths are absolute. Nothing throws. */
export interface FileAccess {
  /** The bytes of a script. */
  read(path: string): ReadResult;
  /** Whether there is a regular file that could be read, without reading it. */
  probe(path: string): ProbeResult;
  /** Names in a directory, for suggestions; empty where it cannot be listed. */
  list(directory: string): readonly string[];
}

/** Larger than any script that a person or the patch constructor writes. */
export const maximumScriptBytes = 16 << 20;

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a directory",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  EMFILE: "too many open files",
  EIO: "input/output error",
};

function refusal(error: unknown): Refusal {
  const code =
    error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  if (code === "ENOENT" || code === "ENOTDIR") return { kind: "missing" };
  return { kind: "refused", reason: reasons[code] ?? (code === "" ? "it cannot be opened" : code) };
}

/** The real file system. */
export const diskFiles: FileAccess = {
  read(path) {
    let descriptor: number;
    try {
      // Without O_NONBLOCK a named pipe would hold us until somebody writes to it.
      descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      return refusal(error);
    }
    try {
      const status = fstatSync(descriptor);
      if (status.isDirectory()) return { kind: "refused", reason: "it is a directory" };
      if (!status.isFile()) return { kind: "refused", reason: "it is no regular file" };
      return readWhole(descriptor, status.size);
    } catch (error) {
      return refusal(error);
    } finally {
      closeSync(descriptor);
    }
  },
  probe(path) {
    try {
      const status = statSync(path);
      if (status.isFile()) {
        accessSync(path, constants.R_OK);
        return { kind: "file" };
      }
      const reason = status.isDirectory() ? "it is a directory" : "it is no regular file";
      return { kind: "refused", reason };
    } catch (error) {
      return refusal(error);
    }
  },
  list(directory) {
    try {
      return readdirSync(directory);
    } catch {
      return [];
    }
  },
};

/** The same files, but each path is probed once: many patches may be in one object. */
export function probedOnce(files: FileAccess): FileAccess {
  const known = new Map<string, ProbeResult>();
  return {
    read: (path) => files.read(path),
    list: (directory) => files.list(directory),
    probe: (path) => {
      const result = known.get(path) ?? files.probe(path);
      known.set(path, result);
      return result;
    },
  };
}

function readWhole(descriptor: number, expected: number): ReadResult {
  const tooLarge: Refusal = {
    kind: "refused",
    reason: `it is larger than ${maximumScriptBytes >> 20} MiB`,
  };
  if (expected > maximumScriptBytes) return tooLarge;
  // One byte more than expected tells whether the file grew meanwhile.
  let buffer = Buffer.alloc(expected + 1);
  let filled = 0;
  for (;;) {
    const count = readSync(descriptor, buffer, filled, buffer.length - filled, null);
    filled += count;
    if (count === 0) return { kind: "read", bytes: buffer.subarray(0, filled) };
    if (filled > maximumScriptBytes) return tooLarge;
    if (filled === buffer.length) buffer = Buffer.concat([buffer], buffer.length * 2);
  }
}
