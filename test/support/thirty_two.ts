/** A running 32-bit program; assembled, since the 32-bit C library is seldom there. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { targetSource } from "./repository.js";
import { build } from "./toolchain.js";

export interface ThirtyTwoBitProcess {
  readonly pid: number;
  alive(): boolean;
  end(): Promise<void>;
}

/** Starts it and waits until it runs; rejects where the kernel runs no 32-bit programs. */
export async function startThirtyTwoBit(): Promise<ThirtyTwoBitProcess> {
  const program = build({
    name: "thirty_two",
    sources: [targetSource("thirty_two.S")],
    flags: ["-m32", "-nostdlib", "-static"],
  });
  const child = spawn(program, { stdio: ["pipe", "pipe", "ignore"] });
  const exited = once(child, "exit");
  await Promise.race([
    once(child.stdout, "data"),
    exited.then(() => Promise.reject(new Error("the kernel runs no 32-bit programs"))),
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
