/**
 * Declarations for C that is typed in: of the types, variables and functions of the running program that the
 * text speaks of and does not declare itself. Made from the debug information, in an order that C accepts.
 */
import type { CType, Entity, ProgramNames, StructType } from "../../native/engine.js";
import { EngineError } from "../../native/engine.js";
import { declarationWithBody, definitionText } from "./c_definitions.js";

const tags = ["struct", "union", "enum"] as const;
type Tag = (typeof tags)[number];

/** Text without comments, strings, characters and the compiler's own lines. */
function bare(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, " ")
    .replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, " ")
    .replace(/^[ \t]*#.*$/gm, " ");
}

/** What the text defines or declares by itself: identifiers, and tags with a body as `struct NAME`. */
function ownNames(text: string): ReadonlySet<string> {
  const own = new Set<string>();
  const patterns = [
    /\b(\w+)\s*\([^;{}]*\)\s*\{/g,
    /\b(?:extern|static)\b[^;={(]*?\b(\w+)\s*(?:\[[^\]]*\]\s*)*(?:POLUS_\w+|__asm__|__attribute__|[;=(])/g,
    /\btypedef\b[^;]*\b(\w+)\s*;/g,
  ];
  for (const pattern of patterns) {
    for (const [, name = ""] of text.matchAll(pattern)) own.add(name);
  }
  for (const [, word = "", tag = ""] of text.matchAll(/\b(struct|union|enum)\s+(\w+)\s*\{/g)) {
    own.add(`${word} ${tag}`);
  }
  return own;
}

class Header {
  readonly #lines: string[] = [];
  readonly #done = new Set<string>();

  constructor(private readonly own: ReadonlySet<string>) {}

  get text(): string {
    return this.#lines.map((line) => `${line}\n`).join("");
  }

  declare(entity: Entity): void {
    if (entity.kind === "enumerator" || entity.type === null) return;
    this.need(entity.type, entity.kind === "variable");
    this.#lines.push(`extern ${declarationWithBody(entity.type, entity.name)};`);
  }

  /** Makes a type known; `complete`: its members too. */
  need(type: CType, complete: boolean): void {
    switch (type.kind) {
      case "pointer":
        return this.need(type.target, false);
      case "array":
        return this.need(type.element, true);
      case "qualified":
        return this.need(type.type, complete);
      case "function":
        this.need(type.result, false);
        for (const { type: parameter } of type.parameters) this.need(parameter, false);
        return;
      case "typedef":
        this.need(type.type, complete);
        return this.once(`typedef ${type.name}`, type.name, () => definitionText(type, false));
      case "enum":
        if (type.tag === null) return;
        return this.once(`enum ${type.tag}`, `enum ${type.tag}`, () => definitionText(type, false));
      case "struct":
        return this.struct(type, complete);
      default:
        return;
    }
  }

  private struct(type: StructType, complete: boolean): void {
    const word = type.union ? "union" : "struct";
    if (type.tag === null) {
      for (const { type: member } of type.members) this.need(member, true);
      return;
    }
    const name = `${word} ${type.tag}`;
    this.once(`declared ${name}`, name, () => `${name};`);
    if (!complete || type.size === null || this.#done.has(name) || this.own.has(name)) return;
    this.#done.add(name);
    for (const { type: member } of type.members) this.need(member, true);
    this.#lines.push(definitionText(type, false));
  }

  private once(key: string, name: string, text: () => string): void {
    if (this.#done.has(key) || this.own.has(name)) return;
    this.#done.add(key);
    this.#lines.push(text());
  }
}

function typeOf(names: ProgramNames, kind: Tag | "typedef", name: string): CType | null {
  const type = names.type({ kind, name });
  return type?.kind === "struct" && type.size === null ? null : type;
}

/** The program's own variable or function; not what libraries define, which have headers. */
function entityOf(names: ProgramNames, exe: string, name: string): Entity | null {
  try {
    const entity = names.entity({ name });
    return entity.kind !== "enumerator" && entity.module === exe ? entity : null;
  } catch (error) {
    if (error instanceof EngineError) return null;
    throw error;
  }
}

/**
 * Empty if the text needs nothing that the program's debug information knows.
 * @param exe the executable, as entities name their module
 */
export function targetHeader(source: string, names: ProgramNames, exe: string): string {
  const text = bare(source);
  const own = ownNames(text);
  const header = new Header(own);
  const seen = new Set<string>();
  for (const [, tag = "", name = ""] of text.matchAll(
    /\b(?:(struct|union|enum)\s+)?([A-Za-z_]\w*)/g,
  )) {
    const key = `${tag} ${name}`;
    if (seen.has(key) || own.has(tag === "" ? name : key)) continue;
    seen.add(key);
    const kind = tags.find((one) => one === tag) ?? "typedef";
    const type = typeOf(names, kind, name);
    if (type !== null) header.need(type, true);
    else if (kind === "typedef") {
      const entity = entityOf(names, exe, name);
      if (entity !== null) header.declare(entity);
    }
  }
  return header.text;
}
