// exclusive
// timeout 3000s
// may skip: needs POLUS_SOURCES
/**
 * Detection on patches of real programs, held against an independent comparison of object code.
 * POLUS_SOURCES names a folder with the tarballs (`scripts/fetch-source` tells which).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Detection } from "../../patchgen/model.js";
import { functionsOf } from "./judge/judge.js";
import { steps, treeIn, type Program, type Step } from "./judge/real_tree.js";
import { baseFolder, compareTrees, treeWith } from "./source_trees.js";

const sources = process.env["POLUS_SOURCES"] ?? "";
const mostNeedless = 0.05;

const programs: Readonly<Record<string, Program>> = {
  vsftpd: {
    original: "vsftpd_3.0.5.orig.tar.gz",
    debian: "vsftpd_3.0.5-1.debian.tar.xz",
    call: ["gcc", "-g", "-O2", "-fPIE", "-idirafter", "dummyinc"],
    configure: null,
    from: null,
    isUnit: () => true,
  },
  openssh: {
    original: "openssh_9.2p1.orig.tar.gz",
    debian: "openssh_9.2p1-2+deb12u10.debian.tar.xz",
    call: [
      ...["gcc", "-g", "-O2", "-fno-strict-aliasing", "-I.", "-DHAVE_CONFIG_H"],
      ...['-DSSHDIR="/etc/ssh"', '-D_PATH_SSH_PROGRAM="/bin/ssh"', '-D_PATH_SSH_PIDDIR="/run"'],
      ...['-D_PATH_SSH_ASKPASS_DEFAULT="/bin/a"', '-D_PATH_SFTP_SERVER="/bin/s"'],
      ...['-D_PATH_SSH_KEY_SIGN="/bin/k"', '-D_PATH_SSH_PKCS11_HELPER="/bin/p"'],
      ...['-D_PATH_SSH_SK_HELPER="/bin/h"', '-D_PATH_PRIVSEP_CHROOT_DIR="/run/e"'],
    ],
    configure: "touch configure && ./configure --without-pam >/dev/null",
    from: "CVE-2023-38408-1.patch",
    isUnit: (name) => !/^(ssh-agent|ssh-keygen|ssh-keyscan|sftp.*|scp)\.c$/.test(name),
  },
};

interface Verdict {
  readonly missed: readonly string[];
  readonly needless: readonly string[];
  readonly found: number;
}

function judge(step: Step, program: Program, detection: Detection): Verdict {
  const old = treeIn(step.old, program);
  const now = treeIn(step.new, program);
  const inHeader = step.touched.some((name) => name.endsWith(".h"));
  const units = old.units.filter(
    ({ source }) =>
      (inHeader || step.touched.includes(source)) && now.units.some((one) => one.source === source),
  );
  const missed: string[] = [];
  const needless: string[] = [];
  let found = 0;
  for (const { source } of units) {
    const before = functionsOf(old.root, source, program.call);
    const after = functionsOf(now.root, source, program.call);
    const change = detection.units.find((one) => one.source === source);
    const told = new Map(change?.functions.map((one) => [one.name, one]));
    for (const [name, code] of before) {
      const is = after.get(name);
      const one = told.get(name);
      if (is !== undefined && is !== code && one === undefined) missed.push(`${source}:${name}`);
      if (one?.how !== "changed" || !one.symbol || is === undefined) continue;
      found++;
      if (is === code) needless.push(`${source}:${name}`);
    }
  }
  return { missed, needless, found };
}

test("the judge tells functions whose object code or constant data differs", () => {
  const text = `static const int table[] = {1, 2, 3};
const char *word(void) { return "one"; }
int entry(int n) { return table[n]; }
int same(int n) { return n + 1; }
`;
  const codeOf = (version: string): ReadonlyMap<string, string> => {
    const tree = treeWith({ "unit.c": version });
    return functionsOf(tree.root, "unit.c", ["gcc", "-O2"]);
  };
  const differing = (version: string): readonly string[] => {
    const before = codeOf(text);
    const after = codeOf(version);
    return [...before].filter(([name, code]) => after.get(name) !== code).map(([name]) => name);
  };
  assert.equal(differing(`int unused;\n${text}`), []);
  assert.equal(differing(text.replace('"one"', '"two"')), ["word"]);
  assert.equal(differing(text.replace("2, 3", "2, 4")), ["entry"]);
  assert.equal(differing(text.replace("n + 1", "n + 2")), ["same"]);
});

for (const [name, program] of Object.entries(programs)) {
  const there = [program.original, program.debian].every((file) => existsSync(join(sources, file)));
  if (sources === "" || !there) {
    console.log(`skipped: ${name}: POLUS_SOURCES names no folder with its sources`);
    test.skip(`${name}: needs POLUS_SOURCES`, () => {});
    continue;
  }
  test(`${name}, patch by patch: nothing missed, little needless`, async () => {
    const all = { missed: [] as string[], needless: [] as string[], found: 0 };
    for (const step of steps(program, sources, join(baseFolder, name))) {
      const detection = await compareTrees(treeIn(step.old, program), treeIn(step.new, program));
      const { missed, needless, found } = judge(step, program, detection);
      all.missed.push(...missed.map((one) => `${step.patch} ${one}`));
      all.needless.push(...needless.map((one) => `${step.patch} ${one}`));
      all.found += found;
      console.log(
        `${step.patch}: ${found} functions, missed ${missed.join(" ") || "none"}, needless ${needless.join(" ") || "none"}, ${detection.statistics.seconds.toFixed(1)} s`,
      );
    }
    assert.equal(all.missed, []);
    assert.ok(all.found > 10);
    assert.ok(all.needless.length <= mostNeedless * all.found, all.needless.join(" "));
  });
}

test.run();
