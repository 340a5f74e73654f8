/**
 * The target programs that are built in more than one step, and their usual
 * updates: what several tests and the benches share.
 */
import type { UpdateRequest } from "../../native/engine.js";
import { buildPatch, simpleUpdate } from "./patches.js";
import { targetSource } from "./repository.js";
import { buildTarget } from "./target_process.js";
import { build, runTool } from "./toolchain.js";

const librarySources = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"] as const;

/** Compiles test/targets/NAME.c as a shared library `libNAME.so`; returns its path. */
export function buildLibrary(name: string, flags: readonly string[] = []): string {
  return build({
    name: `lib${name}.so`,
    sources: [targetSource(`${name}.c`)],
    flags: [
      ...librarySources,
      "-O2",
      "-g",
      "-shared",
      "-fPIC",
      `-Wl,-soname,lib${name}.so`,
      ...flags,
    ],
  });
}

export function basicProgram(flags: readonly string[] = []): string {
  return buildTarget({ name: "basic", flags });
}

export function functionsProgram(flags: readonly string[] = []): string {
  return buildTarget({ name: "functions", flags });
}

export function staticsProgram(flags: readonly string[] = []): string {
  return buildTarget({ name: "statics", sources: ["statics.c", "statics_other.c"], flags });
}

export function tlsProgram(flags: readonly string[] = []): string {
  return buildTarget({ name: "tls", libraries: [buildLibrary("tls_library")], flags });
}

/** Start it with `--plugin=` and `buildLibrary("library_plugin")`. */
export function libraryProgram(flags: readonly string[] = []): string {
  return buildTarget({ name: "library", libraries: [buildLibrary("library_shared")], flags });
}

export function blockedProgram(flags: readonly string[] = []): string {
  const parts = [
    "blocked",
    "blocked_descriptors",
    "blocked_clocks",
    "blocked_locks",
    "blocked_signals",
  ];
  return buildTarget({ name: "blocked", sources: parts.map((part) => `${part}.c`), flags });
}

export function registersProgram(flags: readonly string[] = []): string {
  return buildTarget({ name: "registers", sources: ["registers.c", "registers.S"], flags });
}

export function entriesProgram(flags: readonly string[] = []): string {
  return buildTarget({ name: "entries", sources: ["entries.c", "entries_code.S"], flags });
}

export function stateProgram(flags: readonly string[] = []): string {
  return buildTarget({ name: "state", sources: ["state.c", "state_other.c"], flags });
}

/** Compiles a program that attaches to targets: `yardstick` or `saboteur`. */
export function buildTracer(name: "yardstick" | "saboteur"): string {
  return build({
    name,
    sources: [targetSource(`${name}.c`), targetSource("seize.c")],
    flags: ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2"],
  });
}

/** basic.c's function to its second version. */
export function basicUpdate(
  options: {
    readonly name?: string;
    readonly scope?: "process" | "tree";
    readonly buildId?: string;
  } = {},
): UpdateRequest {
  const { name = "basic", ...rest } = options;
  return simpleUpdate(name, buildPatch("basic.c"), ["answer"], rest);
}

/** basic.c's function to its third version. */
export function basicUpdateThird(name = "basic-third"): UpdateRequest {
  return simpleUpdate(name, buildPatch("basic.c"), [{ function: "answer", with: "answer_third" }]);
}

/** Every function of functions.c. */
export function functionsUpdate(
  options: { readonly name?: string; readonly flags?: readonly string[] } = {},
): UpdateRequest {
  return simpleUpdate(options.name ?? "functions", buildPatch("functions.c", options.flags), [
    "recurse",
    "is_even",
    "is_odd",
    "total",
    "blend",
    "spread",
    "product",
    { function: "by_pointer", with: "by_pointer_new" },
    "leave",
    "tail_callee",
    "original_name",
  ]);
}

/** Name of a function's static local in a program's symbol table, such as `count.0`. */
export function staticLocalSymbol(program: string, variable: string): string {
  const found = runTool("nm", [program])
    .split("\n")
    .map((line) => line.split(" ").at(-1) ?? "")
    .filter((name) => name.startsWith(`${variable}.`));
  const [name, ...more] = found;
  if (name === undefined || more.length > 0) {
    throw new Error(`${found.length} static locals named ${variable} in ${program}`);
  }
  return name;
}

/** Both functions `scale`, next_ticket and greet of statics.c. */
export function staticsUpdate(program: string, name = "statics"): UpdateRequest {
  const label = `${staticLocalSymbol(program, "last_ticket")}$statics.c`;
  return simpleUpdate(name, buildPatch("statics.c", [`-DLAST_TICKET_LABEL="${label}"`]), [
    { function: "scale", in: { kind: "source", name: "statics.c" }, with: "scale_here_new" },
    { function: "scale", in: { kind: "source", name: "statics_other.c" }, with: "scale_there_new" },
    "next_ticket",
    "greet",
  ]);
}

export function tlsUpdate(flags: readonly string[] = [], name = "tls"): UpdateRequest {
  return simpleUpdate(name, buildPatch("tls.c", flags), [
    "count_here",
    {
      function: "library_count",
      in: { kind: "library", name: "libtls_library.so" },
      with: "library_count_new",
    },
  ]);
}

/** Functions of the library that library.c is linked with and, with `plugin`, of the opened one. */
export function libraryUpdate(options: { readonly plugin: boolean }): UpdateRequest {
  const shared = { kind: "library", name: "liblibrary_shared.so" } as const;
  return simpleUpdate("library", buildPatch("library.c"), [
    { function: "shared_work", in: shared, with: "shared_work_new" },
    { function: "hidden", in: shared, with: "hidden_new" },
    ...(options.plugin
      ? [
          {
            function: "plugin_work",
            in: { kind: "library", name: "liblibrary_plugin.so" },
            with: "plugin_work_new",
          } as const,
        ]
      : []),
  ]);
}
