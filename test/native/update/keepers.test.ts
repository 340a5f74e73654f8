// timeout 180s
/**
 * Callers that keep values in registers across a call, because gcc has compiled them together
 * with a callee that leaves those alone: the new version must leave them alone too.
 */
import * as assert from "uvu/assert";
import {
  apply,
  engine,
  expectUntraced,
  expectVersion,
  refused,
  rollback,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import {
  buildPatch,
  type ReplaceSpec,
  simpleUpdate,
  update,
  patch,
} from "../../support/patches.js";
import { stdlibInclude } from "../../support/repository.js";
import { buildTarget, sleep, TargetProcess, withTarget } from "../../support/target_process.js";

const program = (flags: readonly string[] = []): string =>
  buildTarget({ name: "keepers", flags: ["-O2", ...flags] });
const object = (): string => buildPatch("keepers.c", [`-I${stdlibInclude}`]);
const careless = (...names: readonly string[]): ReplaceSpec[] =>
  names.map((name) => ({ function: name, with: `${name}_careless` }));

const probes = ["integers", "floats", "result", "passed_on", "indirect", "lonely"];

test("exchanged without care, a function destroys what its callers keep", async () => {
  const target = await TargetProcess.start(program(), { args: ["--naive"] });
  try {
    const deadline = Date.now() + 10_000;
    let state = await target.state();
    while (state.errors === 0 && Date.now() < deadline) {
      await sleep(20);
      state = await target.state();
    }
    assert.ok(state.errors > 0, "the hazard is not there: the test shows nothing");
  } finally {
    await target.kill();
  }
});

const hazards = [
  { name: "weigh", callers: ["integers"], registers: ["rdx", "rcx", "rsi"] },
  { name: "scale", callers: ["floats"], registers: ["xmm1", "xmm2"] },
  { name: "touch", callers: ["result", "passed_on", "indirect"], registers: ["rax", "rdi", "rsi"] },
];

for (const { name, callers, registers } of hazards) {
  test(`a careless new version of ${name} is refused`, async () => {
    const request = simpleUpdate(name, object(), careless(name));
    await withTarget(program(), {}, async (target) => {
      for (const attempt of [
        () => withSession(target.pid, (session) => session.verify(request)),
        () => apply(target.pid, request),
      ]) {
        const error = await refused(attempt(), "CALLER_KEEPS_REGISTERS");
        assert.is(error.details.subject, name);
        assert.match(
          error.details.help ?? "",
          new RegExp(`POLUS_KEEPS_REGISTERS\\(${name}_careless\\)`),
        );
        for (const caller of callers) assert.ok(error.message.includes(caller), error.message);
        const said = registers.filter((register) => error.message.includes(register));
        assert.ok(said.length > 0, error.message);
      }
      assert.is(await engine.status(target.pid), null);
      await expectVersion(target, "old", probes);
      expectUntraced(target);
    });
    const { problems } = await engine.verifyFile(program(), request);
    assert.is(problems[0]?.code, "CALLER_KEEPS_REGISTERS");
  });
}

test("new versions that are declared to keep registers do so", async () => {
  const request = simpleUpdate("keeping", object(), [
    { function: "weigh", with: "weigh_keeping" },
    { function: "scale", with: "scale_keeping" },
    "touch",
    { function: "lonely", with: "lonely_careless" },
  ]);
  await withTarget(program(), {}, async (target) => {
    for (let round = 0; round < 2; round++) {
      await apply(target.pid, request);
      await expectVersion(target, "new", probes);
      await rollback(target.pid);
      await expectVersion(target, "old", probes);
    }
  });
});

test("a new version that happens to leave the registers alone is taken", async () => {
  const request = simpleUpdate("lean", object(), [
    { function: "weigh", with: "weigh_lean" },
    { function: "lonely", with: "lonely_careless" },
  ]);
  await withTarget(program(), {}, async (target) => {
    await apply(target.pid, request);
    await expectVersion(target, "new", ["integers", "lonely"]);
    await rollback(target.pid);
    await expectVersion(target, "old", probes);
  });
});

test("a declaration that does not cover what is kept is refused", async () => {
  const request = simpleUpdate("wrong", object(), [{ function: "touch", with: "touch_wrong" }]);
  await withTarget(program(), {}, async (target) => {
    const error = await refused(apply(target.pid, request), "CALLER_KEEPS_REGISTERS");
    assert.match(error.message, /in rax,/);
  });
});

test("a later update of a function that is updated already is looked at as well", async () => {
  const first = simpleUpdate("first", object(), [{ function: "weigh", with: "weigh_keeping" }]);
  const second = update("second", [patch("second", object(), careless("weigh"))]);
  await withTarget(program(), {}, async (target) => {
    await apply(target.pid, first);
    await refused(apply(target.pid, second), "CALLER_KEEPS_REGISTERS");
    await expectVersion(target, "new", ["integers"]);
  });
});

test("without -fipa-ra nothing is kept and nothing refused", async () => {
  const request = simpleUpdate("careless", object(), careless("weigh", "scale", "touch", "lonely"));
  await withTarget(program(["-fno-ipa-ra"]), {}, async (target) => {
    await apply(target.pid, request);
    await expectVersion(target, "new", probes);
    await rollback(target.pid);
    await expectVersion(target, "old", probes);
  });
});

test.run();
