/** What becomes of one top-level item of a unit in its patch. */
import { adoptAllocations } from "./allocations.js";
import { ItemEditor } from "./edits.js";
import { callDirectly, entryText, lookedUp } from "./entries.js";
import { labelOf, type Fate } from "./fate.js";
import type { Fates } from "./fates.js";
import type { Item } from "./items.js";
import {
  declarationBefore,
  declareData,
  declareFunction,
  dropInline,
  dropWords,
  makeExternal,
  separated,
  weakref,
} from "./references.js";
import { shadowFields } from "./shadow_fields.js";
import { closingToken } from "./token_walk.js";
import type { StaticLocal, Unit } from "./unit.js";
import type { UnitObjects } from "./unit_objects.js";

export type Rendering =
  | { readonly kind: "leave" }
  | { readonly kind: "remove" }
  /** `prefix` comes before the item. */
  | { readonly kind: "edit"; readonly edit: ItemEditor; readonly prefix: string }
  | { readonly kind: "text"; readonly text: string };

const leave: Rendering = { kind: "leave" };
const remove: Rendering = { kind: "remove" };

export class ItemRenderer {
  constructor(
    private readonly unit: Unit,
    private readonly fates: Fates,
    /** Bytes of an object of the program, by name and the function that it is in. */
    private readonly sizeOf: (name: string, host: string | null) => number | null,
    private readonly objects: UnitObjects,
  ) {}

  render(item: Item): Rendering {
    if (item.kind === "other") {
      const start = this.unit.tokens[item.first]?.text ?? "";
      return /^(asm|__asm|__asm__)$/.test(start) ? remove : leave;
    }
    if (item.kind === "function") return this.function(item);
    if (item.storage.typedef || item.declarators.length === 0) return leave;
    if (item.declarators.every(({ isFunction }) => isFunction)) return this.prototype(item);
    return item.storage.extern ? leave : this.data(item);
  }

  private fateOf(name: string): Fate | null {
    return this.fates.names.get(name) ?? null;
  }

  private function(item: Item): Rendering {
    const [declarator] = item.declarators;
    if (declarator === undefined) return leave;
    const { name } = declarator;
    const fate = this.fateOf(name);
    const declared = { item, declarator };
    const before = this.unit.prototypes.get(name);
    const isDeclared = before !== undefined && before.item.first < item.first;
    const isStatic = this.unit.isStatic(name);
    const edit = new ItemEditor();
    switch (fate?.kind) {
      case "drop":
        return remove;
      case "reference":
        if (isDeclared) return remove;
        declareFunction(this.unit, edit, declared, fate.of, isStatic);
        return { kind: "edit", edit, prefix: "" };
      case "replace": {
        edit.replace(declarator.at, fate.as);
        makeExternal(this.unit, edit, item);
        this.localsOf(item, edit);
        const head = isDeclared ? "" : declarationBefore(this.unit, declared, fate.of, isStatic);
        const prefix = head + this.objectsOf(item, edit);
        const entry = this.objects.own.get(name);
        if (entry !== undefined) {
          const looked = lookedUp(entry, this.objects.identifier);
          if (looked !== "") edit.insertBefore((item.body ?? item.last) + 1, looked);
          edit.append(entryText(this.unit, declared, entry, this.objects));
        }
        return { kind: "edit", edit, prefix };
      }
      default: {
        this.localsOf(item, edit);
        const prefix = this.objectsOf(item, edit);
        return edit.isEmpty() ? leave : { kind: "edit", edit, prefix };
      }
    }
  }

  /** What a function does with objects of which there are two versions; declarations for it. */
  private objectsOf(item: Item, edit: ItemEditor): string {
    adoptAllocations(this.unit, item, edit, this.objects.adopted);
    shadowFields(this.unit, item, edit, this.objects.shadowed);
    return callDirectly(this.unit, item, edit, this.objects.entries);
  }

  private prototype(item: Item): Rendering {
    const edit = new ItemEditor();
    let edited = false;
    const own = item.declarators.map(({ name }) => ({ name, fate: this.fateOf(name) }));
    if (own.every(({ name, fate }) => fate?.kind === "drop" && this.unit.isStatic(name))) {
      return remove;
    }
    for (const { name, end } of item.declarators) {
      const fate = this.fateOf(name);
      if (fate === null) edited = this.withoutAlias(item, edit) || edited;
      if (fate === null || fate.kind === "keep" || fate.kind === "drop") continue;
      if (!this.unit.isStatic(name) || this.unit.prototypes.get(name)?.item !== item) continue;
      edit.insertBefore(end, weakref(fate.of));
      edited = true;
    }
    if (!edited) return leave;
    dropInline(this.unit, edit, item);
    return { kind: "edit", edit, prefix: "" };
  }

