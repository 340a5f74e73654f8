// may skip: sshd needs root, and Debian's sources of it
// timeout 1800s
// (five versions are built the first time, and three patches are constructed)
import { test } from "uvu";
import * as assert from "uvu/assert";
import { opensshConstructed } from "../../examples/openssh/constructed.js";
import { opensshStrictKex } from "../../examples/openssh/strict_kex.js";
import type { Built } from "../../scripts/experiment/case.js";
import { runCase } from "../../scripts/experiment/run.js";

const quiet = (): void => undefined;

function defineConstructed(built: Built): void {
  test("two constructed security fixes in a row: a certificate is refused that was accepted", async () => {
    const report = await runCase(opensshConstructed, built, { seconds: 0.5, pairs: 0, say: quiet });
    assert.equal(report.problems, []);
    assert.equal(
      report.updates.map(({ name, applied, lines }) => [
        ...[name, applied.functions, lines.cByHand + lines.scriptByHand],
      ]),
      [
        ["ecdsa", 2, 0],
        ["principals", 1, 0],
      ],
    );
    for (const { phase, requests } of report.phases) assert.ok(requests > 0, phase);
  });
}

function defineStrictKex(built: Built): void {
  test("strict key exchange, constructed: sessions carry their state over, new ones are offered it", async () => {
    const report = await runCase(opensshStrictKex, built, { seconds: 0.5, pairs: 0, say: quiet });
    assert.equal(report.problems, []);
    assert.is(report.apply.functions, 34);
    assert.ok(report.heldAtStart.length > 0);
    const [update] = report.updates;
    assert.equal([update?.lines.cByHand, update?.lines.scriptByHand], [0, 0]);
    assert.equal(report.sessions, ["a running command", "a file transfer"]);
    for (const { phase, requests } of report.phases) assert.ok(requests > 0, phase);
  });
}

for (const [of, define] of [
  [opensshStrictKex, defineStrictKex],
  [opensshConstructed, defineConstructed],
] as const) {
  const built = of.prepare({ say: quiet, anew: false });
  if ("missing" in built) {
    process.stdout.write(`${built.missing}\n`);
    test(`${of.name} is left out for a reason`, () => assert.ok(built.missing.length > 0));
    test.skip("needs OpenSSH");
  } else define(built);
}

test.run();
