/** What a file declares and what it sees: its own declarations and those of its imports. */
import type {
  ConstDeclaration,
  Declaration,
  Name,
  RecipeDeclaration,
  UpdateDeclaration,
} from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import type { Diagnostic } from "../diagnostics/diagnostic.js";
import { builtins } from "../builtins.js";
import { statementKeywords } from "../keywords.js";
import type { LoadedFile } from "./imports.js";

type Named = ConstDeclaration | RecipeDeclaration | UpdateDeclaration;

export interface Scope {
  readonly constants: ReadonlyMap<string, ConstDeclaration>;
  readonly recipes: ReadonlyMap<string, RecipeDeclaration>;
  readonly updates: ReadonlyMap<string, UpdateDeclaration>;
  /** False if an import failed: a name that is not here may have been there. */
  readonly complete: boolean;
}

/** Names of the script's own variables at a place: those of its block, and of the blocks around it. */
export class Names {
  readonly #own: Set<string>;

  constructor(
    private readonly around?: Names,
    own: Iterable<string> = [],
  ) {
    this.#own = new Set(own);
  }

  add(name: string): void {
    this.#own.add(name);
  }

  has(name: string): boolean {
    return this.#own.has(name) || this.around?.has(name) === true;
  }
}

/** Words that are values wherever an expression stands. */
export const valueWords: ReadonlySet<string> = new Set(["NULL", "true", "false"]);

/** Builds a file's scope; reports doubles and names that nothing can have. */
export function fileScope(file: LoadedFile, diagnostics: Diagnostic[]): Scope {
  const scope = {
    constants: new Map<string, ConstDeclaration>(),
    recipes: new Map<string, RecipeDeclaration>(),
    updates: new Map<string, UpdateDeclaration>(),
    complete: file.complete,
  };
  const add = (declaration: Named): void => {
    switch (declaration.kind) {
      case "const":
        addTo(scope.constants, declaration, "constant", diagnostics);
        break;
      case "recipe":
        addTo(scope.recipes, declaration, "recipe", diagnostics);
        break;
      case "update":
        addTo(scope.updates, declaration, "update", diagnostics);
        break;
    }
  };
  // Imports first: where a name is there twice, the script's own is the one to change.
  for (const { file: imported } of file.imports) declarationsOf(imported).forEach(add);
  for (const declaration of declarationsOf(file)) {
    add(declaration);
    refuseReserved(declaration, diagnostics);
  }
  return scope;
}

function declarationsOf(file: LoadedFile): readonly Named[] {
  const isNamed = (item: {
    readonly kind: string;
  }): item is Exclude<Declaration, { kind: "import" }> =>
    item.kind === "const" || item.kind === "recipe" || item.kind === "update";
  return (file.script?.items ?? []).filter(isNamed);
}

function addTo<T extends Named>(
  map: Map<string, T>,
  declaration: T,
  what: string,
  diagnostics: Diagnostic[],
): void {
  const { name } = declaration;
  const first = map.get(name.text);
  if (first === undefined) map.set(name.text, declaration);
  else diagnostics.push(duplicate(what, name, first.name));
}

/** "declared twice", pointing at the second and noting the first. */
export function duplicate(what: string, second: Name, first: Name): Diagnostic {
  const notes = [{ message: "it is first declared here", span: first.span }];
  return diagnose("duplicate", second.span, { what, name: second.text }, { notes });
}

function refuseReserved(declaration: Named, diagnostics: Diagnostic[]): void {
  const { name, kind } = declaration;
  const refuse = (reason: string): void => {
    diagnostics.push(diagnose("reserved-name", name.span, { name: name.text, reason }));
  };
  if (kind === "recipe" && statementKeywords.has(name.text)) {
    refuse("a statement begins with this word");
  } else if (kind === "recipe" && builtins.has(name.text)) {
    refuse("a built-in function has this name");
  } else if (kind === "const" && valueWords.has(name.text)) {
    refuse("it is a value");
  }
}

/** Refuses a variable or parameter named like a value. */
export function refuseValueWord(name: Name, diagnostics: Diagnostic[]): void {
  if (!valueWords.has(name.text)) return;
  diagnostics.push(
    diagnose("reserved-name", name.span, { name: name.text, reason: "it is a value" }),
  );
}
