/** Results by the hash of all that they follow from, under XDG's cache folder. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** Part of the cache's keys: raised when results are made otherwise. */
const cacheVersion = 4;

export function cacheKey(...parts: readonly string[]): string {
  return createHash("sha256")
    .update(JSON.stringify([cacheVersion, ...parts]))
    .digest("hex");
}

/** Where results are kept unless told otherwise (XDG Base Directory Specification). */
export function defaultCacheFolder(
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const given = environment["XDG_CACHE_HOME"] ?? "";
  return join(isAbsolute(given) ? given : join(homedir(), ".cache"), "polus", "detect");
}

/** Text by key. A cache that cannot be read or written is as good as empty. */
export class ResultCache {
  /** `null`: nothing is kept. */
  constructor(private readonly folder: string | null) {}

  async get(key: string): Promise<string | null> {
    if (this.folder === null) return null;
    try {
      const text = await readFile(join(this.folder, key), "utf8");
      // Written by rename, but the disk may have been full or the machine may have died.
      const [checksum = "", body = ""] = splitOnce(text);
      return checksum === checksumOf(body) ? body : null;
    } catch {
      return null;
    }
  }

  async put(key: string, body: string): Promise<void> {
    if (this.folder === null) return;
    const path = join(this.folder, key);
    const fresh = `${path}.${randomBytes(6).toString("hex")}`;
    try {
      await mkdir(this.folder, { recursive: true });
      await writeFile(fresh, `${checksumOf(body)}\n${body}`);
      await rename(fresh, path);
    } catch {
      await rm(fresh, { force: true });
    }
  }
}

function splitOnce(text: string): readonly string[] {
  const at = text.indexOf("\n");
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function checksumOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
