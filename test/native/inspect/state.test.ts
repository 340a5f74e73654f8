/** What the kernel tells of a process: threads, files, mappings, memory, children, stacks. */
import * as assert from "uvu/assert";
import type { Inspection, ThreadInfo } from "../../../native/inspection.js";
import { withSession } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { basicUpdate } from "../../support/programs.js";
import { buildTarget, sleep, withTarget } from "../../support/target_process.js";

const program = buildTarget({ name: "surroundings" });

async function inspected(body: (look: Inspection) => Promise<void>): Promise<void> {
  await withTarget(program, {}, async (target) => {
    await withSession(target.pid, async (session) => body(await session.inspect(target.pid)));
  });
}

test("threads with their names, states and processor time", async () => {
  await inspected(async (look) => {
    let threads = look.threads();
    const named = (name: string): ThreadInfo | undefined => threads.find((t) => t.name === name);
    // They have their names a moment before the one sleeps and the other has used a tick of processor time.
    for (let tries = 0; tries < 200; tries++) {
      if (named("asleep")?.state === "S" && (named("busy) R 1 (")?.cpuTime ?? 0n) > 0n) break;
      await sleep(10);
      threads = look.threads();
    }
    const busy = named("busy) R 1 (");
    const asleep = named("asleep");
    assert.ok(busy !== undefined && asleep !== undefined, threads.map((t) => t.name).join(" | "));
    assert.ok(threads.some((t) => t.tid === look.process.pid));
    assert.is(asleep.state, "S");
    assert.ok(busy.cpuTime > asleep.cpuTime);
    const later = look.threads().find((t) => t.tid === busy.tid);
    assert.ok((later?.cpuTime ?? 0n) >= busy.cpuTime);
    const stacks = await look.stacks();
    const names = stacks.find((s) => s.tid === asleep.tid)?.frames.map((f) => f.function);
    assert.ok(names?.includes("asleep"), names?.join(" "));
  });
});

test("open files of every kind, their positions and flags", async () => {
  await inspected(async (look) => {
    const files = look.files();
    const at = (fd: number): (typeof files)[number] => {
      const found = files.find((f) => f.fd === fd);
      if (found === undefined) throw new Error(`no descriptor ${fd}`);
      return found;
    };
    assert.ok(at(100).path.endsWith("hostile\n\x1b[31m name (deleted)"), at(100).path);
    assert.is(at(100).kind, "file");
    assert.is(at(100).position, 5n);
    assert.is(at(100).flags & 3, 2);
    assert.is(at(101).kind, "directory");
    assert.is(at(102).kind, "socket");
    assert.is(at(103).kind, "pipe");
    assert.is(at(104).kind, "device");
    assert.is(at(104).path, "/dev/null");
    assert.is(at(105).kind, "other");
    assert.match(at(105).path, /^anon_inode:/);
    const order = files.map((f) => f.fd);
    assert.equal(
      order,
      [...order].sort((a, b) => a - b),
    );
  });
});

test("children, and how much memory is used", async () => {
  await inspected(async (look) => {
    const children = await look.children();
    assert.is(children.length, 1);
    assert.is(children[0]?.parent, look.process.pid);
    const use = look.memory();
    assert.ok(use.virtual > use.resident && use.resident > 0n && use.data > 0n);
    assert.ok(use.data > 64n << 20n, `${use.data} bytes of data`);
  });
});

test("mappings, and which of them are ours", async () => {
  await withTarget(buildTarget({ name: "basic" }), {}, async (target) => {
    await withSession(target.pid, async (session) => {
      const look = await session.inspect(target.pid);
      assert.not.ok(look.maps().some((m) => m.polus));
      assert.ok(look.maps().some((m) => m.path === target.program && m.permissions === "r-xp"));
      await session.apply(basicUpdate());
      const own = look.maps().filter((m) => m.polus);
      // The record, the slots and the stubs, and the patch's own pages at least.
      assert.ok(own.length >= 4, `${own.length} mappings are ours`);
      assert.ok(own.some((m) => m.permissions.includes("x")));
      assert.ok(own.every((m) => m.path === ""));
    });
  });
});

test.run();
