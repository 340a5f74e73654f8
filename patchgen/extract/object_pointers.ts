/** Which of a function's parameters are pointers to objects of which there are two versions, by its source. */
import { splitItems, type Item } from "./items.js";
import { closingToken, isName, isQualifier } from "./token_walk.js";
import type { Declared, Unit } from "./unit.js";

/** What a declared type leads to. */
export interface ObjectPointer {
  /** `struct node`, or a typedef's name; `null`: no such record. */
  readonly record: string | null;
  /** `void *`: it may lead to anything. */
  readonly untyped: boolean;
  /** Pointers before the record: 1 for `struct node *`. */
  readonly depth: number;
}

/** A type that the text names. */
export interface NamedType extends ObjectPointer {
  readonly record: string;
  /** The token behind it. */
  readonly end: number;
}

export interface Parameter extends ObjectPointer {
  readonly name: string;
}

export interface FunctionPointers {
  /** Empty where none are told. */
  readonly parameters: readonly Parameter[];
  readonly result: ObjectPointer;
  readonly returnsVoid: boolean;
  /** It cannot be called with its own parameters by another function. */
  readonly opaque: "variadic" | "old-style" | "unnamed" | null;
  /** Tokens of the parameters, parentheses included. */
  readonly open: number;
  readonly close: number;
}

/** Types of one unit, by the records of which there are two versions. */
export class ObjectTypes {
  readonly #typedefs = new Map<string, ObjectPointer>();

  constructor(
    private readonly unit: Unit,
    private readonly records: ReadonlySet<string>,
  ) {
    for (const item of unit.items) {
      if (!item.storage.typedef) continue;
      for (const { name, start, at, isFunction } of item.declarators) {
        if (isFunction) continue;
        if (records.has(name)) this.#typedefs.set(name, { record: name, untyped: false, depth: 0 });
        else this.#typedefs.set(name, this.#read(item.first, at, start));
      }
    }
  }

  /** A definition's or declaration's; `null`: it is no function that tokens tell. */
  function({ item, declarator }: Declared): FunctionPointers | null {
    const { tokens } = this.unit;
    const open = declarator.at + 1;
    if (tokens[open]?.text !== "(") return null;
    const close = closingToken(tokens, open);
    const result = this.#read(item.first, declarator.at, declarator.start);
    const words = tokens.slice(item.first, declarator.at).map(({ text }) => text);
    const returnsVoid = words.includes("void") && !words.includes("*");
    const common = { result, returnsVoid, open, close };
    const inner = tokens.slice(open + 1, close).map(({ text }) => text);
    if (inner.length === 0 || inner.join(" ") === "void") {
      return { ...common, parameters: [], opaque: null };
    }
    const oldStyle =
      item.body !== null && close + 1 < item.body && hasSemicolon(tokens.slice(close, item.body));
    if (oldStyle) return { ...common, parameters: [], opaque: "old-style" };
    const body = item.body === null ? null : { first: item.body, last: item.last };
    const parameters: Parameter[] = [];
    for (const [first, last] of this.#parts(open + 1, close)) {
      if (tokens[first]?.text === "...") return { ...common, parameters, opaque: "variadic" };
      const [single] = splitItems([...tokens.slice(first, last), { ...semicolon }]);
      const named = single?.declarators[0];
      if (named === undefined) return { ...common, parameters, opaque: "unnamed" };
      const read = this.#read(first, first + named.at, first + named.start);
      const arrays = tokens[first + named.at + 1]?.text === "[" ? 1 : 0;
      const wrapped = named.isFunction || tokens[first + named.start]?.text === "(";
      const parameter: Parameter = {
        ...(wrapped ? { record: null, untyped: false, depth: 0 } : read),
        depth: read.depth + arrays,
        name: named.name,
      };
      const meant = body === null ? null : this.#meant(parameter, body);
      parameters.push(meant === null ? parameter : { ...parameter, record: meant, untyped: false });
    }
    return { ...common, parameters, opaque: null };
  }

  /** The type that begins at a token, if it leads to one of the records. */
  named(at: number): NamedType | null {
    const { tokens } = this.unit;
    const word = tokens[at]?.text ?? "";
    if (word === "struct" || word === "union") {
      const record = `${word} ${tokens[at + 1]?.text ?? ""}`;
      if (!this.records.has(record) || tokens[at + 2]?.text === "{") return null;
      return { record, untyped: false, depth: 0, end: at + 2 };
    }
    const before = tokens[at - 1]?.text ?? "";
    if (/^(struct|union|enum|\.|->)$/.test(before)) return null;
    const read =
      this.#typedefs.get(word) ??
      (this.records.has(word) ? { record: word, untyped: false, depth: 0 } : null);
    if (read === null || read.record === null) return null;
    return { ...read, record: read.record, end: at + 1 };
  }

