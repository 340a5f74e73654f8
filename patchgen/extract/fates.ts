/**
 * Decides what of a unit its patch holds: what is redirected or new, what that needs and the
 * program cannot give, and nothing else.
 */
import type { UnitSymbols } from "../model.js";
import { labelOf, type Fate, type ProgramObject } from "./fate.js";
import { staticLabel } from "./labels.js";
import type { ProgramSymbols } from "./program_symbols.js";
import type { Declared, StaticLocal, Unit } from "./unit.js";

export interface FateRequest {
  readonly unit: Unit;
  /** Functions of this unit that get a new version, with the name of its definition. */
  readonly redirected: ReadonlyMap<string, string>;
  /** Functions that changed, or lead to one that did, and that have no entry to redirect. */
  readonly renewed: ReadonlySet<string>;
  readonly program: ProgramSymbols;
  /** What the old unit defined, as it was built. */
  readonly oldSymbols: UnitSymbols;
}

export interface Fates {
  /** Of the names that the unit's own file defines. */
  readonly names: ReadonlyMap<string, Fate>;
  /** Of static variables in functions that the patch holds, by the token of their name. */
  readonly locals: ReadonlyMap<number, Fate>;
  /** Writable variables that begin anew in the patch, since the program's cannot be named. */
  readonly anew: readonly string[];
}

export function decideFates(request: FateRequest): Fates {
  return new Decision(request).run();
}

class Decision {
  private readonly names = new Map<string, Fate>();
  private readonly locals = new Map<number, Fate>();
  private readonly anew: string[] = [];
  private readonly file: string;

  constructor(private readonly request: FateRequest) {
    this.file = request.program.file(request.unit.name);
  }

  run(): Fates {
    const { unit, redirected, renewed } = this.request;
    for (const [name] of unit.functions) {
      const added = unit.functionChange(name)?.how === "added" && !unit.isStatic(name);
      // Other units' functions may call what an earlier patch defines.
      const held = renewed.has(name) && this.isHeld(name);
      if (redirected.has(name) || added || held) this.need(name);
    }
    for (const [name] of unit.data) {
      const how = unit.dataChange(name, null)?.how;
      const added = how === "added" && !unit.isStatic(name);
      if (added || how === "layout" || how === "grown") this.need(name);
    }
    for (const name of [...unit.functions.keys(), ...unit.data.keys()]) {
      if (!this.names.has(name)) this.names.set(name, { kind: "drop" });
    }
    return { names: this.names, locals: this.locals, anew: this.anew };
  }

  private need(name: string): void {
    if (this.names.has(name)) return;
    const { unit } = this.request;
    const definition = unit.functions.get(name);
    const data = unit.data.get(name);
    if (definition !== undefined) {
      const fate = this.functionFate(name, definition);
      this.names.set(name, fate);
      if (fate.kind === "reference") return;
      this.needAll(unit.namesIn(definition.item.first, definition.item.last));
      const occurrences = new Map<string, number>();
      for (const local of unit.staticLocals(definition.item)) {
        const { name: variable, at } = local.declarator;
        const before = occurrences.get(variable) ?? 0;
        occurrences.set(variable, before + 1);
        this.locals.set(at, this.localFate(name, local, before));
      }
    } else if (data !== undefined) {
      const fate = this.dataFate(name, data);
      this.names.set(name, fate);
      for (const { item, declarator } of data) {
        if (fate.kind === "keep") this.needAll(unit.namesIn(item.first, item.last));
        else this.needAll(unit.namesIn(declarator.start, declarator.end));
      }
    }
  }

  private needAll(names: ReadonlySet<string>): void {
    for (const name of names) this.need(name);
  }

