/**
 * The independent judge: functions whose object code differs between two versions of a unit that are
 * compiled with `-ffunction-sections -fdata-sections`, relocations resolved to what they lead to.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readObject, type ObjectFile, type Relocation } from "./object_file.js";

const pcRelative = new Set([2, 4, 9, 41, 42]);
const mergeable = 0x10;
const strings = 0x20;
const noBits = 8;
const sectionSymbol = 3;
const functionSymbol = 2;
const deepest = 6;

const plain = (name: string): string =>
  name.replace(/(\.(isra|constprop|part|cold)(\.\d+)?|\.\d+)+$/, "");

/** The object code of each function, clones and cold parts together, as comparable text. */
export function functionsOf(
  directory: string,
  source: string,
  call: readonly string[],
): ReadonlyMap<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "polus-judge-"));
  try {
    const object = join(folder, "unit.o");
    const [compiler = "gcc", ...options] = call;
    const run = spawnSync(
      compiler,
      [
        ...[...options, "-w", "-g0", "-D__LINE__=0", "-D__DATE__=", "-D__TIME__="],
        ...["-ffunction-sections", "-fdata-sections", "-c", "-o", object, source],
      ],
      { cwd: directory, encoding: "utf8" },
    );
    if (run.status !== 0) throw new Error(run.stderr);
    return new Judge(readObject(readFileSync(object))).functions();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class Judge {
  constructor(private readonly object: ObjectFile) {}

  functions(): ReadonlyMap<string, string> {
    const parts = new Map<string, string[]>();
    for (const symbol of this.object.symbols) {
      if (symbol.type !== functionSymbol || symbol.section === 0) continue;
      const code = this.#contents(symbol.section, symbol.value, symbol.size, 0);
      const name = plain(symbol.name);
      parts.set(name, [
        ...(parts.get(name) ?? []),
        `${symbol.name.replace(/\.\d+/g, "")}: ${code}`,
      ]);
    }
    return new Map([...parts].map(([name, texts]) => [name, texts.toSorted().join("\n")]));
  }

  /** Bytes of a range with what its relocations lead to in their places. */
  #contents(section: number, start: number, size: number, depth: number): string {
    const held = this.object.sections[section];
    if (held === undefined || held.type === noBits) return `zero ${size}`;
    const bytes = Buffer.from(held.bytes.subarray(start, start + size));
    const targets: string[] = [];
    for (const one of this.object.relocations.get(section) ?? []) {
      if (one.offset < start || one.offset >= start + size) continue;
      targets.push(`${one.offset - start}/${one.type}=${this.#target(one, section, start, depth)}`);
    }
    return `${bytes.toString("hex")} ${targets.join(" ")}`;
  }

  #target(one: Relocation, from: number, start: number, depth: number): string {
    const { symbol } = one;
    const section = this.object.sections[symbol.section];
    if (symbol.section === 0 || section === undefined) return `${symbol.name}+${one.addend}`;
    const addend = one.addend + (pcRelative.has(one.type) ? 4 : 0);
    if (symbol.section === from && symbol.type === sectionSymbol) return `here+${addend - start}`;
    const at = symbol.value + addend;
    if ((section.flags & strings) !== 0) {
      const end = section.bytes.indexOf(0, at);
      return JSON.stringify(section.bytes.toString("latin1", at, end));
    }
    if ((section.flags & mergeable) !== 0) {
      return section.bytes.toString(
        "hex",
        at,
        at + Number(/cst(\d+)/.exec(section.name)?.[1] ?? 16),
      );
    }
    const name = symbol.type === sectionSymbol ? plain(section.name) : plain(symbol.name);
    // A table that the program cannot write is what it holds; the size of others is part of them.
    if (/^\.(rodata|data\.rel\.ro)/.test(section.name) && depth < deepest) {
      const inside = this.#contents(symbol.section, 0, section.size, depth + 1);
      return `{${inside}}+${one.addend}`;
    }
    const size = section.name.startsWith(".text") ? "" : `[${section.size}]`;
    return `${name.replace(/^\.(text|data|bss)(\.(unlikely|startup|exit|hot))?\./, "")}${size}+${one.addend}`;
  }
}
