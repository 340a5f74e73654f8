/**
 * What functions do with the addresses of objects that have no copy of the other version: those on their
 * own stack and in read-only data, and those that callers give them. By tokens, so that whatever is not
 * understood counts as kept.
 */
import {
  isObjectPointer,
  type FunctionPointers,
  type ObjectTypes,
} from "../extract/object_pointers.js";
import { closingToken, isName, isQualifier } from "../extract/token_walk.js";
import type { Declared, Unit } from "../extract/unit.js";

/** An address that goes where nobody translates it. */
export interface Escape {
  readonly record: string;
  /**
   * `kept`: it is stored, or given back in another guise; `array`: more than one object is used by it;
   * `through`: it is handed to the function `to` (`null`: called by a pointer), whose parameter tells no type.
   */
  readonly how: "kept" | "array" | "through";
  readonly to: string | null;
  /** Whether the function has made the object itself, or names it in read-only data. */
  readonly own: boolean;
}

/** The address of an object that another function gets as such. */
export interface Handed {
  readonly record: string;
  readonly to: string;
  /** As in `Escape`. */
  readonly own: boolean;
}

export interface ObjectUses {
  /** Records of which it has objects of its own. */
  readonly holds: ReadonlySet<string>;
  /** To whom it gives addresses of such objects, by parameters that tell the type. */
  readonly hands: readonly Handed[];
  readonly escapes: readonly Escape[];
}

/** What the analysis asks about the rest of the program. */
export interface Surroundings {
  readonly unit: Unit;
  readonly types: ObjectTypes;
  /** Read-only objects, by name, with the record that they consist of. */
  readonly constants: ReadonlyMap<string, string>;
  /** A function's parameters, as its definition says or else its declaration; `null`: it is none. */
  pointersOf(name: string): FunctionPointers | null;
  /** Whether a member of the record is an array or a struct, whose name means its place. */
  isAggregate(record: string, member: string): boolean;
  /** The record of two versions that a member is; `null`: it is none. */
  recordOf(record: string, member: string): string | null;
}

interface Tracked {
  readonly record: string;
  readonly own: boolean;
  /** `interior`: it points to what is in such an object. */
  readonly kind: "object" | "array" | "pointer" | "interior";
}

/** Functions of C's library that use memory for the time of the call only, and call nobody back. */
const harmless =
  /^(__builtin_\w+|mem(set|cpy|move|cmp|chr|mem)|bzero|explicit_bzero|bcmp|bcopy|p?read|p?write|recv|send|fread|fwrite|v?[sf]?n?printf|v?[sf]?scanf|strn?(cpy|cat|cmp|casecmp|len|chr|rchr|str)|strl(cpy|cat)|free)$/;

/** What a function does with addresses of objects of `types`. */
export function usesIn(around: Surroundings, name: string, declared: Declared): ObjectUses {
  return new Walk(around, name, declared).run();
}

class Walk {
  private readonly tracked = new Map<string, Tracked>();
  /** Local pointers to such records, that may come to hold a tracked address. */
  private readonly pointers = new Map<string, string>();
  /** Tokens by which names are declared. */
  private readonly declared = new Set<number>();
  private readonly holds = new Set<string>();
  private readonly hands = new Map<string, Handed>();
  private readonly escapes = new Map<string, Escape>();
  private readonly first: number;
  private readonly last: number;
  private readonly signature: FunctionPointers | null;

  constructor(
    private readonly around: Surroundings,
    name: string,
    { item }: Declared,
  ) {
    this.first = item.body ?? item.last;
    this.last = item.last;
    this.signature = around.pointersOf(name);
  }

