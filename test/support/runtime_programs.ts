/** Programs of test/targets/runtime: they load the runtime by themselves, without any engine. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { repositoryRoot, targetSource } from "./repository.js";
import { build } from "./toolchain.js";

/** What set-up has built. */
export const runtimeObject = join(repositoryRoot, "build", "Release", "polus_runtime.so");

const flags = [
  "-std=gnu11",
  "-D_GNU_SOURCE",
  "-O2",
  "-g",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-pthread",
];

/** Compiles files of test/targets/runtime into a program of this name; returns its path. */
export function buildRuntimeProgram(name: string, sources: readonly string[] = [name]): string {
  return build({
    name,
    sources: sources.map((one) => targetSource(`runtime/${one}.c`)),
    flags: [...flags, `-I${targetSource("runtime")}`],
  });
}

export interface ProgramEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs such a program to its end, which must come within the time. */
export function runWithRuntime(
  program: string,
  args: readonly string[],
  timeoutMs: number,
): ProgramEnd {
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    encoding: "utf8",
    timeout: timeoutMs,
    env: { ...process.env, POLUS_RUNTIME: runtimeObject },
  });
  if (error !== undefined && signal === null) throw error;
  return { status, signal, stdout, stderr };
}