  /**
   * What a parameter `void *p` leads to, where all that is done with it is `struct node *n = p;`, with a
   * cast or without; `null`: that is not told.
   */
  #meant(
    { untyped, depth, name }: Parameter,
    { first, last }: { readonly first: number; readonly last: number },
  ): string | null {
    if (!untyped || depth !== 1) return null;
    const { tokens } = this.unit;
    const text = (at: number): string => tokens[at]?.text ?? "";
    const uses: number[] = [];
    for (let at = first; at < last; at++) if (text(at) === name) uses.push(at);
    const [use] = uses;
    if (use === undefined || uses.length > 1 || !/^[;,]$/.test(text(use + 1))) return null;
    let equals = use - 1;
    if (text(equals) === ")") while (equals > first && text(equals) !== "(") equals--;
    if (text(equals) === "(") equals--;
    if (text(equals) !== "=" || text(equals - 2) !== "*") return null;
    for (let at = equals - 3; at > equals - 7 && at > first; at--) {
      const type = this.named(at);
      if (type === null || type.depth !== 0) continue;
      const between = tokens.slice(type.end, equals - 2).every((one) => isQualifier(one.text));
      return between ? type.record : null;
    }
    return null;
  }

  /** Whether a function's body, or the whole of it, names one of the records. */
  mentions({ first, body, last }: Item, whole = false): boolean {
    const { tokens } = this.unit;
    for (let at = whole ? first : (body ?? last); at < last; at++) {
      const word = tokens[at]?.text ?? "";
      if (word === "struct" && this.records.has(`struct ${tokens[at + 1]?.text ?? ""}`))
        return true;
      const typedef = this.#typedefs.get(word);
      if (typedef !== undefined && typedef.record !== null) return true;
    }
    return false;
  }

  #parts(first: number, end: number): readonly (readonly [number, number])[] {
    const { tokens } = this.unit;
    const parts: [number, number][] = [];
    let start = first;
    for (let at = first; at < end; at++) {
      const text = tokens[at]?.text ?? "";
      if (text === "(" || text === "[" || text === "{") at = closingToken(tokens, at);
      else if (text === ",") {
        parts.push([start, at]);
        start = at + 1;
      }
    }
    return [...parts, [start, end]];
  }

  /** The type of tokens up to a name at `at`, whose declarator begins at `start`. */
  #read(first: number, at: number, start: number): ObjectPointer {
    const { tokens } = this.unit;
    const stars = tokens.slice(start, at).filter(({ text }) => text === "*").length;
    let base: ObjectPointer = { record: null, untyped: false, depth: 0 };
    for (let index = first; index < start; index++) {
      const word = tokens[index]?.text ?? "";
      if (word === "struct" || word === "union") {
        const name = `${word} ${tokens[index + 1]?.text ?? ""}`;
        if (this.records.has(name)) base = { record: name, untyped: false, depth: 0 };
        index++;
        if (tokens[index + 1]?.text === "{") index = closingToken(tokens, index + 1);
      } else if (word === "void") base = { record: null, untyped: true, depth: 0 };
      else if (word === "{") index = closingToken(tokens, index);
      else if (isName(word) && !isQualifier(word)) {
        base =
          this.#typedefs.get(word) ??
          (this.records.has(word) ? { record: word, untyped: false, depth: 0 } : base);
      }
    }
    return { ...base, depth: base.depth + stars };
  }
}

const semicolon = { text: ";", file: "", line: 0, offset: null } as const;

function hasSemicolon(tokens: readonly { readonly text: string }[]): boolean {
  return tokens.some(({ text }) => text === ";");
}

/** Whether a pointer of the program must be translated between the versions. */
export function isObjectPointer({ record, depth }: ObjectPointer): boolean {
  return record !== null && depth > 0;
}

/** Whether, as far as tokens tell, all arguments and the result are in registers, the result in one. */
export function hasRegisterArguments({ tokens }: Unit, pointers: FunctionPointers): boolean {
  const { parameters, opaque, open, close } = pointers;
  if (opaque !== null || parameters.length > 6) return false;
  const words = tokens.slice(open, close).map(({ text }) => text);
  const byValue = words.some(
    (word, at) => (word === "struct" || word === "union") && words[at + 2] !== "*",
  );
  return !byValue && !(words.includes("long") && words.includes("double"));
}

/** Whether callers get such a pointer from the function: as its result, or where a parameter points. */
export function givesObjects({ result, parameters }: FunctionPointers): boolean {
  return isObjectPointer(result) || parameters.some((one) => one.record !== null && one.depth > 1);
}