  run(): ObjectUses {
    for (const { name, record, depth } of this.signature?.parameters ?? []) {
      if (record === null) continue;
      if (depth === 1) this.tracked.set(name, { record, own: false, kind: "pointer" });
      if (depth > 0) continue;
      this.holds.add(record);
      this.tracked.set(name, { record, own: true, kind: "object" });
    }
    const result = this.signature?.result;
    if (result !== undefined && result.record !== null && result.depth === 0) {
      this.holds.add(result.record);
    }
    this.declarations();
    this.unnamedTypes();
    for (let at = this.first; at < this.last; at++) {
      const record = this.around.constants.get(this.text(at));
      if (record === undefined || this.isMember(at)) continue;
      this.holds.add(record);
      this.tracked.set(this.text(at), { record, own: true, kind: "array" });
    }
    for (let count = -1; count !== this.tracked.size;) {
      count = this.tracked.size;
      for (let at = this.first; at < this.last; at++) this.look(at);
    }
    return {
      holds: this.holds,
      hands: [...this.hands.values()],
      escapes: [...this.escapes.values()],
    };
  }

  private text(at: number): string {
    return this.around.unit.tokens[at]?.text ?? "";
  }

  private isMember(at: number): boolean {
    return /^(\.|->)$/.test(this.text(at - 1));
  }

  /** Local objects and pointers; compound literals. */
  private declarations(): void {
    const { types, unit } = this.around;
    for (let at = this.first; at < this.last; at++) {
      const type = types.named(at);
      if (type === null) continue;
      let next = type.end;
      while (isQualifier(this.text(next))) next++;
      if (this.text(next) === ")" && this.text(next + 1) === "{" && type.depth === 0) {
        this.holds.add(type.record);
        if (this.text(at - 2) === "&") {
          const end = closingToken(unit.tokens, next + 1);
          this.place(at - 2, end, { record: type.record, own: true, kind: "pointer" });
        }
      }
      let start = at;
      while (/^\w+$/.test(this.text(start - 1)) && this.text(start - 1) !== "return") start--;
      const begins = /^[;{}]$/.test(this.text(start - 1));
      const inFor = this.text(start - 1) === "(" && this.text(start - 2) === "for";
      if (!begins && !inFor) continue;
      const words = unit.tokens.slice(start, at).map((one) => one.text);
      this.declarators(next, type.record, type.depth, words.includes("static"));
    }
  }

  /** What is declared by `typeof`, and what pointers lead to that get memory of the stack. */
  private unnamedTypes(): void {
    for (let at = this.first; at < this.last; at++) {
      const word = this.text(at);
      if (/^(alloca|__builtin_alloca\w*)$/.test(word)) {
        for (const [name, record] of this.pointers) {
          this.holds.add(record);
          this.tracked.set(name, { record, own: true, kind: "pointer" });
        }
      }
      if (!/^(typeof|__typeof|__typeof__|__auto_type)$/.test(word)) continue;
      const close = this.text(at + 1) === "(" ? closingToken(this.around.unit.tokens, at + 1) : at;
      const [stars, name] = this.text(close + 1) === "*" ? [1, close + 2] : [0, close + 1];
      if (!isName(this.text(name))) continue;
      const end = close === at ? at + 5 : close;
      for (let inner = at; inner < end; inner++) {
        const of = this.text(inner);
        const record = this.tracked.get(of)?.record ?? this.pointers.get(of);
        if (record === undefined || this.isMember(inner)) continue;
        if (/^(\.|->)$/.test(this.text(inner + 1))) continue;
        this.declared.add(name);
        // It may be the object or a pointer to it: the object has more limits.
        this.holds.add(record);
        const kind = stars === 0 && this.text(inner - 1) === "*" ? "object" : "pointer";
        this.tracked.set(this.text(name), { record, own: true, kind });
      }
    }
  }

