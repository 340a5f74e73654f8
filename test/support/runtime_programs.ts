/** Programs of test/targets/runtime: they load the runtime by themselves, without any engine. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { addon } from "../../native/addon/addon.js";
import { repositoryRoot, targetSource } from "./repository.js";
import { build, runTool } from "./toolchain.js";

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

/** What the engine would find out of the program's transfer functions: `…up`, `…down` and `…over`; see loaded.h. */
function plainFieldsOf(program: string): string {
  const bytes = readFileSync(program);
  return runTool("nm", [program])
    .split("\n")
    .flatMap((line): readonly string[] => {
      const [, address = "", name = ""] = /^([0-9a-f]+) t (\w*(?:up|down|over))$/.exec(line) ?? [];
      if (name === "") return [];
      const fields = addon.plainFields(bytes, BigInt(`0x${address}`), []);
      const numbers = fields.map(({ from, fromSize, to, toSize, signed }) =>
        [from, fromSize, to, toSize, Number(signed)].join(","),
      );
      return [`${name}:${numbers.join(";")}`];
    })
    .join(" ");
}

/**
 * Runs such a program to its end, which must come within the time.
 * @param direct whether stores to fields that are merely copied run no transfer function, as under the engine
 */
export function runWithRuntime(
  program: string,
  args: readonly string[],
  timeoutMs: number,
  direct = true,
): ProgramEnd {
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    encoding: "utf8",
    timeout: timeoutMs,
    env: {
      ...process.env,
      POLUS_RUNTIME: runtimeObject,
      ...(direct && { POLUS_PLAIN_FIELDS: plainFieldsOf(program) }),
    },
  });
  if (error !== undefined && signal === null) throw error;
  return { status, signal, stdout, stderr };
}
