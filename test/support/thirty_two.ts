/** A running 32-bit program; assembled, since the 32-bit C library is seldom there. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { targetSource } from "./repository.js";
import { build } from "./toolchain.js";

export interface ThirtyTwoBitProcess {
  readonly pid: number;
  alive(): boolean;
  end(): Promise<void>;
}

const program = build({
  name: "thirty_two",
  sources: [targetSource("thirty_two.S")],
  flags: ["-m32", "-nostdlib", "-static"],
});

/** Kernels are built without support for 32-bit programs, too. */
export const runsThirtyTwoBit = spawnSync(program, { input: "" }).status === 0;

/** Starts it and waits until it runs. */
export async function startThirtyTwoBit(): Promise<ThirtyTwoBitProcess> {
  const child = spawn(program, { stdio: ["pipe", "pipe", "ignore"] });
  const exited = once(child, "exit");
  await Promise.race([
    once(child.stdout, "data"),
    exited.then(() => Promise.reject(new Error("the 32-bit program ended at once"))),
  ]);
  return {
    pid: child.pid ?? 0,
    alive: () => child.exitCode === null && child.signalCode === null,
    end: async () => {
      child.stdin.end();
      await exited;
    },
  };
}
