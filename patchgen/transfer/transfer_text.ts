/** `transfer.c` of a patch: both versions of what changed, and the functions that carry objects over. */
import { staticLabel } from "../extract/labels.js";
import type { Changes } from "./changes.js";
import { CopyText, type Direction, type Mark } from "./copy.js";
import { TypeText } from "./declare.js";
import { carriedStructs, identifier, placesOf, type Item } from "./items.js";
import { translationText, type Bases } from "./pointers.js";
import { eachName, Roots } from "./roots.js";
import { textOf, type Shape } from "./shapes.js";
import type { World } from "./world.js";

export interface TransferInput {
  readonly old: World;
  readonly new: World;
  readonly changes: Changes;
  readonly items: readonly Item[];
  readonly version: number;
  /** What a label calls the file of a unit. */
  readonly fileOf: (source: string) => string;
  /** Records of which the program allocates objects without clearing them. */
  readonly uncleared: ReadonlySet<string>;
  /** Pointers to pointers that lead to allocated tables, by the names of members and variables. */
  readonly tables: ReadonlySet<string>;
  /** Records of which old functions may have objects on their stacks. */
  readonly held: { readonly records: ReadonlySet<string> };
  /** Other threads may change what the walk over the old objects reads. */
  readonly threads: boolean;
}

export interface TransferText {
  readonly text: string;
  readonly marks: readonly Mark[];
  /** Items of which no object is found from the program's variables. */
  readonly rootless: readonly Item[];
  /** Variables that the walks begin at. */
  readonly roots: readonly string[];
}

/** The symbol under which a patch's variable can be named in a script, and in `transfer.c`. */
export function newSymbol({ id }: Pick<Item, "id">, version: number): string {
  return `${id}__polus${version}`;
}

export function transferText(input: TransferInput): TransferText {
  return new Writer(input).run();
}

class Writer {
  private readonly types: { readonly old: TypeText; readonly new: TypeText };
  private readonly copies: { readonly forward: CopyText; readonly backward: CopyText };

  constructor(private readonly input: TransferInput) {
    const { old, new: now, changes, uncleared, tables } = input;
    this.types = {
      old: new TypeText("old", old.records, changes),
      new: new TypeText("new", now.records, changes),
    };
    this.copies = {
      forward: new CopyText("forward", old.records, changes, uncleared, tables),
      backward: new CopyText("backward", now.records, changes, uncleared, tables),
    };
  }

  run(): TransferText {
    const { items, changes, old } = this.input;
    const roots = new Roots(items, old.records, changes);
    const heap = items.filter(({ kind }) => kind === "heap");
    const isReached = ({ record }: Item): boolean => record !== null && roots.reaches(record.name);
    const functions = (["forward", "backward"] as const).flatMap((direction) => [
      ...this.records(direction),
      ...items.map((item) => this.item(item, direction)),
    ]);
    // Entries for old code translate pointers to any of them.
    for (const { name } of carriedStructs(changes)) {
      const record: Shape = { kind: "record", name };
      for (const copies of [this.copies.forward, this.copies.backward]) copies.translation(record);
      this.copies.forward.translation({ kind: "pointer", target: record });
    }
    const translations = (["forward", "backward"] as const).flatMap((direction) =>
      this.translations(direction),
    );
    const parts = [
      "/* Carries objects of the running version over to the new one, and back: see polus.h.",
      "   Constructed by polus patchgen; change what you like. */",
      "#include <stddef.h>",
      "#include <polus.h>",
      "",
      ...this.types.old.definitions(),
      ...this.types.new.definitions(),
      ...items.filter(({ kind }) => kind === "global").map((item) => this.bases(item)),
      "",
      ...items.map(
        (item) => `${this.heading(item, "forward")};\n${this.heading(item, "backward")};`,
      ),
      "",
      ...translations,
      ...functions,
      ...this.exported(),
      ...(heap.some(isReached) ? [this.walk(roots)] : []),
      ...heap.filter((item) => !isReached(item)).map((item) => this.missingEach(item)),
    ];
    const ambiguous = [...changes.records.keys()].filter(
      (name) => this.input.old.ambiguous.has(name) || this.input.new.ambiguous.has(name),
    );
    const marks = [
      ...this.copies.forward.marks,
      ...ambiguous.map((about) => ({ about, text: "units have different types of this name" })),
    ];
    return {
      text: `${parts.join("\n").trimEnd()}\n`,
      marks: unique(marks),
      rootless: heap.filter((item) => !isReached(item)),
      roots: roots.roots(),
    };
  }

