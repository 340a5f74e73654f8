/**
 * Versions of a unit that differ in nothing but declarations that the unit makes no use of: the compiler
 * makes the same of both. A header that gains a function shows so in the units that do not call it.
 */
import { isName } from "../extract/token_walk.js";
import { chunksOf } from "./text_chunks.js";

/** Attributes by which a declaration defines something or makes it be kept. */
const effective =
  /\b_*(alias|ifunc|symver|used|retain|weak|weakref|constructor|destructor|copy|mode|vector_size)_*\b/;
/** What the compiler may call by itself where it is declared: folded calls of C's library. */
const builtIn =
  /^(_.*|mem.*|str.*|stp.*|f?put.*|f?write.*|.*printf.*|[cmr]e?alloc|free|abort|exit|(exp|pow|sqrt|cbrt|sin|cos|tan|log|ldexp|floor|ceil|trunc|round|rint|nearbyint|ll?round|ll?rint|copysign|fmin|fmax|fmod|fabs|isinf|isnan|finite|signbit)[\dfl]*)$/;
const asmOrAttribute =
  /^((__attribute__|__asm__|__asm|asm)\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*;$/;
const declaredTag = /^(?:typedef )?(?:struct|union|enum) ([\w$]+)[ {;*]/;
const mostDiffering = 400;

interface Declared {
  readonly names: readonly string[];
  /** Named, and so declared if they were not before. */
  readonly tags: readonly string[];
}

/** @param old preprocessed, with markers or without */
export function differInUnusedOnly(old: string, now: string): boolean {
  const before = chunksOf(old);
  const after = chunksOf(now);
  const differing = differingChunks(before, after);
  if (differing.size > mostDiffering) return false;
  const common = before.filter((chunk) => !differing.has(chunk));
  const same = after.filter((chunk) => !differing.has(chunk));
  if (common.length !== same.length || common.some((chunk, at) => chunk !== same[at])) return false;
  const names = new Set<string>();
  for (const chunks of [before, after]) {
    const tags = new Set<string>();
    for (const chunk of chunks) {
      if (!differing.has(chunk)) {
        const [, tag] = declaredTag.exec(chunk) ?? [];
        if (tag !== undefined) tags.add(tag);
        continue;
      }
      const declared = declaredIn(chunk.replace(/\s+/g, " ").replace(/ ?([^\w\s$]) ?/g, "$1"));
      if (declared === null) return false;
      for (const name of declared.names) names.add(name);
      for (const tag of declared.tags) if (!tags.has(tag)) names.add(tag);
    }
  }
  if ([...names].some((name) => builtIn.test(name))) return false;
  const mentioned = new RegExp(`(?<![\\w$])(${[...names].join("|")})(?![\\w$])`);
  return names.size === 0 || !common.some((chunk) => mentioned.test(chunk));
}

/** Whether a unit names one of these objects otherwise than by declaring it. */
export function usesAny(text: string, names: readonly string[]): boolean {
  const pattern = new RegExp(`(?<![\\w$])(${names.join("|")})(?![\\w$])`);
  return (
    pattern.test(text) &&
    chunksOf(text).some((chunk) => pattern.test(chunk) && !isDeclaration(chunk))
  );
}

function isDeclaration(chunk: string): boolean {
  return /^(__extension__ )?extern\b[^={}]*;$/.test(chunk);
}

/** Chunks that one text has more often than the other. */
function differingChunks(before: readonly string[], after: readonly string[]): ReadonlySet<string> {
  const count = new Map<string, number>();
  for (const chunk of before) count.set(chunk, (count.get(chunk) ?? 0) + 1);
  for (const chunk of after) count.set(chunk, (count.get(chunk) ?? 0) - 1);
  return new Set([...count].flatMap(([chunk, times]) => (times === 0 ? [] : [chunk])));
}

/**
 * Names that a declaration brings in, which makes nothing by itself; `null`: it may make something, or
 * cannot be read so simply.
 */
function declaredIn(chunk: string): Declared | null {
  if (chunk.startsWith("#") || effective.test(chunk)) return null;
  const text = chunk.replace(/^__extension__ /, "");
  const typesOnly = /^(typedef|struct|union|enum)\b/.test(text) && !text.includes("=");
  if (text.includes("{") || typesOnly) return typeNames(text);
  if (text.includes("=")) return null;
  return text.includes("(") ? prototypeNames(text) : objectNames(text);
}

/** `extern int a,*b[3];` */
function objectNames(text: string): Declared | null {
  const list = /^extern ([^(){}]*);$/.exec(text)?.[1];
  if (list === undefined) return null;
  const names = list.split(",").map((one) => /([\w$]+)(\[[^\]]*\])*$/.exec(one)?.[1] ?? "");
  return names.every(isName) ? { names, tags: tagsIn(list) } : null;
}

/** `extern struct a*f(int n)__attribute__((pure));` */
function prototypeNames(text: string): Declared | null {
  const match = /^((?:[A-Za-z_][\w$]*[ *]+)+)([A-Za-z_][\w$]*)\((?![*(])/.exec(text);
  const [head, words = "", name = ""] = match ?? [];
  if (head === undefined || !isName(name) || /\b(typeof|__typeof__|_Alignas)\b/.test(words)) {
    return null;
  }
  let depth = 1;
  let at = head.length;
  for (; at < text.length && depth > 0; at++) {
    if (text[at] === "(") depth++;
    else if (text[at] === ")") depth--;
  }
  return asmOrAttribute.test(text.slice(at)) ? { names: [name], tags: tagsIn(words) } : null;
}

/** Tags and names of `struct a{…};`, `enum{A,B};`, `typedef struct a{…}b;`, `typedef int(*f)(void);`. */
function typeNames(text: string): Declared | null {
  if (!/^(typedef|struct|union|enum)\b/.test(text)) return null;
  const tags = tagsIn(text);
  const names: string[] = [];
  let outside = text;
  // Innermost braces first.
  for (let before = ""; before !== outside;) {
    before = outside;
    outside = outside.replace(
      /\b(struct|union|enum)( ?[\w$]*)\{([^{}]*)\}/g,
      (_, kind: string, tag: string, inner: string) => {
        if (kind === "enum") {
          for (const [name] of inner.matchAll(/[A-Za-z_$][\w$]*/g)) names.push(name);
        }
        if (tag.trim() !== "") names.push(tag.trim());
        return `${kind}${tag} `;
      },
    );
  }
  if (/[{}=]|__attribute|asm|typeof/.test(outside)) return null;
  if (!outside.startsWith("typedef")) {
    return /^(struct|union|enum)( [\w$]+)? ?;$/.test(outside) ? { names, tags } : null;
  }
  const declared =
    /\(\*([\w$]+)\)\([^;]*\);$/.exec(outside)?.[1] ??
    /^[^(),]*[ *]([\w$]+)(\[[^\]]*\])*;$/.exec(outside)?.[1];
  return declared !== undefined && isName(declared) ? { names: [...names, declared], tags } : null;
}

function tagsIn(text: string): readonly string[] {
  return [...text.matchAll(/\b(?:struct|union|enum) ([A-Za-z_$][\w$]*)/g)].map(
    ([, tag = ""]) => tag,
  );
}
