/**
 * Where the code of the old version lies in the running program that an update replaces: what runs there
 * was entered before the update, or by what was, so that its objects have the old layout.
 */
import { globalLabel, staticLabel } from "../extract/labels.js";
import type { ProgramSymbols } from "../extract/program_symbols.js";
import type { Detection, RedirectPlan } from "../model.js";
import type { RunningBinary } from "./running_binary.js";

export interface OldCode {
  /** Label of the function from which places are counted. */
  readonly anchor: string;
  /** Bytes from there, and bytes; sorted. */
  readonly ranges: readonly { readonly start: bigint; readonly size: bigint }[];
}

/**
 * All changed functions of the old version, what inlines them, and the parts that the compiler made of them.
 * @returns `null`: the program has none of them
 */
export function oldCode(
  running: RunningBinary,
  { units }: Detection,
  { redirections }: RedirectPlan,
  program: ProgramSymbols,
): OldCode | null {
  const ranges = new Map<bigint, bigint>();
  let anchor: { readonly label: string; readonly address: bigint } | null = null;
  for (const { source, functions, oldSymbols } of units) {
    const names = new Set(
      [
        ...functions.filter(({ how }) => how !== "added"),
        ...redirections.filter((one) => one.source === source),
      ].map(({ name }) => name),
    );
    for (const name of names) {
      const clones = oldSymbols.functions.find((one) => one.name === name)?.clones ?? [];
      for (const symbol of [name, ...clones]) {
        const [found] = running.symbols(symbol, source);
        if (found === undefined || found.size === 0) continue;
        ranges.set(found.address, BigInt(found.size));
        if (symbol !== name) continue;
        const label =
          found.binding === "local"
            ? // Not as the patch calls its own: the dot of the file's name is escaped.
              staticLabel(name, program.file(source)).replaceAll(".", "$2e")
            : globalLabel(name);
        anchor ??= { label, address: found.address };
      }
    }
  }
  if (anchor === null) return null;
  const { label, address } = anchor;
  return {
    anchor: label,
    ranges: [...ranges]
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([at, size]) => ({ start: at - address, size })),
  };
}

/** `polus_is_old_code`, by which entries tell who calls; of no code known, a mark. */
export function oldCodeText(code: OldCode | null): string {
  const heading = "int polus_is_old_code(const void *at)";
  if (code === null) {
    return [
      "/* MANUAL: it is not known where the old version's code lies (give the running program by --binary;",
      "   patches that it carries may have versions of their own): say which return addresses are in it. */",
      `${heading} {`,
      "  (void)at;",
      "  return 0;",
      "}",
      "",
    ].join("\n");
  }
  return [
    `extern const char polus_anchor[] __asm__("${code.anchor}");`,
    "",
    `${heading} {`,
    "  static const struct { long start, size; } code[] = {",
    ...code.ranges.map(({ start, size }) => `    {${start}, ${size}},`),
    "  };",
    "  long place = (const char *)at - polus_anchor;",
    "  for (unsigned long i = 0; i < sizeof code / sizeof *code; i++) {",
    "    /* A call may be the last instruction. */",
    "    if (place > code[i].start && place <= code[i].start + code[i].size) return 1;",
    "  }",
    "  return 0;",
    "}",
    "",
  ].join("\n");
}
