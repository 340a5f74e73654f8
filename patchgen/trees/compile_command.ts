/**
 * One call of a compiler driver, taken apart. Options are those of gcc 12 and clang
 * (`gcc --help=common`, gcc's manual "Option Summary"): what matters is which of them take a
 * further argument, and which say what is written where.
 */
import { basename, extname, resolve } from "node:path";

export type Language = "c" | "c++" | "assembler" | "other";

export interface CompilerCall {
  /** Compiler and options without sources, objects, and what says what is written where. */
  readonly arguments: readonly string[];
  /** Absolute. */
  readonly sources: readonly { readonly path: string; readonly language: Language }[];
  /** Absolute path after `-o`. */
  readonly output: string | null;
  /** `object`: it makes objects, linking them or not. `text`: it only preprocesses, checks, or lists. */
  readonly makes: "object" | "text" | "nothing";
  readonly positionIndependent: boolean;
  readonly linkTimeOptimised: boolean;
}

/** Options whose argument is the next word. */
const withArgument = new Set([
  ...["-D", "-U", "-I", "-include", "-imacros", "-idirafter", "-iprefix", "-iwithprefix"],
  ...["-iwithprefixbefore", "-isystem", "-iquote", "-isysroot", "-imultilib", "-x", "-A", "-B"],
  ...["--param", "--sysroot", "-specs", "-target", "-arch", "-Xpreprocessor", "-Xassembler"],
  ...["-Xclang", "-mllvm", "-aux-info", "-dumpbase", "-dumpbase-ext", "-dumpdir"],
]);

/** Options of the linker or about output, with the next word as argument: both are dropped. */
const droppedWithArgument = new Set([
  ...["-o", "-MF", "-MT", "-MQ", "-L", "-l", "-T", "-u", "-z", "-e", "-h", "-Xlinker"],
]);

const droppedPattern =
  /^(-c|-S|-E|-M|-MM|-MD|-MMD|-MP|-MG|-MV|-o.+|-M[FTQ].+|-l.+|-L.+|-Wl,.*|-Wp,-M.*|-shared|-static(-.*)?|-pie|-no-pie|-static-pie|-rdynamic|-s|-r|-nostartfiles|-nodefaultlibs|-pipe|-save-temps.*|-fdiagnostics-.*|-v|-###)$/;

const languages: Readonly<Record<string, Language>> = {
  ".c": "c",
  ".i": "c",
  ".cc": "c++",
  ".cp": "c++",
  ".cpp": "c++",
  ".cxx": "c++",
  ".c++": "c++",
  ".C": "c++",
  ".ii": "c++",
  ".s": "assembler",
  ".S": "assembler",
  ".sx": "assembler",
};

/** `arguments` of libtool's and ccache's kind: what stands before the compiler itself. */
const launchers = new Set(["ccache", "distcc", "sccache", "icecc", "env", "nice", "time"]);

/** Takes a compiler's argument vector (with its own name first) apart. */
export function readCompilerCall(argv: readonly string[], directory: string): CompilerCall {
  const words = [...argv];
  while (words.length > 1 && launchers.has(basename(words[0] ?? ""))) words.shift();
  const compiler = words.shift() ?? "cc";
  const cplusplus = /\+\+(-[\d.]+)?$/.test(basename(compiler));
  const kept: string[] = [compiler];
  const sources: { path: string; language: Language }[] = [];
  let output: string | null = null;
  let makes: CompilerCall["makes"] = "object";
  let given: string | null = null;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    const next = words[at + 1] ?? "";
    if (/^(-E|-M|-MM|-S|-fsyntax-only|-###|--version|-dump.*|-print-.*)$/.test(word)) {
      makes = "text";
    }
    if (word === "-o") output = resolve(directory, next);
    else if (/^-o./.test(word)) output = resolve(directory, word.slice(2));
    if (word === "-x" || /^-x./.test(word)) {
      given = word === "-x" ? next : word.slice(2);
      if (word === "-x") at++;
    } else if (droppedWithArgument.has(word)) at++;
    else if (droppedPattern.test(word)) continue;
    else if (withArgument.has(word)) {
      kept.push(word, next);
      at++;
    } else if (word.startsWith("-") && word !== "-") kept.push(word);
    else {
      const language = languageOf(word, given, cplusplus);
      if (language !== null) sources.push({ path: resolve(directory, word), language });
    }
  }
  return {
    arguments: kept,
    sources,
    output,
    makes: sources.length === 0 ? "nothing" : makes,
    positionIndependent: lastOf(kept, /^-f(no-)?(pic|PIC)$/)?.startsWith("-fno") === false,
    linkTimeOptimised: lastOf(kept, /^-f(no-)?lto(=.*)?$/)?.startsWith("-flto") === true,
  };
}

function languageOf(word: string, given: string | null, cplusplus: boolean): Language | null {
  if (word === "-") return null;
  const language =
    given === null || given === "none"
      ? languages[extname(word)]
      : (({ c: "c", "cpp-output": "c", "c++": "c++", assembler: "assembler" } as const)[given] ??
        "other");
  return language === "c" && cplusplus ? "c++" : (language ?? null);
}

function lastOf(words: readonly string[], pattern: RegExp): string | undefined {
  return words.findLast((word) => pattern.test(word));
}
