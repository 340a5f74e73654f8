/** Versions of real programs beside each other, each built and with a `compile_commands.json`. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Two versions of one program. */
export interface RealPair {
  readonly name: string;
  /** Folders. */
  readonly old: string;
  readonly new: string;
  /** The old version's program. */
  readonly binary: string;
}

/** Pairs by the name of the program, made when they are asked for. `null`: its sources cannot be had here. */
export const realPairs: Readonly<
  Record<string, (progress: (text: string) => void) => readonly RealPair[] | null>
> = { vsftpd, openssh, httpd };

/** Runs a shell's command. @throws Error with the end of what it said */
function shell(command: string, folder: string): string {
  const done = spawnSync("/bin/bash", ["-euo", "pipefail", "-c", command], {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (done.status === 0) return done.stdout.trim();
  throw new Error(`${command}: ${done.stdout.slice(-1000)}${done.stderr.slice(-2000)}`);
}

/** A script's answer; `null`: what it needs cannot be had here. */
function scriptAnswer(script: string, name: string): string | null {
  const done = spawnSync(join(root, "scripts", script), [name], { cwd: root, encoding: "utf8" });
  if (done.status === 3) return null;
  if (done.status !== 0) throw new Error(`${script} ${name}: ${done.stderr}`);
  return done.stdout.trim();
}

function builtPairs(
  program: string,
  versions: readonly (readonly [name: string, old: string, now: string])[],
): readonly RealPair[] | null {
  const pairs: RealPair[] = [];
  for (const [name, before, after] of versions) {
    const old = scriptAnswer("build-server", before);
    const now = scriptAnswer("build-server", after);
    if (old === null || now === null) return null;
    pairs.push({ name, old, new: now, binary: join(old, program) });
  }
  return pairs;
}

/** Debian's changes between two of its releases, in the order in which its patches build on each other. */
const vsftpdSteps = [
  "0006-greedy",
  "0007-utf8",
  "0050-CVE-2015-1419, 0070-realpath_wrapper",
  "0065-upload_download_filename_pattern",
  "0080-pam-exec-hang",
  "0081-pasv-address-ipv6",
  "0082-debian-bugfixes-tls-utf8",
];

function vsftpd(): readonly RealPair[] | null {
  const steps = vsftpdSteps.map(
    (name, at) => [name, `vsftpd-step-${at}`, `vsftpd-step-${at + 1}`] as const,
  );
  return builtPairs("vsftpd", [
    ...steps,
    ["3.0.5-0.2 to 3.0.5-1", "vsftpd-3.0.5-0.2", "vsftpd-3.0.5-1"],
  ]);
}

function httpd(): readonly RealPair[] | null {
  return builtPairs("httpd", [["2.4.67 to 2.4.68", "httpd-2.4.67-event", "httpd-2.4.68-event"]]);
}

/** The last patch of each of Debian's releases. */
const releases = [
  ["deb12u7", "fix-disable-forwarding.patch"],
  ["deb12u9", "CVE-2025-61984-tests.patch"],
  ["deb12u10", "CVE-2026-35386-3.patch"],
] as const;
const firstFix = "CVE-2023-48795.patch";

/** Debian's patches one by one, each tree made from the one before by what `make` makes anew. */
function openssh(progress: (text: string) => void): readonly RealPair[] | null {
  const base = scriptAnswer("build-server", "openssh-before-strict-kex");
  if (base === null) return null;
  const folder = join(dirname(dirname(base)), "pairs", "openssh");
  mkdirSync(folder, { recursive: true });
  const place = (patch: string): string => join(folder, patch.replace(/\.patch$/, ""));
  const series = readFileSync(join(base, "debian/patches/series"), "utf8")
    .split("\n")
    .filter((line) => line.endsWith(".patch"));
  const pairs: RealPair[] = [];
  let old = base;
  for (const patch of series.slice(series.indexOf(firstFix))) {
    const text = readFileSync(join(base, "debian/patches", patch), "latin1");
    const touched = [...text.matchAll(/^\+\+\+ [^/\s]+\/(\S+\.[ch])\s*$/gm)];
    const now = place(patch);
    derive(now, old, (at) => {
      progress(`building openssh with ${patch}`);
      shell(`patch -p1 -s -f --no-backup-if-mismatch <'debian/patches/${patch}'`, at);
      shell("make sshd >build.log 2>&1", at);
    });
    if (touched.length > 0) {
      pairs.push({ name: basename(now), old, new: now, binary: join(old, "sshd") });
    }
    old = now;
  }
  const whole = releases.slice(1).map(([name, last], at): RealPair => {
    const [before, first] = releases[at] ?? releases[0];
    const from = place(first);
    return {
      name: `${before} to ${name}`,
      old: from,
      new: place(last),
      binary: join(from, "sshd"),
    };
  });
  return [...pairs, ...whole];
}

/** Makes a folder out of a copy of another one, as a whole or not at all. */
function derive(folder: string, from: string, work: (folder: string) => void): void {
  if (existsSync(folder)) return;
  // Where it is built is where it stays: the objects name it.
  const failed = `${folder}.failed`;
  rmSync(failed, { recursive: true, force: true });
  try {
    cpSync(from, folder, { recursive: true, preserveTimestamps: true });
    const database = join(folder, "compile_commands.json");
    writeFileSync(database, readFileSync(database, "utf8").replaceAll(`"${from}`, `"${folder}`));
    work(folder);
  } catch (error) {
    renameSync(folder, failed);
    throw error;
  }
}

/** All that a constructed patch is made of, by file name. */
export function patchTexts(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(folder).filter((name) => /\.(c|polus)$/.test(name));
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}
