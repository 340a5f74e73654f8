// timeout 300s
/** Memory of a process at one moment: read and written while all its threads are held. */
import * as assert from "uvu/assert";
import { addon } from "../../../native/addon/addon.js";
import { offsetBy, type Address } from "../../../native/address.js";
import type { Inspection, MemoryRange } from "../../../native/inspection.js";
import { expectUntraced, refused, withSession } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { blockedProgram } from "../../support/programs.js";
import { threadStates } from "../../support/proc.js";
import { buildTarget, sleep, TargetProcess, withTarget } from "../../support/target_process.js";

const program = buildTarget({ name: "moments" });
const page = 4096;
const wordsInRow = 6;

async function inspect<T>(pid: number, body: (look: Inspection) => Promise<T>): Promise<T> {
  return withSession(pid, async (session) => body(await session.inspect(pid)));
}

function addressOf(look: Inspection, name: string): Address {
  const entity = look.entity({ name });
  if (entity.kind !== "variable" || entity.storage.kind !== "static")
    throw new Error(`${name} is no static variable`);
  return entity.storage.address;
}

/** The words of one writer, each on its own page. */
function rowRanges(look: Inspection, row: number): MemoryRange[] {
  const rows = addressOf(look, "rows");
  return Array.from({ length: wordsInRow }, (_, word) => ({
    address: offsetBy(rows, word * page + row * 8),
    length: 8,
  }));
}

function word(bytes: Uint8Array | null | undefined): bigint {
  if (bytes?.length !== 8) throw new Error("no word");
  return Buffer.from(bytes).readBigUInt64LE();
}

/** What a writer keeps true at every moment. */
function isWhole(words: readonly bigint[]): boolean {
  const first = words[0] ?? 0n;
  const last = words.at(-1) ?? 0n;
  const falls = words.every((w, at) => at === 0 || w <= (words[at - 1] ?? 0n));
  return falls && first - last <= 1n;
}

function bytesOf(...words: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(words.length * 8);
  words.forEach((w, at) => bytes.writeBigUInt64LE(w, at * 8));
  return bytes;
}

test("what writers keep in order is torn for who reads word by word, and whole at one moment", async () => {
  await withTarget(program, { args: ["--writers=3"] }, async (target) => {
    await inspect(target.pid, async (look) => {
      let torn = 0;
      // On a machine with few processors it takes patience to catch a writer in the act.
      for (let round = 0; round < 30_000 && (torn === 0 || round < 300); round++) {
        const words = rowRanges(look, round % 3).map((r) => word(look.readSome(r.address, 8)));
        if (!isWhole(words)) torn++;
      }
      assert.ok(torn > 0, "a naive reader must see rows torn, else this test proves nothing");
      let before = 0n;
      let held = 0;
      for (let round = 0; round < 150 || (held < 20 && round < 2000); round++) {
        const ranges = [0, 1, 2].flatMap((row) => rowRanges(look, row));
        const moment = await look.readTogether(ranges);
        // On a busy machine it may say that not all could be held in time.
        if (!moment.held) continue;
        held++;
        const words = moment.contents.map(word);
        for (let row = 0; row < 3; row++) {
          const own = words.slice(row * wordsInRow, (row + 1) * wordsInRow);
          assert.ok(isWhole(own), `torn: ${own.join(" ")}`);
        }
        const sum = words.reduce((a, b) => a + b, 0n);
        assert.ok(sum >= before, "time goes backwards");
        before = sum;
      }
      assert.ok(before > 0n);
    });
    expectUntraced(target);
  });
});

test("one aligned word holds nobody; what cannot be read is null", async () => {
  await withTarget(program, {}, async (target) => {
    await inspect(target.pid, async (look) => {
      const quiet = addressOf(look, "quiet");
      const one = await look.readTogether([{ address: quiet, length: 8 }]);
      assert.is(one.heldUs, 0);
      assert.is(one.held, true);
      assert.is(word(one.contents[0]), 11n);
      const moment = await look.readTogether([
        { address: offsetBy(quiet, 8), length: 16 },
        { address: 0x10n as Address, length: 4 },
        { address: quiet, length: 0 },
      ]);
      assert.ok(moment.heldUs > 0);
      assert.equal(Buffer.from(moment.contents[0] ?? []), bytesOf(22n, 33n));
      assert.is(moment.contents[1], null);
      assert.is(moment.contents[2]?.length, 0);
      await refused(
        look.readTogether([
          { address: quiet, length: 16 << 20 },
          { address: quiet, length: 8 },
        ]),
        "MOMENT_TOO_LARGE",
      );
    });
  });
});

test("sixty-four busy and sleeping threads", async () => {
  const args = ["--writers=4", "--sleepers=60"];
  await withTarget(program, { args }, async (target) => {
    await inspect(target.pid, async (look) => {
      let held = 0;
      for (let round = 0; round < 20 || (held < 10 && round < 200); round++) {
        const moment = await look.readTogether(rowRanges(look, round % 4));
        if (!moment.held) continue;
        held++;
        assert.ok(isWhole(moment.contents.map(word)));
      }
      assert.ok(held >= 10, `only ${held} moments`);
    });
    expectUntraced(target);
  });
});