  /**
   * The program has what `alias("f")` declares, unless the patch defines `f` itself: then the
   * declaration is all that is left. Returns whether there was one.
   */
  private withoutAlias({ first, last }: Item, edit: ItemEditor): boolean {
    const { tokens } = this.unit;
    let found = false;
    for (let at = first; at + 2 < last; at++) {
      if (!/^(__)?alias(__)?$/.test(tokens[at]?.text ?? "")) continue;
      const target = /^"(.*)"$/.exec(tokens[at + 2]?.text ?? "")?.[1];
      if (target === undefined || this.fateOf(target)?.kind === "keep") continue;
      edit.remove(at, closingToken(tokens, at + 1));
      found = true;
    }
    return found;
  }

  private data(item: Item): Rendering {
    const declarators = item.declarators.map((declarator) => ({
      declarator,
      fate: this.fateOf(declarator.name) ?? ({ kind: "keep", label: null } as const),
    }));
    const edit = new ItemEditor();
    if (declarators.every(({ fate }) => fate.kind === "drop")) {
      if (!item.definesType) return remove;
      // The type may be all that is needed.
      edit.remove(item.specifiersEnd, item.last - 1);
      dropWords(this.unit, edit, item, new Set(["static"]));
      return { kind: "edit", edit, prefix: "" };
    }
    if (declarators.every(({ fate }) => fate.kind === "keep")) return leave;
    const size = (name: string): number | null => this.sizeOf(name, null);
    if (declareData(this.unit, edit, { ...item, declarators }, size)) {
      return { kind: "edit", edit, prefix: "" };
    }
    return { kind: "text", text: this.mixed(item) };
  }

  /** Some of the objects are the patch's own, others the program's, others unneeded. */
  private mixed(item: Item): string {
    const lines = separated(this.unit, item).map((one, at) => {
      const fate = this.fateOf(item.declarators[at]?.name ?? "");
      if (fate === null || fate.kind === "keep") {
        return `${one.specifiers} ${one.declarator}${one.initialiser};`;
      }
      // The first one may define the type.
      if (fate.kind === "drop" && at > 0) return "";
      const specifiers = one.specifiers.replace(/\bstatic\b ?/, "");
      const isLabelled = fate.kind === "reference" && fate.of.file !== null;
      const label = isLabelled ? ` __asm__("${labelOf(fate.of)}")` : "";
      return `extern ${specifiers} ${one.declarator}${label};`;
    });
    return lines.filter((line) => line !== "").join("\n");
  }

  /** `extern` in two blocks means one object for C: such names need to differ. */
  private isAmbiguous(name: string): boolean {
    const { functions, data, prototypes, tokens } = this.unit;
    const same = [...this.fates.locals.keys()].filter((at) => tokens[at]?.text === name);
    return same.length > 1 || functions.has(name) || data.has(name) || prototypes.has(name);
  }

  /** Static variables within a function. */
  private localsOf(item: Item, edit: ItemEditor): void {
    const [host] = item.declarators;
    const declarations = new Map<number, StaticLocal[]>();
    for (const local of this.unit.staticLocals(item)) {
      declarations.set(local.first, [...(declarations.get(local.first) ?? []), local]);
    }
    for (const [first, locals] of declarations) {
      const last = locals[0]?.last ?? first;
      const declarators = locals.map(({ declarator }) => ({
        declarator,
        fate: this.fates.locals.get(declarator.at) ?? ({ kind: "keep", label: null } as const),
      }));
      const part = new ItemEditor();
      const size = (name: string): number | null => this.sizeOf(name, host?.name ?? null);
      if (!declareData(this.unit, part, { first, last, declarators }, size)) {
        edit.insertBefore(first, "/* MANUAL: declare these one by one. */\n#error MANUAL\n");
        continue;
      }
      for (const { declarator, fate } of declarators) {
        if (fate.kind === "reference" && this.isAmbiguous(declarator.name)) {
          const own = `${declarator.name}__${host?.name ?? ""}`;
          renameIn(this.unit, item, declarator.name, own, edit);
          part.suffix = part.suffix.replaceAll(declarator.name, own);
        }
      }
      for (const [at, text] of part.replaced) edit.replace(at, text);
      for (const [at, text] of part.before) edit.insertBefore(at, text);
      for (const range of part.removed) edit.remove(range.first, range.last);
      if (part.suffix !== "") edit.insertBefore(last + 1, `${part.suffix.trim()} `);
      for (const { declarator, fate } of declarators) {
        if (fate.kind !== "keep" || fate.label === null) continue;
        const text = `__asm__("${fate.label}") __attribute__((used))`;
        const blank = declarator.initialiser === null;
        edit.insertBefore(declarator.end, blank ? ` ${text}` : `${text} `);
        edit.append(`\n__asm__(".globl \\"${fate.label}\\"");`);
      }
    }
  }
}

/** Gives a variable another name throughout a function's body; members of that name keep theirs. */
function renameIn(unit: Unit, item: Item, name: string, as: string, edit: ItemEditor): void {
  for (let at = item.body ?? item.last; at <= item.last; at++) {
    const before = unit.tokens[at - 1]?.text;
    if (unit.tokens[at]?.text === name && before !== "." && before !== "->") edit.replace(at, as);
  }
}
