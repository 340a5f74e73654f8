/** `polus watch`: no connection that a server takes after the update is served by the old version. */
// timeout 180s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawn, type ChildProcess } from "node:child_process";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { targetSource } from "../support/repository.js";
import { buildPatch } from "../support/patches.js";
import { hasEnded } from "../../native/process/proc.js";
import { build } from "../support/toolchain.js";
import { LivePlace } from "./live_run.js";
import type { Running } from "./running.js";

const flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror"];
const source = targetSource("per_connection.c");
const server = build({ name: "per_connection", sources: [source], flags });
/** The same program under another name, as a listener has it that executes one for sessions. */
const session = build({ name: "per_session", sources: [source], flags });
const staticSession = build({
  name: "static_session",
  sources: [source],
  flags: [...flags, "-static"],
});
const patch = buildPatch("per_connection.c");

const oldReply = "answer 16 22";
const newReply = "answer 27 37";
/** A server that forks only has had its early answer before the update. */
const newReplyOfFork = "answer 16 37";

const started = new Set<ChildProcess>();

class Server {
  private constructor(
    readonly child: ChildProcess,
    private readonly port: number,
  ) {}

  static start(...words: string[]): Promise<Server> {
    return Server.startProgram(server, words);
  }

  static async startProgram(program: string, words: readonly string[]): Promise<Server> {
    const child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"], detached: true });
    started.add(child);
    const { stdout } = child;
    const port = await new Promise<string>((resolve, reject) => {
      createInterface({ input: stdout }).once("line", resolve);
      child.once("exit", () => reject(new Error("the server ended at once")));
    });
    return new Server(child, Number(port));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** What one connection is answered. */
  ask(): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = "";
      const socket = connect(this.port, "127.0.0.1");
      socket.setTimeout(20_000, () => socket.destroy(new Error("no answer in time")));
      socket.setEncoding("utf8").on("data", (part: string) => (text += part));
      socket.once("error", reject).once("close", () => resolve(text.trim()));
    });
  }

  /** The distinct replies of so many connections, some at a time, and how often each came. */
  async askOften(times: number, atOnce = 4): Promise<Record<string, number>> {
    const replies: Record<string, number> = {};
    let left = times;
    const client = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const reply = await this.ask();
        replies[reply] = (replies[reply] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: atOnce }, client));
    return replies;
  }
}

function script(...exes: string[]): string {
  return scriptOf(patch, exes);
}

function scriptOf(object: string, exes: readonly string[]): string {
  return exes
    .map(
      (exe, at) => `update another_answer_${at} {
        target { exe "${exe}" }
        patch p from "${object}" { replace answer }
      }`,
    )
    .join("\n");
}

async function watch(text: string): Promise<Running> {
  const place = new LivePlace();
  const run = place.start(["watch", place.file("s.polus", text), "--json"]);
  started.add(run.child);
  await run.saw('"event":"watching"');
  return run;
}

test.after.each(async () => {
  for (const child of started) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }
  started.clear();
});

async function endsWell(run: Running): Promise<string> {
  run.child.kill("SIGINT");
  const finished = await run.finished;
  assert.is(finished.code, 0, `${finished.stderr}\n${finished.stdout.slice(-2000)}`);
  return finished.stdout;
}

test("a server that executes itself anew for each connection: 200 connections, all new", async () => {
  const target = await Server.start("reexec");
  assert.is(await target.ask(), oldReply);
  const run = await watch(script(server));
  assert.equal(await target.askOften(200), { [newReply]: 200 });
  const output = await endsWell(run);
  assert.match(output, '"when":"start"');
  assert.not.match(output, "process_not_updated");
  // Nobody follows any more: programs start from their file again, the listener goes on.
  assert.is(await target.ask(), oldReply);
});

test("data of another layout is there before a program has begun", async () => {
  const object = buildPatch("per_connection_data.c");
  const target = await Server.start("reexec");
  const run = await watch(`update more_answers {
    target { exe "${server}" }
    patch p from "${object}" {
      replace answer
      data first_answer in "per_connection.c" {
        new new_answers
        forward answers_up
        backward answers_down
      }
      data others { each each_answer size 8, 16 forward answers_up backward answers_down }
    }
  }`);
  assert.equal(await target.askOften(6, 1), { [newReply]: 6 });
  const output = await endsWell(run);
  assert.match(output, '"when":"start"');
  assert.not.match(output, "process_not_updated");
});

test("a server that only forks", async () => {
  const target = await Server.start("fork");
  const run = await watch(script(server));
  assert.equal(await target.askOften(100), { [newReplyOfFork]: 100 });
  await endsWell(run);
  assert.is(await target.ask(), newReplyOfFork);
});

test("a listener that executes another program for sessions, dynamic and static", async () => {
  for (const program of [session, staticSession]) {
    const target = await Server.start("session", program);
    const run = await watch(script(server, program));
    assert.equal(await target.askOften(30), { [newReply]: 30 }, program);
    await endsWell(run);
  }
});

test("functions that the C library or the kernel chooses are resolved before a program has called any", async () => {
  const object = buildPatch("per_connection_ifuncs.c");
  for (const binding of ["lazy", "now"]) {
    const program = build({
      name: `per_connection_${binding}`,
      sources: [source],
      flags: [...flags, `-Wl,-z,${binding}`],
    });
    const target = await Server.startProgram(program, ["reexec"]);
    assert.is(await target.ask(), oldReply);
    const run = await watch(scriptOf(object, [program]));
    assert.equal(await target.askOften(20), { [newReply]: 20 }, binding);
    const output = await endsWell(run);
    assert.match(output, '"when":"start"');
    assert.not.match(output, "process_not_updated");
  }
});

test("a server that starts later is found, and its connections are new from then on", async () => {
  const run = await watch(script(server));
  const target = await Server.start("reexec");
  await run.saw('"event":"process_updated"');
  assert.equal(await target.askOften(20), { [newReply]: 20 });
  await endsWell(run);
});

test("killing polus harms nobody, wherever the program is that starts", async () => {
  for (const delay of [0, 3, 8, 15, 25, 40, 60, 90]) {
    const target = await Server.start("reexec");
    const run = await watch(script(server));
    const replies = target.askOften(8, 8);
    await new Promise((resolve) => setTimeout(resolve, delay));
    run.child.kill("SIGKILL");
    await run.finished;
    for (const reply of Object.keys(await replies)) assert.ok([oldReply, newReply].includes(reply));
    assert.is(await target.ask(), oldReply);
    assert.not.ok(hasEnded(target.pid));
  }
});

test("a polus that is stopped is ended by its watchdog, and what waits for it goes on", async () => {
  const target = await Server.start("reexec");
  const run = await watch(script(server));
  assert.is(await target.ask(), newReply);
  run.child.kill("SIGSTOP");
  // Children stay at their birth, and the listener with them, until the watchdog acts.
  const begun = performance.now();
  const replies = await target.askOften(4);
  assert.equal(Object.keys(replies), [oldReply]);
  assert.ok(performance.now() - begun < 10_000);
  assert.is((await run.finished).signal, "SIGKILL");
});

test("a program that names no executable, or applies nothing, is invalid", async () => {
  const place = new LivePlace();
  for (const text of [`update u { patch p from "${patch}" { replace answer } }`, "print 1"]) {
    const { code, stderr } = await place.polus("watch", place.file("s.polus", text));
    assert.is(code, 1);
    assert.match(stderr, "error target-needed");
  }
});

test.run();