test("changes are written all or not at all", async () => {
  await withTarget(program, {}, async (target) => {
    await inspect(target.pid, async (look) => {
      const quiet = addressOf(look, "quiet");
      const now = (): Buffer => Buffer.from(look.readSome(quiet, 32));
      const done = await look.writeTogether([
        { address: quiet, bytes: bytesOf(1n), expected: bytesOf(11n) },
        { address: offsetBy(quiet, 16), bytes: bytesOf(3n) },
      ]);
      assert.ok(done.written);
      assert.equal(done.before.map(word), [11n, 33n]);
      assert.ok(done.heldUs > 0);
      assert.equal(now(), bytesOf(1n, 22n, 3n, 44n));

      const not = await look.writeTogether([
        { address: quiet, bytes: bytesOf(5n) },
        { address: offsetBy(quiet, 8), bytes: bytesOf(6n), expected: bytesOf(23n) },
        { address: offsetBy(quiet, 24), bytes: bytesOf(7n), expected: bytesOf(44n) },
      ]);
      assert.not.ok(not.written);
      assert.equal([...not.unexpected], [1]);
      assert.equal(not.before.map(word), [1n, 22n, 44n]);
      assert.equal(now(), bytesOf(1n, 22n, 3n, 44n));

      // What overlaps is applied in the order asked.
      const over = await look.writeTogether([
        { address: quiet, bytes: bytesOf(8n, 9n) },
        { address: offsetBy(quiet, 8), bytes: bytesOf(10n) },
      ]);
      assert.ok(over.written);
      assert.equal(now(), bytesOf(8n, 10n, 3n, 44n));
    });
  });
});

test("what the program cannot write is refused before anything is written", async () => {
  await withTarget(program, {}, async (target) => {
    await inspect(target.pid, async (look) => {
      const quiet = addressOf(look, "quiet");
      const constant = addressOf(look, "constant_word");
      const main = look.entity({ name: "main" });
      assert.is(main.kind, "function");
      const code = main.kind === "function" ? main.address : quiet;
      for (const wrong of [constant, code, 0x1000n as Address]) {
        const error = await refused(
          look.writeTogether([
            { address: quiet, bytes: bytesOf(99n) },
            { address: wrong, bytes: bytesOf(99n) },
          ]),
          "UNWRITABLE",
        );
        assert.ok(error.details.help);
        assert.is(word(look.readSome(quiet, 8)), 11n);
      }
      assert.is(word(look.readSome(constant, 8)), 77n);
    });
  });
});

/** Raises both words of the pair that the target watches, by `write`, for a while. */
async function raisePair(
  look: Inspection,
  write: (first: Address, second: Address, value: Buffer) => Promise<void>,
): Promise<void> {
  const first = addressOf(look, "pair_first");
  const second = addressOf(look, "pair_second");
  for (let value = 2n; value < 200n; value++) await write(first, second, bytesOf(value));
}

test("a program never sees one of two words written together", async () => {
  const args = ["--watch", "--writers=0"];
  const naive = await TargetProcess.start(program, { args });
  try {
    const handle = addon.openTarget(naive.pid);
    await inspect(naive.pid, (look) =>
      raisePair(look, async (first, second, value) => {
        addon.writeMemory(handle, first, value);
        await sleep(1);
        addon.writeMemory(handle, second, value);
      }),
    );
    const state = await naive.state();
    assert.ok(state.errors > 0, "the target must see a pair torn that is written word by word");
  } finally {
    await naive.kill();
  }
  await withTarget(program, { args }, async (target) => {
    await inspect(target.pid, (look) =>
      raisePair(look, async (first, second, value) => {
        const result = await look.writeTogether([
          { address: first, bytes: value },
          { address: second, bytes: value },
        ]);
        assert.ok(result.written);
      }),
    );
  });
});

test("a stopped process is read, changed, and stays stopped", async () => {
  await withTarget(program, {}, async (target) => {
    process.kill(target.pid, "SIGSTOP");
    while (threadStates(target.pid).some((s) => s !== "T")) await sleep(5);
    await inspect(target.pid, async (look) => {
      assert.ok((await look.readTogether(rowRanges(look, 0))).held);
      const quiet = addressOf(look, "quiet");
      const result = await look.writeTogether([{ address: quiet, bytes: bytesOf(12n) }]);
      assert.ok(result.written);
    });
    await sleep(50);
    assert.ok(threadStates(target.pid).every((s) => s === "T"));
    process.kill(target.pid, "SIGCONT");
    const { counters } = await target.state();
    await sleep(50);
    const later = await target.state();
    assert.ok((later.counters["written"] ?? 0) > (counters["written"] ?? 0));
  });
});

test("blocking system calls notice nothing", async () => {
  await withTarget(blockedProgram(), {}, async (target) => {
    await inspect(target.pid, async (look) => {
      const somewhere = look.maps().find((m) => m.permissions.startsWith("rw"));
      if (somewhere === undefined) throw new Error("no memory");
      for (let round = 0; round < 40; round++) {
        const moment = await look.readTogether([{ address: somewhere.start, length: 64 }]);
        assert.ok(moment.held);
        await sleep(5);
      }
    });
  });
});

test("a parent that waits for its vfork child cannot be held: read all the same, not written", async () => {
  const holding = buildTarget({ name: "vfork_hold" });
  await withTarget(holding, { args: ["--hold-ms=10000"] }, async (target) => {
    await inspect(target.pid, async (look) => {
      const somewhere = look.maps().find((m) => m.permissions.startsWith("rw"));
      if (somewhere === undefined) throw new Error("no memory");
      while (!threadStates(target.pid).includes("D")) await sleep(5);
      const range = { address: somewhere.start, length: 64 };
      const moment = await look.readTogether([range]);
      assert.is(moment.held, false);
      assert.is(moment.contents[0]?.length, 64);
      const bytes = moment.contents[0] ?? new Uint8Array();
      await refused(look.writeTogether([{ address: range.address, bytes }]), "CANNOT_STOP");
    });
  });
});

test.run();