  private declarators(first: number, record: string, depth: number, isStatic: boolean): void {
    const { tokens } = this.around.unit;
    for (let at = first; at < this.last; at++) {
      let stars = depth;
      for (; this.text(at) === "*" || isQualifier(this.text(at)); at++) {
        if (this.text(at) === "*") stars++;
      }
      const name = this.text(at);
      if (!isName(name)) return;
      this.declared.add(at);
      const isArray = this.text(at + 1) === "[";
      if (stars === 0 && !isStatic) {
        this.holds.add(record);
        this.tracked.set(name, { record, own: true, kind: isArray ? "array" : "object" });
      } else if (stars === 1 && !isArray && !isStatic) this.pointers.set(name, record);
      for (at++; at < this.last && !/^[,;]$/.test(this.text(at)); at++) {
        if (/^[([{]$/.test(this.text(at))) at = closingToken(tokens, at);
        else if (/^[)}:]$/.test(this.text(at))) return;
      }
      if (this.text(at) === ";") return;
    }
  }

  /** A use of a tracked name. */
  private look(at: number): void {
    const tracked = this.tracked.get(this.text(at));
    if (tracked === undefined || this.isMember(at) || this.declared.has(at)) return;
    const { unit } = this.around;
    let end = at;
    const steps: string[] = [];
    for (;;) {
      if (this.text(end + 1) === "[") {
        end = closingToken(unit.tokens, end + 1);
        steps.push("[]");
      } else if (/^(\.|->)$/.test(this.text(end + 1))) {
        end += 2;
        steps.push(this.text(end));
      } else break;
    }
    const isAddress = this.text(at - 1) === "&" && !this.isValue(at - 2);
    const start = isAddress ? at - 1 : at;
    const [step, further] = steps;
    if (step === "[]" && tracked.kind === "pointer" && !tracked.own) {
      if (this.text(at + 2) !== "0") this.escape(tracked, "array");
    }
    const inner = step === "[]" ? further : step;
    if (inner !== undefined) {
      const record = this.around.recordOf(tracked.record, inner);
      if (record !== null && isAddress && steps.at(-1) === inner) {
        this.place(start, end, { record, own: tracked.own, kind: "pointer" });
        return;
      }
      // What is in an object of the caller's own version may be kept: it stays there.
      if (tracked.own || tracked.kind === "object") return;
      const isPlace = isAddress || this.around.isAggregate(tracked.record, inner);
      if (isPlace && steps.at(-1) !== "[]")
        this.place(start, end, { ...tracked, kind: "interior" });
      return;
    }
    switch (tracked.kind) {
      case "object":
        if (isAddress) this.place(start, end, { ...tracked, kind: "pointer" });
        return;
      case "array":
        if (step === undefined || isAddress)
          this.place(start, end, { ...tracked, kind: "pointer" });
        return;
      case "pointer":
      case "interior":
        if (isAddress && step === undefined) this.escape(tracked, "kept");
        else if (step === undefined || isAddress) this.place(start, end, tracked);
    }
  }

  /** Whether a token can end an operand, so that what follows is a binary operator. */
  private isValue(at: number): boolean {
    const word = this.text(at);
    return word === ")" || word === "]" || (word !== "return" && /^[\w"']/.test(word));
  }

  /** What is done with an address that stands between two tokens. */
  private place(start: number, end: number, given: Tracked): void {
    let [first, last] = [start, end];
    for (;;) {
      const isWrapped = this.text(first - 1) === "(" && this.text(last + 1) === ")";
      if (isWrapped && !isName(this.text(first - 2)) && !this.isControl(first - 2)) {
        first--;
        last++;
      } else if (this.text(first - 1) === ")" && this.isCast(first - 1)) {
        while (this.text(first - 1) !== "(") first--;
        first--;
      } else break;
    }
    const before = this.text(first - 1);
    const behind = this.text(last + 1);
    // Something is put into the variable, or into what it points to.
    if (behind === "=" || (/^(->|\[)$/.test(behind) && last !== end)) return;
    if (before === "*" && !this.isValue(first - 2)) return;
    if (/^(\+\+|--|\+=|-=)$/.test(behind) || /^(\+\+|--)$/.test(before)) {
      if (!given.own && given.kind === "pointer") this.escape(given, "array");
      return;
    }
    if (/^[+-]$/.test(behind)) {
      if (!given.own && given.kind === "pointer") this.escape(given, "array");
      while (!/^[,;)\]}]$/.test(this.text(last + 1)) && last < this.last) {
        last++;
        if (/^[([{]$/.test(this.text(last))) last = closingToken(this.around.unit.tokens, last);
      }
    }
    const compared = /^(==|!=|<|>|<=|>=|&&|\|\||\?|-)$/;
    if (compared.test(behind) || (behind !== "?" && /^(==|!=|<|>|<=|>=|!|&&|\|\||-)$/.test(before)))
      return;
    if (before === "(" && behind === ")" && this.isControl(first - 2)) return;
    if (/^[;{})]$/.test(before) && behind === ";") return;
    if (before === "return") {
      const isResult =
        this.signature !== null &&
        isObjectPointer(this.signature.result) &&
        given.kind === "pointer" &&
        !given.own;
      if (!isResult) this.escape(given, "kept");
      return;
    }
    if (before === "=") {
      this.assigned(first - 2, given);
      return;
    }
    if (/^[(,]$/.test(before) && /^[,)]$/.test(behind)) {
      this.argument(first, given);
      return;
    }
    this.escape(given, "kept");
  }

  private isControl(at: number): boolean {
    return /^(if|while|switch|sizeof|__typeof__|typeof|for|return)$/.test(this.text(at));
  }

  /** `(struct node *)`, `(void *)`, `(const char *)`. */
  private isCast(close: number): boolean {
    let open = close - 1;
    while (open > this.first && /^(\w+|\*)$/.test(this.text(open))) open--;
    if (this.text(open) !== "(" || open === close - 1) return false;
    const isType = this.text(close - 1) === "*" || this.text(open + 1) === "void";
    return isType && !isName(this.text(open - 1));
  }

  private assigned(target: number, given: Tracked): void {
    const name = this.text(target);
    const isPlain = isName(name) && !this.isMember(target) && this.text(target - 1) !== "]";
    const isLocal = !this.around.unit.data.has(name) && this.isDeclared(target);
    if (isPlain && given.kind === "pointer" && this.pointers.get(name) === given.record) {
      const known = this.tracked.get(name);
      // Of two origins the one with more limits.
      if (known === undefined || (known.own && !given.own)) this.tracked.set(name, given);
    } else if (isPlain && given.kind === "interior" && isLocal) {
      if (!this.tracked.has(name)) this.tracked.set(name, given);
    } else this.escape(given, "kept");
  }

  /** Whether a name is declared in the function, as far as tokens tell: `TYPE *name`, `TYPE name`. */
  private isDeclared(use: number): boolean {
    const name = this.text(use);
    for (let at = this.first; at <= use; at++) {
      if (this.text(at) !== name || this.isMember(at)) continue;
      const before = this.text(at - 1);
      if (/^\w+$/.test(before) && before !== "return") return true;
      if (/^[*,]$/.test(before) && /^(\w+|\*|,)$/.test(this.text(at - 2))) return true;
    }
    return false;
  }

  private argument(first: number, given: Tracked): void {
    let index = 0;
    let at = first - 1;
    for (let depth = 0; at > this.first; at--) {
      const word = this.text(at);
      if (/^[)\]}]$/.test(word)) depth++;
      else if (/^[([{]$/.test(word)) {
        if (depth === 0) break;
        depth--;
      } else if (word === "," && depth === 0) index++;
      else if (word === ";" && depth === 0) break;
    }
    if (this.text(at) !== "(") {
      this.escape(given, "kept");
      return;
    }
    const callee = this.text(at - 1);
    // What is in an object is not laid out otherwise, whoever gets it.
    if (given.kind === "interior" || harmless.test(callee)) return;
    const isNamed = isName(callee) && !this.isMember(at - 1);
    const pointers = isNamed ? this.around.pointersOf(callee) : null;
    const parameter = pointers?.parameters[index];
    const isTyped = parameter?.record === given.record && parameter.depth === 1;
    if (!isTyped) this.escape(given, "through", pointers === null ? null : callee);
    else {
      const { record, own } = given;
      this.hands.set(`${record} ${own} ${callee}`, { record, to: callee, own });
    }
  }

  private escape({ record, own }: Tracked, how: Escape["how"], to: string | null = null): void {
    this.escapes.set(`${record} ${how} ${own} ${to ?? ""}`, { record, how, to, own });
  }
}
