/**
 * The compiler's assembly text, taken apart per function and object, in a form in which two versions
 * can be compared: gcc's and clang's ELF output for the GNU assembler ("Using as", gas' manual).
 */
import { PatchgenError } from "../error.js";

/** A function or an object as one assembly file defines it. */
export interface AssemblyItem {
  /** The symbol, with the compiler's suffixes. */
  readonly symbol: string;
  readonly kind: "function" | "object";
  /** Not `.globl` or `.weak`. */
  readonly static: boolean;
  /** Bytes, of objects; 0 for functions. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Lines with local labels renumbered, and what the compiler named replaced by its contents. */
  readonly text: string;
  /** Symbols that it names, as they stand there; those of what it holds by contents included. */
  readonly references: ReadonlySet<string>;
}

interface Draft {
  readonly symbol: string;
  readonly section: string;
  readonly lines: string[];
}

const directives =
  /^\s*\.(cfi_\w+|loc|file|ident|addrsig|addrsig_sym|p2align|type|size|globl|weak)\b/;
/** Labels that debug information and unwinding use. */
const silentLabel = /^\.L(VL|BB|BE|FB|FE|FSB|text|etext|cold|ecold|HOT[BE]|COLD[BE]|func_)\w*\d*:/;
const symbolPattern = /[A-Za-z_.][\w$.]*/g;
/** Objects that no source names: strings, constants, switch tables, aggregates, function names. */
const generated =
  /^(\.LC\d+|CSWTCH\.\d+|C\.\d+\.\d+|__(func|FUNCTION|PRETTY_FUNCTION)__\.\d+|\.L\.?str[.\d]*|\.LCPI\d+_\d+|\.Lswitch\.table\.[\w.]+)$/;
/** A data directive's line names no mnemonic and no register. */
const strings = /^\s*\.(string\d*|ascii|asciz)\b/;
const longestChain = 16;

/** `f.isra.0`, `v.18` and `f.cold` without what the compiler appended. */
export function plainName(symbol: string): string {
  return symbol.replace(/(\.(isra|constprop|part|cold|lto_priv|localalias)(\.\d+)?|\.\d+)+$/, "");
}

/** True for `.isra`, `.constprop` and `.part`: other parameters than the function's, or a piece of it. */
export function isClone(symbol: string): boolean {
  return /\.(isra|constprop|part)\.\d+/.test(symbol);
}

/** @throws PatchgenError UNSUPPORTED_ASSEMBLY */
export function readAssembly(text: string, source: string): readonly AssemblyItem[] {
  const reader = new Reader();
  for (const line of text.split("\n")) reader.take(line);
  if (!reader.sawElf && text.trim() !== "") {
    throw new PatchgenError(
      "UNSUPPORTED_ASSEMBLY",
      `the compiler's assembly for ${source} cannot be read: it declares neither symbols nor sections`,
      "build with gcc or clang for x86-64 Linux",
      source,
    );
  }
  return reader.items();
}

class Reader {
  sawElf = false;
  readonly #drafts = new Map<string, Draft>();
  readonly #types = new Map<string, string>();
  readonly #sizes = new Map<string, number>();
  readonly #visible = new Set<string>();
  readonly #aliases = new Map<string, string>();
  /** What lines of a text section belong to. */
  readonly #open = new Map<string, Draft>();
  #section = ".text";
  readonly #stack: string[] = [];
  #previous = ".text";
  #current: Draft | null = null;
  #function: Draft | null = null;