  private walk(roots: Roots): string {
    const lock = this.input.threads
      ? [
          "/* MANUAL: the program has threads: take the lock here under which it changes these lists and",
          "   tables, and let it go at the end; nothing else must wait for it meanwhile. */",
        ]
      : [];
    const { old } = this.types;
    return roots.text(
      (name) => old.tag(name),
      (item) => this.basesOf(item).old,
      (shape, declarator) => old.declare(shape, declarator),
      lock,
    );
  }

  private missingEach(item: Item): string {
    const name = item.record?.name ?? item.title;
    return [
      `/* MANUAL: call \`visit(object, context)\` for every ${name} of the program: no variable leads to them. */`,
      `void ${eachName(name)}(void (*visit)(void *object, void *context), void *context) {`,
      "  (void)visit, (void)context;",
      "}",
      "",
    ].join("\n");
  }

  basesOf(item: Item): Bases {
    return { old: `old_${item.id}`, new: `new_${item.id}` };
  }

  /** Both copies of a variable, as bytes: the old one by the program's own name. */
  private bases(item: Item): string {
    const { version, fileOf } = this.input;
    const { old, new: now } = this.basesOf(item);
    const was = item.variable?.was;
    if (was === undefined) return "";
    const label = was.static
      ? // Not as the patch calls its own: the dot of the file's name is escaped.
        staticLabel(was.symbol, fileOf(was.source)).replace(
          /\$(.*)$/s,
          (_, file: string) => `$${file.replaceAll(".", "$2e")}`,
        )
      : was.symbol;
    return [
      `extern char ${old}[] __asm__("${label}");`,
      `extern char ${now}[] __asm__("${newSymbol(item, version)}");`,
    ].join("\n");
  }

  private heading(item: Item, direction: Direction): string {
    const [from, to] =
      direction === "forward"
        ? [this.types.old.declare(item.old, "(*from)"), this.types.new.declare(item.new, "(*to)")]
        : [this.types.new.declare(item.new, "(*from)"), this.types.old.declare(item.old, "(*to)")];
    return `void ${direction === "forward" ? item.forward : item.backward}(const ${from}, ${to})`;
  }

  private item(item: Item, direction: Direction): string {
    const copies = this.copies[direction];
    const [from, to] = direction === "forward" ? [item.old, item.new] : [item.new, item.old];
    const isRecord =
      from.kind === "record" && this.input.changes.records.get(from.name)?.is.union === false;
    const lines =
      isRecord && from.kind === "record" && to.kind === "record" && from.name === to.name
        ? [`${copies.recordFunction(from.name)}(from, to);`]
        : copies.copy(
            "(*from)",
            "(*to)",
            { shape: from, bits: null },
            { shape: to, bits: null },
            item.title,
          );
    return [`${this.heading(item, direction)} {`, ...indented(lines), "}", ""].join("\n");
  }

  /** A function for each carried record, contained ones first. */
  private records(direction: Direction): readonly string[] {
    const { changes } = this.input;
    const copies = this.copies[direction];
    const types = direction === "forward" ? (["old", "new"] as const) : (["new", "old"] as const);
    const names = [...changes.records.values()].filter(({ was, is }) => !was.union && !is.union);
    const texts = names.map(({ name, was, is }) => {
      const [from, to] = types.map((side) => this.types[side].tag(name));
      const heading = `static void ${copies.recordFunction(name)}(const ${from} *from, ${to} *to)`;
      return {
        heading,
        text: [`${heading} {`, ...indented(copies.record(was, is)), "}", ""].join("\n"),
      };
    });
    return [
      ...texts.map(({ heading }) => `${heading} __attribute__((unused));`),
      "",
      ...texts.map(({ text }) => text),
    ];
  }

