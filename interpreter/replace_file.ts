/** Giving a file of the person's new contents: all at once, or not at all. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  type Stats,
} from "node:fs";
import { basename, dirname } from "node:path";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Why a file was left as it was; the message continues "FILE cannot be written: …". */
export class ReplaceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ReplaceError";
  }
}

/**
 * Replaces the contents of a file by way of a new one beside it, with the old one's mode
 * and owner. Symbolic links are followed; other hard links keep the old contents.
 * @param before what the file must hold still
 * @throws ReplaceError if it holds something else by now, or cannot be written
 */
export function replaceFile(path: string, before: Uint8Array, after: string): void {
  try {
    replaceInFolder(realpathSync(path), before, after);
  } catch (error) {
    if (error instanceof ReplaceError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    // Node's messages end with the system call and its paths.
    throw new ReplaceError(reason.split(", ")[0] ?? reason);
  }
}

/** Works from an open descriptor of the folder, so that it stays the same one throughout. */
function replaceInFolder(path: string, before: Uint8Array, after: string): void {
  const folder = openSync(dirname(path), O_RDONLY | O_DIRECTORY);
  try {
    const inFolder = (name: string): string => `/proc/self/fd/${folder}/${name}`;
    const name = basename(path);
    const status = unchanged(inFolder(name), before);
    const temporary = inFolder(`.${name.slice(0, 200)}.${randomBytes(6).toString("hex")}`);
    writeNew(temporary, after, status, () => renameSync(temporary, inFolder(name)));
  } finally {
    closeSync(folder);
  }
}

/** The status of a file whose contents must be those that were read before. */
function unchanged(path: string, before: Uint8Array): Stats {
  const descriptor = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw new ReplaceError("it is no regular file");
    if (status.size !== before.length || !readFileSync(descriptor).equals(before)) {
      throw new ReplaceError("it was changed meanwhile");
    }
    return status;
  } finally {
    closeSync(descriptor);
  }
}

/** Makes a file like another one; `use` gives it its name. Nothing is left behind where that fails. */
function writeNew(path: string, text: string, like: Stats, use: () => void): void {
  const descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    const own = fstatSync(descriptor);
    if (own.uid !== like.uid || own.gid !== like.gid) keepOwner(descriptor, like);
    // After the owner, whose change takes set-user-id bits away.
    fchmodSync(descriptor, like.mode & 0o7777);
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
    use();
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

function keepOwner(descriptor: number, { uid, gid }: Stats): void {
  try {
    fchownSync(descriptor, uid, gid);
  } catch {
    throw new ReplaceError(`its owner (user ${uid}, group ${gid}) could not be kept`);
  }
}