  take(line: string): void {
    const words = line.trim().split(/[\s,]+/);
    const first = words[0] ?? "";
    const name = words[1] ?? "";
    if (first === "" || first.startsWith("#")) return;
    if (this.#takeSection(first, name) || this.#section.startsWith(".debug_")) return;
    if (first === ".type") {
      this.sawElf = true;
      this.#types.set(name, (words[2] ?? "").slice(1));
    } else if (first === ".size") {
      const size = Number(words[2]);
      if (Number.isFinite(size)) this.#sizes.set(name, size);
      else if (this.#function?.symbol === name) this.#function = null;
    } else if (first === ".globl" || first === ".weak") this.#visible.add(name);
    else if (first === ".set") this.#aliases.set(name, words[2] ?? "");
    else if (first === ".comm" || first === ".lcomm") this.#takeCommon(name, words[2] ?? "0");
    else if (first === ".local") this.#types.set(name, "object");
    else if (!directives.test(line) && !silentLabel.test(first)) this.#takeLine(line, first);
  }

  #takeCommon(name: string, size: string): void {
    if (!this.#types.has(name)) this.#visible.add(name);
    this.#types.set(name, "object");
    this.#sizes.set(name, Number(size));
    this.#drafts.set(name, { symbol: name, section: ".bss", lines: [`\t.zero\t${size}`] });
  }

  #takeSection(directive: string, name: string): boolean {
    let next: string | undefined;
    if (/^\.(text|data|bss)$/.test(directive)) next = directive;
    else if (directive === ".section" || directive === ".pushsection") {
      next = name.replaceAll('"', "");
    } else if (directive === ".previous") next = this.#previous;
    else if (directive === ".popsection") next = this.#stack.pop() ?? ".text";
    if (next === undefined) return false;
    if (directive === ".pushsection") this.#stack.push(this.#section);
    this.sawElf = true;
    this.#previous = this.#section;
    this.#section = next;
    // A jump table stands in a read-only section, amid its function.
    this.#current = this.#open.get(next) ?? this.#function;
    return true;
  }

  #takeLine(line: string, first: string): void {
    const label = /^("?)([^\s:"]+)\1:/.exec(line)?.[2];
    const kind = label === undefined ? undefined : this.#types.get(label);
    if (label !== undefined && (kind !== undefined || generated.test(label))) {
      const draft: Draft = { symbol: label, section: this.#section, lines: [] };
      this.#drafts.set(label, draft);
      this.#current = draft;
      if (kind === "function" || kind === "gnu_indirect_function") {
        this.#function = draft;
        this.#open.set(this.#section, draft);
      }
      return;
    }
    if (first === ".align" || first === ".balign") return;
    this.#current?.lines.push(strings.test(line) ? line : line.replace(/\s+#.*$/, ""));
  }

  items(): readonly AssemblyItem[] {
    const items: AssemblyItem[] = [];
    for (const draft of this.#drafts.values()) {
      if (generated.test(draft.symbol)) continue;
      const kind = this.#types.get(draft.symbol) === "object" ? "object" : "function";
      items.push({
        ...this.#common(draft.symbol, kind, draft.section),
        ...this.#normalised(draft, 0),
      });
    }
    for (const [name, target] of this.#aliases) {
      const draft = this.#drafts.get(target);
      if (draft === undefined || name.startsWith(".L")) continue;
      const kind = this.#types.get(target) === "object" ? "object" : "function";
      items.push({
        ...this.#common(name, kind, draft.section),
        text: `alias of ${target}`,
        references: new Set([target]),
      });
    }
    return items;
  }

  #common(
    symbol: string,
    kind: AssemblyItem["kind"],
    section: string,
  ): Omit<AssemblyItem, "text" | "references"> {
    return {
      symbol,
      kind,
      static: !this.#visible.has(symbol),
      size: kind === "object" ? (this.#sizes.get(symbol) ?? 0) : 0,
      readOnly: /^\.(rodata|data\.rel\.ro|lrodata)/.test(section),
    };
  }

  /** Lines of one item; what the compiler named by itself is replaced by its contents. */
  #normalised(draft: Draft, depth: number): { text: string; references: Set<string> } {
    const labels = new Map<string, string>();
    const locals = new Map<string, string>();
    const references = new Set<string>();
    const numbered = (map: Map<string, string>, key: string, prefix: string): string => {
      const known = map.get(key) ?? `${prefix}${map.size}`;
      map.set(key, known);
      return known;
    };
    const lines = draft.lines.map((line) => {
      if (strings.test(line)) return line;
      return line.replace(symbolPattern, (word, at: number) => {
        if (at > 0 && /[%\w]/.test(line.charAt(at - 1))) return word;
        const held = generated.test(word) ? this.#drafts.get(word) : undefined;
        if (held !== undefined && depth < longestChain) {
          const inner = this.#normalised(held, depth + 1);
          for (const one of inner.references) references.add(one);
          return `{${inner.text}}`;
        }
        if (word.startsWith(".L")) return numbered(labels, word, ".L");
        if (this.#drafts.has(word) || this.#aliases.has(word)) references.add(word);
        const plain = plainName(word);
        if (plain === word || /^\.?[a-z]+$/.test(word)) return word;
        // A static local: its number changes with what stands before it.
        return /\.\d+$/.test(word) && !isClone(word)
          ? `${plain}.#${numbered(locals, word, "")}`
          : word.replace(/\.\d+/g, "");
      });
    });
    return { text: lines.join("\n"), references };
  }
}
