// timeout 300s
/** What the runtime makes of a caught store, against what the processor makes of it. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { repositoryRoot, targetSource } from "../../support/repository.js";
import { build } from "../../support/toolchain.js";

const runtime = join(repositoryRoot, "native", "runtime");

const check = build({
  name: "execute_check",
  sources: [
    targetSource("runtime/execute_check.c"),
    targetSource("runtime/execute_forms.S"),
    ...["decode", "effect", "effect_vector", "execute", "run", "store", "memory"].map((name) =>
      join(runtime, `${name}.c`),
    ),
  ],
  flags: [
    ...["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", `-I${runtime}`],
    // As the runtime is built: vector registers hold the caught thread's values meanwhile.
    ...["-mgeneral-regs-only", "-fno-tree-loop-distribute-patterns", "-fno-stack-protector"],
    // Addresses of 32 bits are among the forms.
    ...["-no-pie", "-fno-pie"],
  ],
});

test("performed stores leave memory, registers, flags, vector and x87 state as real ones do", () => {
  const result = spawnSync(check, ["20", "1"], { encoding: "utf8", timeout: 240_000 });
  if (result.error) throw result.error;
  assert.is(result.stderr, "");
  assert.is(result.status, 0);
  const found = JSON.parse(result.stdout) as Record<string, number>;
  assert.is(found["different"], 0);
  // Without AVX-512 about half of the forms remain.
  assert.ok(Number(found["forms"]) >= 250, result.stdout);
  assert.ok(Number(found["stored"]) > 0.9 * Number(found["runs"]), result.stdout);
});

test.run();
