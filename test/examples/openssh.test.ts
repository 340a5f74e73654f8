// may skip: sshd needs root, and Debian's sources of it
// timeout 600s
// (both versions are built the first time)
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  openCommand,
  openTransfer,
  opensshExecutes,
  opensshForks,
  prepareOpenssh,
} from "../../examples/openssh/case.js";
import { offersStrictKex } from "../../examples/openssh/probe.js";
import { SshdServer } from "../../examples/openssh/server.js";
import type { Built } from "../../scripts/experiment/case.js";
import { runCase } from "../../scripts/experiment/run.js";
import { Operator } from "../../scripts/experiment/update.js";

const quiet = (): void => undefined;

/** How often connections see what, some at a time. */
async function probeOften(server: SshdServer, times: number): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  let left = times;
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const one = await offersStrictKex(server.port);
      seen[one] = (seen[one] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: 4 }, client));
  return seen;
}

function define(built: Built): void {
  test("load, a command and a transfer go on through update, rollback and update", async () => {
    const report = await runCase(opensshForks, built, { seconds: 0.5, pairs: 0, say: quiet });
    assert.equal(report.problems, []);
    assert.is(report.apply.functions, 13);
    assert.is(report.types, 1, "struct kex");
    assert.equal(report.sessions, ["a running command", "a file transfer"]);
    for (const { phase, requests } of report.phases) assert.ok(requests > 0, phase);
  });

  test("where sshd executes itself, no connection after the update is served unpatched", async () => {
    const operator = new Operator(opensshExecutes, built);
    const server = await SshdServer.start(operator.executable, "executes");
    try {
      assert.equal(await probeOften(server, 8), { "not strict": 8 });
      await operator.apply(server);
      assert.equal(await probeOften(server, 40), { strict: 40 });
      await operator.rollBack(server);
      // Counted now that the watch has ended: a process serves before the watch's line about it is read.
      assert.ok(operator.heldAtStart.length >= 40, `${operator.heldAtStart.length} held at start`);
      assert.equal(await probeOften(server, 8), { "not strict": 8 });
      assert.not.match(server.log, /fatal|error:/);
    } finally {
      await operator.close();
      server.stop();
    }
  });

  test("sessions that have agreed on strict key exchange keep to it after rollback", async () => {
    const operator = new Operator(opensshForks, built);
    const server = await SshdServer.start(operator.executable, "forks");
    const opened = [];
    try {
      await operator.apply(server);
      opened.push(await openCommand(server, "command"), await openTransfer(server, "transfer"));
      await operator.rollBack(server);
      assert.is(await offersStrictKex(server.port), "not strict");
      opened.push(await openTransfer(server, "another transfer"));
      // 4 MiB each, and new keys after every half: several exchanges, each with the numbers set back.
      for (let turn = 0; turn < 128; turn++) for (const session of opened) await session.check();
    } finally {
      for (const session of opened) session.close();
      await operator.close();
      server.stop();
    }
  });
}

const openssh = prepareOpenssh(quiet);
if ("missing" in openssh) {
  process.stdout.write(`${openssh.missing}\n`);
  test("OpenSSH is left out for a reason", () => assert.ok(openssh.missing.length > 0));
  for (let i = 0; i < 3; i++) test.skip("needs OpenSSH");
} else define(openssh);

test.run();