  private functionFate(name: string, { item }: Declared): Fate {
    const { unit, redirected, renewed } = this.request;
    const change = unit.functionChange(name);
    const as = redirected.get(name);
    const object = this.programObject(name, "functions");
    // With other parameters the old name must go on taking the old ones: old code still calls it.
    if (change?.signature === true) return this.keptAnew(name);
    const held = this.isHeld(name);
    // An earlier patch's own function: who calls it is redirected instead.
    if ((change !== null || renewed.has(name)) && held) return this.keptAnew(name);
    if (as !== undefined && object !== null && !held) return { kind: "replace", of: object, as };
    if (change !== null) return change.how === "added" ? this.keptAnew(name) : kept;
    const always = unit.namesIn(item.first, item.body ?? item.last);
    const inlined = ["always_inline", "__always_inline__"].some((word) => always.has(word));
    return object === null || inlined ? kept : { kind: "reference", of: object };
  }

  private isHeld(name: string): boolean {
    const object = this.programObject(name, "functions");
    return object !== null && this.request.program.isHeld(labelOf(object));
  }

  private dataFate(name: string, declared: readonly Declared[]): Fate {
    const { unit } = this.request;
    const change = unit.dataChange(name, null);
    if (change?.how === "layout" || change?.how === "grown") return this.keptAnew(name);
    if (change?.how === "initialiser" && change.readOnly) return this.keptAnew(name);
    const object = this.programObject(name, "data");
    if (object !== null && !declared.some((one) => this.isConstant(one))) {
      return { kind: "reference", of: object };
    }
    if (change?.how === "added") return this.keptAnew(name);
    const old = this.request.oldSymbols.data.find((d) => d.name === name && d.function === null);
    if (old !== undefined && !old.readOnly) this.anew.push(name);
    return kept;
  }

  /** A scalar constant: the compiler must see its value. */
  private isConstant({ item, declarator }: Declared): boolean {
    const { tokens } = this.request.unit;
    const words = tokens.slice(item.first, item.specifiersEnd).map(({ text }) => text);
    return (
      item.storage.static &&
      declarator.initialiser !== null &&
      declarator.start === declarator.at &&
      tokens[declarator.at + 1]?.text !== "[" &&
      words.includes("const") &&
      !words.some((word) => word === "struct" || word === "union" || word === "volatile")
    );
  }

  private localFate(host: string, local: StaticLocal, occurrence: number): Fate {
    const { unit, program, oldSymbols } = this.request;
    const { name, initialiser, start } = local.declarator;
    const own = `${name}.${host}`;
    const label = staticLabel(own, this.file);
    const change = unit.dataChange(name, host);
    const added = change?.how === "added" || unit.functionChange(host)?.how === "added";
    const renewed = change?.how === "initialiser" && change.readOnly;
    if (renewed || change?.how === "layout" || change?.how === "grown")
      return { kind: "keep", label };
    if (program.hasStatic(own, unit.name)) {
      return { kind: "reference", of: { name: own, file: this.file } };
    }
    const symbols =
      program.staticLocals(host, name, unit.name) ??
      oldSymbols.data.filter((d) => d.function === host && d.name === name).map((d) => d.symbol);
    const symbol = symbols[occurrence];
    if (!added && symbol !== undefined && program.hasStatic(symbol, unit.name)) {
      return { kind: "reference", of: { name: symbol, file: this.file } };
    }
    const words = unit.tokens.slice(local.first, start).map(({ text }) => text);
    const writable = !words.includes("const") || initialiser === null;
    if (!added && writable && symbols.length > 0) this.anew.push(`${host}::${name}`);
    return { kind: "keep", label };
  }

  private keptAnew(name: string): Fate {
    const isStatic = this.request.unit.isStatic(name);
    return { kind: "keep", label: isStatic ? staticLabel(name, this.file) : null };
  }

  /** The program's object of that name, by the linkage that it has there; `null` if it has none. */
  private programObject(name: string, kind: keyof UnitSymbols): ProgramObject | null {
    const { unit, program, oldSymbols } = this.request;
    const old = oldSymbols[kind].find((symbol) => symbol.name === name);
    const isStatic = old?.static ?? unit.isStatic(name);
    const there = isStatic ? program.hasStatic(name, unit.name) : program.hasGlobal(name);
    if (there) return { name, file: isStatic ? this.file : null };
    return null;
  }
}

const kept: Fate = { kind: "keep", label: null };
