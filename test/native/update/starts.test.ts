// timeout 120s
/** Programs that followed processes start: none gets past its entry point unseen. */
import * as assert from "uvu/assert";
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { EngineError, type WatchEvent } from "../../../native/engine.js";
import { engine } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { buildPatch, simpleUpdate } from "../../support/patches.js";
import { targetSource } from "../../support/repository.js";
import { sleep } from "../../support/target_process.js";
import { build } from "../../support/toolchain.js";

const server = build({
  name: "starts_server",
  sources: [targetSource("per_connection.c")],
  flags: ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g"],
});
const update = simpleUpdate("starts", buildPatch("per_connection.c"), ["answer"]);

/** Runs `body` with a server that is not our child: libuv would take its stops from the tracer. */
async function withServer(body: (port: number) => Promise<void>): Promise<void> {
  const shell = spawn("sh", ["-c", 'exec 3<&0; "$0" reexec <&3 3<&- & wait', server], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const port = await new Promise<string>((resolve) =>
      createInterface({ input: shell.stdout }).once("line", resolve),
    );
    await body(Number(port));
  } finally {
    shell.stdin.end(); // and with it the server
  }
}

function ask(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(20_000, () => socket.destroy(new Error("no answer in time")));
    socket.setEncoding("utf8").on("data", (part: string) => (text += part));
    socket.once("error", reject).once("close", () => resolve(text.trim()));
  });
}

/** Ended meanwhile, as sessions do. */
function gone(error: unknown): void {
  if (!(error instanceof EngineError)) throw error;
}

test("children found before the kernel has told of them are not let go", async () => {
  await withServer(async (port) => {
    let work: Promise<void> = Promise.resolve();
    let ending = false;
    const updateAtStart = async (pid: number): Promise<void> => {
      const session = await watch.open([pid], () => undefined);
      await session.apply(update);
      await session.close();
      await watch.resume(pid);
    };
    const watch = await engine.watch([server], (event: WatchEvent) => {
      if (event.event === "started") work = work.then(() => updateAtStart(event.pid));
    });
    try {
      for (const pid of await engine.findPids(server)) await watch.follow(pid);
      const met = new Set<number>();
      const lookAround = (async (): Promise<void> => {
        for (; !ending; await sleep(2)) {
          for (const pid of await engine.findPids(server)) {
            if (!met.has(pid)) await watch.follow(pid).catch(gone);
            met.add(pid);
          }
        }
      })();
      const replies = new Set<string>();
      const client = async (): Promise<void> => {
        for (let times = 0; times < 50; times++) replies.add(await ask(port));
      };
      await Promise.all(Array.from({ length: 6 }, client));
      ending = true;
      await lookAround;
      await work;
      assert.equal([...replies], ["answer 27 37"]);
    } finally {
      ending = true;
      await watch.close();
    }
  });
});

test.run();
