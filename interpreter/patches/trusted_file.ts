/**
 * Reading scripts and patches so that nobody else can change what runs as root
 * in a process. As root each file, each folder on the way to it and each link
 * must belong to root or to the invoking user (`SUDO_UID`), the file and its own
 * folder be writable by nobody else, and the other folders too unless sticky.
 *
 * The walk goes from `/` by open descriptors (`/proc/self/fd/N/name` stands in
 * for openat), so what was checked is what is read; contents come from the
 * checked descriptor.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { basename, dirname, resolve } from "node:path";

/** Linux's O_PATH (x86-64), which Node does not name: a descriptor of the place, nothing opened. */
const openPathOnly = 0x200000;
const linkLimit = 40;
/** Nobody writes patches larger than this, bytes. */
const patchSizeLimit = 512 * 1024 * 1024;

/** Why a file was not read; `code` is that of the diagnostic. */
export class FileProblem extends Error {
  constructor(
    readonly code:
      "file-not-found" | "file-unreadable" | "not-a-file" | "file-too-large" | "untrusted-file",
    message: string,
    readonly help: string | null = null,
  ) {
    super(message);
    this.name = "FileProblem";
  }
}

/** Whose files may be used. */
export interface FileTrust {
  /** `null`: ownership does not matter (not root, or the operator insists by `--insecure-files`). */
  readonly owners: readonly number[] | null;
}

/** The rules for this process: only root needs any. */
export function trustFor(
  effectiveUser: number,
  environment: Readonly<Record<string, string | undefined>>,
  insecure: boolean,
): FileTrust {
  if (effectiveUser !== 0 || insecure) return { owners: null };
  const invoking = environment["SUDO_UID"];
  const owners = [0];
  if (invoking !== undefined && /^\d{1,10}$/.test(invoking)) owners.push(Number(invoking));
  return { owners };
}

/** Reads a file of at most `sizeLimit` bytes under the rules of `trust`. Throws FileProblem. */
export function readTrustedFile(
  path: string,
  trust: FileTrust,
  sizeLimit: number = patchSizeLimit,
): Buffer {
  const absolute = resolve(path);
  const descriptor =
    trust.owners === null ? openPlainly(absolute) : openByWalk(absolute, trust.owners);
  try {
    return readAll(descriptor, absolute, sizeLimit);
  } finally {
    closeSync(descriptor);
  }
}

/** Never waits (a FIFO) and never opens a device for its effects: the kind is looked at first. */
function openPlainly(path: string): number {
  const place = attempt(path, () => openSync(path, openPathOnly));
  try {
    const status = fstatSync(place);
    if (!status.isFile()) throw notAFile(path, status);
    return attempt(path, () => openSync(throughDescriptor(place), constants.O_RDONLY));
  } finally {
    closeSync(place);
  }
}

function openByWalk(path: string, owners: readonly number[]): number {
  let folder = attempt(path, () => openSync("/", openPathOnly | constants.O_DIRECTORY));
  let folderPath = "/";
  let links = 0;
  try {
    let rest = path.split("/").filter((part) => part !== "");
    for (;;) {
      const name = rest.shift();
      if (name === undefined) throw new FileProblem("not-a-file", `${path} is a folder`);
      checkFolder(fstatSync(folder), folderPath, owners, "ancestor");
      const place = attempt(path, () =>
        openSync(`${throughDescriptor(folder)}/${name}`, openPathOnly | constants.O_NOFOLLOW),
      );
      const placePath = name === ".." ? dirname(folderPath) : resolve(folderPath, name);
      const status = fstatSync(place);
      if (status.isSymbolicLink()) {
        closeSync(place);
        checkOwner(status, `the link ${placePath}`, owners);
        links += 1;
        if (links > linkLimit) {
          throw new FileProblem("file-unreadable", `${path} goes through too many links`);
        }
        const target = attempt(path, () => readlinkSync(`${throughDescriptor(folder)}/${name}`));
        rest = [...target.split("/").filter((part) => part !== "" && part !== "."), ...rest];
        if (target.startsWith("/")) {
          closeSync(folder);
          folder = openSync("/", openPathOnly | constants.O_DIRECTORY);
          folderPath = "/";
        }
        continue;
      }
      if (status.isDirectory()) {
        closeSync(folder);
        folder = place;
        folderPath = placePath;
        continue;
      }
      try {
        if (rest.length > 0 || !status.isFile()) throw notAFile(placePath, status);
        checkFolder(fstatSync(folder), folderPath, owners, "containing");
        checkOwner(status, placePath, owners);
        checkNotWritable(status, placePath);
        return attempt(path, () => openSync(throughDescriptor(place), constants.O_RDONLY));
      } finally {
        closeSync(place);
      }
    }
  } finally {
    closeSync(folder);
  }
}

function throughDescriptor(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

const insecureHelp =
  "change owner and mode, or pass --insecure-files to run files that other users can change";

function checkFolder(
  status: Stats,
  path: string,
  owners: readonly number[],
  role: "ancestor" | "containing",
): void {
  checkOwner(status, `the folder ${path}`, owners);
  const sticky = (status.mode & 0o1000) !== 0;
  if (role === "ancestor" && sticky) return;
  checkNotWritable(status, `the folder ${path}`);
}

function checkOwner(status: Stats, what: string, owners: readonly number[]): void {
  if (owners.includes(status.uid)) return;
  throw new FileProblem(
    "untrusted-file",
    `${what} belongs to user ${status.uid}, and polus runs as root`,
    insecureHelp,
  );
}

function checkNotWritable(status: Stats, what: string): void {
  if ((status.mode & 0o022) === 0) return;
  const mode = (status.mode & 0o7777).toString(8).padStart(4, "0");
  throw new FileProblem(
    "untrusted-file",
    `${what} is writable by other users (mode ${mode}), and polus runs as root`,
    insecureHelp,
  );
}

function notAFile(path: string, status: Stats): FileProblem {
  const kind = status.isDirectory() ? "a folder" : "not a regular file";
  return new FileProblem("not-a-file", `${path} is ${kind}`);
}

function readAll(descriptor: number, path: string, sizeLimit: number): Buffer {
  const size = fstatSync(descriptor).size;
  if (size > sizeLimit) {
    throw new FileProblem("file-too-large", `${path} has ${size} bytes; the limit is ${sizeLimit}`);
  }
  // One byte more than its size tells whether it grew meanwhile.
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(Math.max(4096, size + 1 - total));
    const read = attempt(path, () => readSync(descriptor, chunk, 0, chunk.length, null));
    if (read === 0) return Buffer.concat(chunks, total);
    total += read;
    if (total > sizeLimit) {
      throw new FileProblem("file-too-large", `${path} has more than ${sizeLimit} bytes`);
    }
    chunks.push(chunk.subarray(0, read));
  }
}

/** Runs a file operation; its system error becomes a FileProblem about `path`. */
function attempt<T>(path: string, operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const name = basename(path);
    switch (code) {
      case "ENOENT":
      case "ENOTDIR":
        throw new FileProblem("file-not-found", `there is no file ${path}`);
      case "EACCES":
      case "EPERM":
        throw new FileProblem("file-unreadable", `${path} cannot be read: permission denied`);
      case "ELOOP":
        throw new FileProblem("file-unreadable", `${path} goes through too many links`);
      default:
        throw new FileProblem("file-unreadable", `${path} cannot be read: ${code} on ${name}`);
    }
  }
}