  /** What the entries of the patch's functions call: pointers to what has one version only stay. */
  private exported(): readonly string[] {
    const { items, changes } = this.input;
    const { forward, backward } = this.copies;
    const define = (name: string, lines: readonly string[]): string =>
      [`void *${name}(const void *p) {`, ...lines.map((line) => `  ${line}`), "}", ""].join("\n");
    const through = (name: string, by: string): string =>
      define(name, [`void *found = ${by}(p);`, "return found != NULL ? found : (void *)p;"]);
    const named = carriedStructs(changes).flatMap(({ name }) => {
      const record: Shape = { kind: "record", name };
      const id = identifier(name);
      return [
        through(`polus_new_${id}`, forward.translation(record)),
        through(`polus_old_${id}`, backward.translation(record)),
        through(
          `polus_new_${id}_pointer`,
          forward.translation({ kind: "pointer", target: record }),
        ),
      ];
    });
    const any = items
      .filter(({ kind }) => kind === "heap")
      .flatMap((item) => [
        `if ((found = polus_copy_by(p, ${item.forward})) != NULL) return found;`,
      ]);
    return [
      "/* Pointers that come from old code, or go there. */",
      define("polus_new_object", ["void *found;", ...any, "(void)found;", "return (void *)p;"]),
      ...named,
      ...this.entering(),
    ];
  }

  /** A new version, for the time of a call, of what has none since it lies on a stack of old code. */
  private entering(): readonly string[] {
    const { changes, held } = this.input;
    const { forward, backward } = this.copies;
    const records = carriedStructs(changes).filter(({ name }) => held.records.has(name));
    if (records.length === 0) return [];
    return [
      "/* Whether this is code of the old version that the update replaces: it has been running since before. */",
      "int polus_is_old_code(const void *at);",
      "",
      ...records.flatMap(({ name, was, is }) => {
        const id = identifier(name);
        const [old, now] = [this.types.old.tag(name), this.types.new.tag(name)];
        return [
          `/* room: ${is.size} bytes for the new version of *p, then ${was.size} for the old one as it was before. */`,
          `void *polus_enter_${id}(const void *p, const void *caller, void *room) {`,
          `  void *found = ${forward.translation({ kind: "record", name })}(p);`,
          "  if (found != NULL) return found;",
          "  if (p == NULL || !polus_is_old_code(caller)) return (void *)p;",
          `  ${now} *to = room;`,
          `  ${old} *before = (void *)((char *)room + ${is.size});`,
          `  __builtin_memset(room, 0, ${is.size + was.size});`,
          `  ${forward.recordFunction(name)}(p, to);`,
          `  ${backward.recordFunction(name)}(to, before);`,
          "  return room;",
          "}",
          "",
          "/* Only what the call has changed goes back into old code's object. */",
          `void polus_leave_${id}(void *p, const void *given, void *room) {`,
          "  if (given != room) return;",
          `  ${old} after;`,
          `  const char *before = (char *)room + ${is.size};`,
          "  __builtin_memset(&after, 0, sizeof after);",
          `  ${backward.recordFunction(name)}(room, &after);`,
          "  for (unsigned long at = 0; at < sizeof after; at++) {",
          "    const char now = ((const char *)&after)[at];",
          "    if (now != before[at]) ((char *)p)[at] = now;",
          "  }",
          "}",
          "",
        ];
      }),
    ];
  }

  private translations(direction: Direction): readonly string[] {
    const { items, old, new: now } = this.input;
    const copies = this.copies[direction];
    return [...copies.pointed.values()].map((target: Shape) => {
      const places = placesOf(target, items, old, now);
      return translationText(
        copies.translation(target),
        textOf(target),
        places,
        direction,
        ({ item }) => (item.kind === "global" ? this.basesOf(item) : null),
      );
    });
  }
}

function indented(lines: readonly string[]): readonly string[] {
  let depth = 1;
  return lines.map((line) => {
    if (line === "}") depth--;
    const text = `${"  ".repeat(depth)}${line}`;
    if (line.endsWith("{")) depth++;
    return text;
  });
}

function unique(marks: readonly Mark[]): readonly Mark[] {
  const seen = new Set<string>();
  return marks.filter(({ about, text }) => {
    const key = `${about}: ${text}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
