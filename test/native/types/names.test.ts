/** Names and types by debug information, against what the program says of itself. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { EngineError, type CType, type StructType } from "../../../native/engine.js";
import { createEngine } from "../../../native/native_engine.js";
import { targetSource } from "../../support/repository.js";
import { runTool, scratchFolder } from "../../support/toolchain.js";

const forms: readonly (readonly string[])[] = [
  ["-gdwarf-5"],
  ["-gdwarf-4"],
  ["-gdwarf-4", "-fdebug-types-section"],
  ["-gdwarf-5", "-gsplit-dwarf"],
  ["-gdwarf-5", "-gz"],
];

const folders: string[] = [];

/** Not from the cache of builds: a split debug file is named by where it was made. */
function buildZoo(flags: readonly string[]): string {
  const folder = scratchFolder();
  folders.push(folder);
  const program = join(folder, "zoo");
  const source = targetSource("types/zoo.c");
  runTool("gcc", [source, "-o", program, "-std=gnu11", "-D_GNU_SOURCE", "-O0", ...flags]);
  return program;
}

test.after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function plain(type: CType): CType {
  return type.kind === "typedef" || type.kind === "qualified" ? plain(type.type) : type;
}

function structOf(type: CType | null): StructType {
  assert.ok(type !== null);
  const own = plain(type);
  if (own.kind !== "struct") throw new Error(`${own.kind} is no struct`);
  return own;
}

function offsetOf(type: CType, path: string): number | null {
  const [first, ...rest] = path.split(".");
  for (const member of structOf(type).members) {
    const inside = plain(member.type);
    if (member.name === first)
      return member.offset + (rest.length > 0 ? (offsetOf(inside, rest.join(".")) ?? NaN) : 0);
    if (member.name !== null || inside.kind !== "struct") continue;
    const below = offsetOf(inside, path);
    if (below !== null) return member.offset + below;
  }
  return null;
}

/** What the program prints until it is ready. */
async function sayings(program: string): Promise<readonly string[]> {
  const child = spawn(program, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (line === "ready") break;
      lines.push(line);
    }
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  return lines;
}

for (const flags of forms) {
  test(`offsets and sizes are the compiler's (${flags.join(" ")})`, async () => {
    const program = buildZoo(flags);
    const names = await createEngine().examine(program);
    let compared = 0;
    for (const line of await sayings(program)) {
      const [what = "", kind = "", tag = "", rest = "", value = ""] = line.split(" ");
      if (kind !== "struct") continue;
      const type = structOf(names.type({ kind, name: tag }));
      if (what === "size") assert.is(type.size, Number(rest), line);
      else assert.is(offsetOf(type, rest), Number(value), line);
      compared += 1;
    }
    assert.is(compared, 13);
  });

  test(`every kind of name is found (${flags.join(" ")})`, async () => {
    const names = await createEngine().examine(buildZoo(flags));
    const kindOf = (name: string): string => {
      const found = names.entity({ name });
      return found.kind === "variable" ? `${found.kind} ${found.storage.kind}` : found.kind;
    };
    assert.is(kindOf("o"), "variable static");
    assert.is(kindOf("hidden"), "variable static");
    assert.is(kindOf("per_thread"), "variable tls");
    assert.is(kindOf("add"), "function");
    assert.is(kindOf("LOW"), "enumerator");
    const low = names.entity({ name: "LOW" });
    assert.ok(low.kind === "enumerator" && low.value === -3n);
    const huge = names.entity({ name: "HUGE_ONE" });
    assert.ok(huge.kind === "enumerator" && huge.value === 1n << 63n);
    const ticket = names.entity({ name: "ticket", function: "next_ticket" });
    assert.ok(ticket.kind === "variable" && ticket.type?.kind === "integer");
    const bits = structOf(names.type({ kind: "struct", name: "bits" }));
    assert.equal(
      bits.members.flatMap((m) => (m.name === null ? [] : [[m.name, m.offset, m.bits]])),
      [
        ["a", 0, { first: 0, count: 3 }],
        ["b", 0, { first: 3, count: 5 }],
        ["c", 1, { first: 0, count: 40 }],
        ["d", 6, { first: 0, count: 1 }],
        ["e", 6, { first: 1, count: 4 }],
        ["f", 8, { first: 0, count: 7 }],
      ],
    );
    const zeros = names.entity({ name: "zeros" });
    assert.ok(zeros.kind === "variable" && zeros.type?.kind === "array");
    assert.is(zeros.type.count, 200);
    const flexible = structOf(names.type({ kind: "struct", name: "flexible" }));
    const items = flexible.members[1]?.type;
    assert.ok(items?.kind === "array" && items.count === null);
    assert.is(names.type({ kind: "struct", name: "nobody" }), null);
    assert.equal(names.complete("variable", "pointer", 2), ["pointer", "pointer_to_array"]);
    assert.equal(names.complete("source", "zo", 5), ["zoo.c"]);
  });
}

test("what is not there is refused, with names that are", async () => {
  const names = await createEngine().examine(buildZoo(["-g"]));
  const fails = (work: () => unknown): EngineError => {
    try {
      work();
    } catch (error) {
      if (error instanceof EngineError) return error;
      throw error;
    }
    throw new Error("nothing was thrown");
  };
  const missing = fails(() => names.entity({ name: "per_thred" }));
  assert.is(missing.code, "NO_SUCH_NAME");
  assert.ok(missing.details.candidates?.includes("per_thread"));
  const astray = fails(() => names.entity({ name: "where", function: "add" }));
  assert.is(astray.message, "function add has no static where");
});

test("without debug information symbols are names without types", async () => {
  const program = buildZoo(["-g0"]);
  const names = await createEngine().examine(program);
  assert.is(names.hasTypes, false);
  const outer = names.entity({ name: "o" });
  assert.ok(outer.kind === "variable" && outer.type === null && outer.size === 112);
  const inner = names.entity({ name: "hidden" });
  assert.ok(inner.kind === "variable" && inner.type === null);
  const symbols = execFileSync("nm", [program], { encoding: "utf8" });
  const line = symbols.split("\n").find((one) => one.endsWith(" hidden")) ?? "";
  assert.ok(inner.storage.kind === "static");
  assert.is(inner.storage.address, BigInt(`0x${line.split(" ")[0] ?? ""}`));
});

test.run();
