/** Turns definitions into declarations of the running program's objects. */
import type { Declarator } from "./declarators.js";
import { joined, ItemEditor } from "./edits.js";
import { labelOf, type Fate, type ProgramObject } from "./fate.js";
import type { Item } from "./items.js";
import { closingToken } from "./token_walk.js";
import type { Declared, Unit } from "./unit.js";

/** Never of data: gcc folds the contents of a `static const` one to zero. */
export function weakref(object: ProgramObject): string {
  return ` __attribute__((weakref("${labelOf(object)}")))`;
}

const inlines = new Set(["inline", "__inline", "__inline__"]);
const noCopies = new Set(["static", "extern", ...inlines]);

/** Takes words of the specifiers away. */
export function dropWords(
  unit: Unit,
  edit: ItemEditor,
  item: Pick<Item, "first" | "specifiersEnd">,
  words: ReadonlySet<string>,
): void {
  for (let at = item.first; at < item.specifiersEnd; at++) {
    const text = unit.tokens[at]?.text ?? "";
    if (text === "{") at = closingToken(unit.tokens, at);
    else if (words.has(text)) edit.replace(at, "");
  }
}

export function dropInline(unit: Unit, edit: ItemEditor, item: Item): void {
  dropWords(unit, edit, item, inlines);
}

/** What makes a definition of its own name a plain external one. */
export function makeExternal(unit: Unit, edit: ItemEditor, item: Item): void {
  dropWords(unit, edit, item, noCopies);
}

/**
 * A function's definition becomes its declaration. Old style ones lose their parameters: callers
 * go on passing what the default promotions make of them.
 */
export function declareFunction(
  unit: Unit,
  edit: ItemEditor,
  { item, declarator }: Declared,
  object: ProgramObject,
  isStatic: boolean,
): void {
  const { body } = item;
  if (body === null) return;
  dropInline(unit, edit, item);
  if (isStatic && !item.storage.static) edit.insertBefore(item.first, "static ");
  const close = closingToken(unit.tokens, declarator.at + 1);
  if (close + 1 < body && isOldStyle(unit, declarator, close, body)) {
    edit.remove(declarator.at + 2, close - 1);
    edit.remove(close + 1, item.last);
  } else edit.remove(body, item.last);
  edit.append(`${isStatic ? weakref(object) : ""};`);
}

function isOldStyle(unit: Unit, { at }: Declarator, close: number, body: number): boolean {
  if (unit.tokens[at + 1]?.text !== "(") return false;
  return unit.tokens.slice(close + 1, body).some(({ text }) => text === ";");
}

/** A definition's head as a declaration, of which there is none before. */
export function declarationBefore(
  unit: Unit,
  declared: Declared,
  object: ProgramObject,
  isStatic: boolean,
): string {
  const edit = new ItemEditor();
  declareFunction(unit, edit, declared, object, isStatic);
  const { item } = declared;
  const end = (item.body ?? item.last) - 1;
  const words = unit.tokens.slice(item.first, end + 1).map(({ text }, at) => {
    const removed = edit.removed.some(
      ({ first, last }) => item.first + at >= first && item.first + at <= last,
    );
    return removed ? "" : (edit.replaced.get(item.first + at) ?? text);
  });
  const prefix = edit.before.get(item.first) ?? "";
  const head = words
    .filter((word) => word !== "")
    .join(" ")
    .replace(/ ([,;)\]])/g, "$1")
    .replace(/([([*]) /g, "$1")
    .replace(new RegExp(`\\b${declared.declarator.name} \\(`), `${declared.declarator.name}(`);
  return `${prefix}${head}${edit.suffix}\n`;
}

/**
 * Declarators of one data declaration become declarations of the program's objects; those with
 * another fate keep their definition. Returns false where the two cannot be told apart in text.
 */
export function declareData(
  unit: Unit,
  edit: ItemEditor,
  declaration: {
    readonly first: number;
    readonly last: number;
    readonly declarators: readonly { readonly declarator: Declarator; readonly fate: Fate }[];
  },
  sizeOf: (name: string) => number | null,
): boolean {
  const { first, last, declarators } = declaration;
  const references = declarators.filter(({ fate }) => fate.kind === "reference");
  if (references.length === 0) return true;
  const mixed = references.length < declarators.length;
  if (mixed) return false;
  const start = declarators[0]?.declarator.start ?? last;
  const specifiers = { first, specifiersEnd: start };
  const hasStatic = unit.tokens.slice(first, start).findIndex(({ text }) => text === "static");
  if (hasStatic >= 0) edit.replace(first + hasStatic, "extern");
  else edit.insertBefore(specifiers.first, "extern ");
  for (const { declarator, fate } of references) {
    if (fate.kind !== "reference") continue;
    const { initialiser, end, name, sizeless } = declarator;
    // A global's label is that of a pragma at the head.
    const label = fate.of.file === null ? "" : ` __asm__("${labelOf(fate.of)}")`;
    if (initialiser !== null) edit.remove(end, initialiser.last);
    edit.insertBefore(initialiser === null ? end : initialiser.last + 1, label);
    const size = sizeless ? sizeOf(name) : null;
    if (size !== null) {
      edit.append(` extern __typeof__(${name}[0]) ${name}[${size} / sizeof(${name}[0])];`);
    }
  }
  return true;
}

/** One declarator of a declaration, by itself, as text. */
export interface SeparateDeclarator {
  readonly specifiers: string;
  readonly declarator: string;
  /** With its `=`, or empty. */
  readonly initialiser: string;
}

/** Each declarator of a declaration; the first one brings the definition of its type. */
export function separated(unit: Unit, item: Item): readonly SeparateDeclarator[] {
  const { tokens } = unit;
  const whole = joined(tokens, item.first, item.specifiersEnd - 1);
  const again = whole.replace(/((?:struct|union|enum)\s+[A-Za-z_]\w*)\s*\{[\s\S]*\}/, "$1");
  return item.declarators.map(({ start, end, initialiser }, at) => ({
    specifiers: at === 0 ? whole : again,
    declarator: joined(tokens, start, end - 1),
    initialiser: initialiser === null ? "" : ` = ${joined(tokens, end + 1, initialiser.last)}`,
  }));
}
