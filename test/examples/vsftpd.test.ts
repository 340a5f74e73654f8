// may skip: vsftpd needs root, and Debian's sources of it
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { prepareVsftpd } from "../../examples/vsftpd/demo.js";
import { FtpSession } from "../../examples/vsftpd/ftp_client.js";
import { FtpLoad, observations, observe } from "../../examples/vsftpd/load.js";
import { publishedFiles, VsftpdServer } from "../../examples/vsftpd/server.js";
import { projectRoot } from "../../scripts/demonstration/polus.js";

const source = join(projectRoot, "examples/vsftpd/update.c");

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function define(built: string): void {
  test("the new matcher agrees with a plain one, and its work is bounded", () => {
    const folder = mkdtempSync(join(tmpdir(), "polus-matcher-"));
    try {
      const objects = readdirSync(built)
        .filter((name) => name.endsWith(".o") && !["main.o", "ls.o"].includes(name))
        .map((name) => join(built, name));
      const program = join(folder, "matcher");
      // Without its labels the update binds to the objects that it is linked with.
      const labels = ["-DPOLUS_H", "-DPOLUS_GLOBAL(name)="];
      const paths = ["-iquote", built, "-I", join(projectRoot, "stdlib/include")];
      const sources = [join(projectRoot, "test/examples/vsftpd_matcher.c"), source, ...objects];
      const libraries = ["cap", "crypt", "pam", "wrap", "ssl", "crypto"].map((name) => `-l${name}`);
      execFileSync(
        "gcc",
        [
          "-g",
          "-O1",
          ...labels,
          ...paths,
          ...sources,
          "-no-pie",
          "-Wl,-z,lazy,--unresolved-symbols=ignore-all",
          "-o",
          program,
          ...libraries,
        ],
        { stdio: "pipe" },
      );
      const { status, stdout } = spawnSync(program, { encoding: "utf8", timeout: 60_000 });
      assert.equal([status, stdout], [0, ""]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("the update takes from the program its string functions and nothing else", () => {
    const names = execFileSync("nm", ["-D", "-u", join(built, "update.so")], { encoding: "utf8" })
      .split("\n")
      .filter((line) => / U /.test(line))
      .map((line) => line.trim().slice(2));
    assert.ok(names.length > 0);
    for (const name of names) assert.match(name, /^str_\w+\$$/);
  });

  test("the server as it is shows the fault, and ends with all its sessions", async () => {
    const server = await VsftpdServer.start(join(built, "vsftpd"));
    const sessions: FtpSession[] = [];
    let processes: number[] = [];
    try {
      for (let i = 0; i < 3; i++) sessions.push(await FtpSession.open(server.port));
      for (const session of sessions) {
        assert.equal(await observe(session), {
          listing: observations.listing.old,
          denied: observations.denied.old,
        });
      }
      const text = (await sessions[0]?.receive("RETR readme.txt"))?.data;
      assert.is(text, publishedFiles["readme.txt"]);
      processes = server.processes();
      assert.ok(processes.length >= 1 + 2 * sessions.length, "a parent for each session");
    } finally {
      for (const session of sessions) session.destroy();
      server.stop();
    }
    for (let tries = 0; tries < 40 && processes.some(alive); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(processes.filter(alive), []);
  });

  test("the load notices answers that the phase does not allow, and lost sessions", async () => {
    const server = await VsftpdServer.start(join(built, "vsftpd"));
    const session = await FtpSession.open(server.port);
    try {
      const load = new FtpLoad(server.port, [session]);
      load.begin("updated");
      load.start();
      await new Promise((resolve) => setTimeout(resolve, 500));
      session.destroy();
      await new Promise((resolve) => setTimeout(resolve, 200));
      const [phase] = await load.end();
      assert.is(phase?.phase, "updated");
      assert.ok(phase !== undefined && phase.failed > 2 && phase.failed < phase.requests);
      assert.match(phase?.firstFailure ?? "", /^NLST \*\.txt: "readme\.txt"$/);
    } finally {
      session.destroy();
      server.stop();
    }
  });
}

const vsftpd = prepareVsftpd(() => undefined);
if ("folder" in vsftpd) define(vsftpd.folder);
else {
  process.stdout.write(`${vsftpd.missing}\n`);
  test("vsftpd's sources are left out for a reason", () => assert.ok(vsftpd.missing.length > 0));
  for (let i = 0; i < 4; i++) test.skip("needs vsftpd");
}

test.run();
