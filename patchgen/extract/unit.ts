/** One unit to make a patch of: its items by the names that they declare. */
import type { DataChange, FunctionChange, UnitChange } from "../model.js";
import type { Declarator } from "./declarators.js";
import { splitItems, type Item } from "./items.js";
import type { PreprocessedUnit } from "./preprocess.js";
import type { SourceText } from "./source_text.js";
import { closingToken, isName } from "./token_walk.js";
import type { Token } from "./tokens.js";

/** One declarator of an item. */
export interface Declared {
  readonly item: Item;
  readonly declarator: Declarator;
}

/** A `static` declaration within a function. */
export interface StaticLocal {
  /** Tokens of the declaration, the semicolon included. */
  readonly first: number;
  readonly last: number;
  readonly declarator: Declarator;
}

export class Unit {
  readonly source: SourceText;
  readonly tokens: readonly Token[];
  readonly items: readonly Item[];
  /** Of the unit's own file. */
  readonly functions: ReadonlyMap<string, Declared>;
  readonly data: ReadonlyMap<string, readonly Declared[]>;
  /** First declaration of a function that is no definition, in any file. */
  readonly prototypes: ReadonlyMap<string, Declared>;
  private readonly changedFunctions: ReadonlyMap<string, FunctionChange>;
  private readonly changedData: readonly DataChange[];

  constructor(
    readonly name: string,
    preprocessed: PreprocessedUnit,
    change: UnitChange | null,
  ) {
    this.source = preprocessed.source;
    this.tokens = preprocessed.tokens;
    this.items = splitItems(preprocessed.tokens);
    this.path = preprocessed.path;
    const functions = new Map<string, Declared>();
    const data = new Map<string, Declared[]>();
    const prototypes = new Map<string, Declared>();
    for (const item of this.items) {
      if (item.kind === "other" || item.storage.typedef) continue;
      for (const declarator of item.declarators) {
        const { name: declared } = declarator;
        if (item.kind === "function") {
          if (this.isOwn(item)) functions.set(declared, { item, declarator });
        } else if (declarator.isFunction) {
          if (!prototypes.has(declared)) prototypes.set(declared, { item, declarator });
        } else if (this.isOwn(item) && !item.storage.extern) {
          data.set(declared, [...(data.get(declared) ?? []), { item, declarator }]);
        }
      }
    }
    this.functions = functions;
    this.data = data;
    this.prototypes = prototypes;
    this.changedFunctions = new Map(change?.functions.map((f) => [f.name, f]));
    this.changedData = change?.data ?? [];
  }

  private readonly path: string;

  /** Whether it stands in the unit's own file. */
  isOwn(item: Item): boolean {
    return this.tokens[item.first]?.file === this.path;
  }

  functionChange(name: string): FunctionChange | null {
    return this.changedFunctions.get(name) ?? null;
  }

  dataChange(name: string, host: string | null): DataChange | null {
    return this.changedData.find((d) => d.name === name && d.function === host) ?? null;
  }

  /** Whether a function of this unit is static: any of its declarations may say so. */
  isStatic(name: string): boolean {
    const own = this.functions.get(name) ?? this.data.get(name)?.[0];
    const before = this.prototypes.get(name);
    return own?.item.storage.static === true || before?.item.storage.static === true;
  }

  /** Names that stand between two tokens, both inclusive. */
  namesIn(first: number, last: number): ReadonlySet<string> {
    const names = new Set<string>();
    for (let at = first; at <= last; at++) {
      const text = this.tokens[at]?.text ?? "";
      if (isName(text)) names.add(text);
    }
    return names;
  }

  /** Static variables within a function, in order. */
  staticLocals(item: Item): readonly StaticLocal[] {
    const found: StaticLocal[] = [];
    if (item.body === null) return found;
    for (let at = item.body + 1; at < item.last; at++) {
      if (this.tokens[at]?.text !== "static") continue;
      // `int a[static 3]` of a parameter.
      if (this.tokens[at - 1]?.text === "[") continue;
      let first = at;
      while (!/^[;{}]$/.test(this.tokens[first - 1]?.text ?? ";")) first--;
      let last = at;
      for (; last < item.last && this.tokens[last]?.text !== ";"; last++) {
        if (/^[([{]$/.test(this.tokens[last]?.text ?? "")) last = closingToken(this.tokens, last);
      }
      const [inner] = splitItems(this.tokens.slice(first, last + 1));
      for (const declarator of inner?.declarators ?? []) {
        if (!declarator.isFunction)
          found.push({ first, last, declarator: moved(declarator, first) });
      }
      at = last;
    }
    return found;
  }
}

function moved(declarator: Declarator, by: number): Declarator {
  const { initialiser } = declarator;
  return {
    ...declarator,
    at: declarator.at + by,
    start: declarator.start + by,
    end: declarator.end + by,
    initialiser:
      initialiser === null ? null : { first: initialiser.first + by, last: initialiser.last + by },
  };
}
