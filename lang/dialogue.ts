/**
 * A script that is written while it runs: the inputs of a REPL. Each input is checked
 * like a file of its own that imports all earlier ones; what it declares anew hides
 * what they declared.
 */
import { resolve } from "node:path";
import type { Declaration, Item, Statement } from "./ast.js";
import type { CheckedScript } from "./check/checked.js";
import { checkScript } from "./check/check.js";
import { loadFiles, type ImportedFile, type LoadedFile } from "./check/imports.js";
import { hasErrors, type Diagnostic } from "./diagnostics/diagnostic.js";
import type { FileAccess } from "./files.js";
import { parse } from "./parse.js";
import { SourceFile, textOf } from "./source.js";
import { allStatements } from "./walk.js";

/** What diagnostics call the text that was typed. */
const inputName = "<input>";

export interface DialogueOptions {
  readonly files: FileAccess;
  /** Folder that `import "std/NAME"` reads from. */
  readonly stdlib: string;
}

export interface CheckedInput {
  /** Null if any of the diagnostics is an error; nothing of the input counts then. */
  readonly script: CheckedScript | null;
  readonly diagnostics: readonly Diagnostic[];
  /** Makes what the input declares part of the dialogue. */
  accept(): void;
  /** Its items as a script file would have them. */
  readonly written: readonly WrittenItem[];
}

/** An item of an input as the text of a script. */
export interface WrittenItem {
  readonly text: string;
  /** Of a declaration. */
  readonly declares?: string;
  /** Declares an update, or applies or rolls one back. */
  readonly update?: string;
}

export class Dialogue {
  private earlier: readonly ImportedFile[] = [];

  constructor(private readonly options: DialogueOptions) {}

  /** Whether a text lacks something at its end: a brace, a quote, an operand. */
  isIncomplete(text: string): boolean {
    return parse(new SourceFile(inputName, text), { interactive: true }).incomplete;
  }

  /** Recipes, constants and updates that an input would see, newest first. */
  declarations(): readonly Declaration[] {
    const items = this.earlier.toReversed().flatMap(({ file }) => file.script?.items ?? []);
    return items.filter(isDeclaration);
  }

  /** Checks what was typed. */
  input(text: string): CheckedInput {
    const path = resolve(inputName);
    return this.check(inputName, {
      ...this.options.files,
      read: (asked) =>
        asked === path
          ? { kind: "read", bytes: Buffer.from(text) }
          : this.options.files.read(asked),
    });
  }

  /** Checks a script file whose declarations and statements are to become part of the dialogue. */
  file(path: string): CheckedInput {
    return this.check(path, this.options.files);
  }

  private check(shown: string, files: FileAccess): CheckedInput {
    const diagnostics: Diagnostic[] = [];
    const options = { ...this.options, files, interactive: true };
    const loaded = loadFiles(shown, options, diagnostics);
    if (loaded === null || loaded.script === null) {
      return { script: null, diagnostics, accept: () => {}, written: [] };
    }
    const items = this.asStatements(loaded.script.items);
    const declared = items.flatMap((item) =>
      "name" in item && isDeclaration(item) ? [item.name.text] : [],
    );
    const visible = withoutNames(this.earlier, new Set(declared));
    const known = new Set(loaded.imports.map(({ file }) => file.path));
    const root: LoadedFile = {
      ...loaded,
      script: { ...loaded.script, items },
      imports: [
        ...loaded.imports,
        ...visible.filter(({ file }) => !known.has(file.path) || file.path === loaded.path),
      ],
      complete: loaded.complete,
    };
    const script = hasErrors(diagnostics)
      ? null
      : checkScript(root, { files, vars: [], interactive: true }, diagnostics);
    return {
      script,
      diagnostics: ofThis(diagnostics, root),
      written: loaded.script.items.flatMap(writtenItems),
      accept: () => {
        this.earlier = [...visible, ...accepted(root, loaded.imports)];
      },
    };
  }

  /** Bare expressions print; a recipe without a value just runs; a patch alone is applied. */
  private asStatements(items: readonly Item[]): readonly Item[] {
    const recipes = new Map(
      [...this.declarations().toReversed(), ...items].flatMap((item) =>
        item.kind === "recipe" ? [[item.name.text, item] as const] : [],
      ),
    );
    return items.flatMap((item): readonly Item[] => {
      if (item.kind === "call-statement") {
        return [{ kind: "print", span: item.span, values: [item.call] }];
      }
      if (item.kind === "update" && item.bare === true) {
        return [item, { kind: "apply", span: item.name.span, update: item.name }];
      }
      if (item.kind !== "expression-statement") return [item];
      const { expression, span } = item;
      const recipe =
        expression.kind === "invocation" ? recipes.get(expression.name.text) : undefined;
      if (
        expression.kind === "invocation" &&
        recipe !== undefined &&
        !hasValue(recipe.body.statements)
      ) {
        return [{ kind: "recipe-statement", span, invocation: expression }];
      }
      return [{ kind: "print", span, values: [expression] }];
    });
  }
}

/** What a script would say instead of what only the prompt takes. */
function writtenItems(item: Item): readonly WrittenItem[] {
  const text = textOf(item.span);
  switch (item.kind) {
    case "const":
    case "recipe":
      return [{ text, declares: item.name.text }];
    case "update": {
      const update = item.name.text;
      const own = { declares: update, update };
      if (item.bare !== true) return [{ ...own, text }];
      return [
        { ...own, text: `update ${update} {\n  ${text}\n}` },
        { text: `apply ${update}`, update },
      ];
    }
    case "apply":
    case "rollback":
      return [{ text, update: item.update.text }];
    case "expression-statement":
      return [{ text: `print ${text}` }];
    default:
      return [{ text }];
  }
}

function hasValue(statements: readonly Statement[]): boolean {
  return [...allStatements(statements)].some(
    (statement) => statement.kind === "return" && statement.value !== undefined,
  );
}

function isDeclaration(item: Item): item is Declaration {
  return ["import", "const", "recipe", "update"].includes(item.kind);
}

/** Earlier files without what the new input declares anew. */
function withoutNames(
  files: readonly ImportedFile[],
  names: ReadonlySet<string>,
): readonly ImportedFile[] {
  if (names.size === 0) return files;
  return files.map(({ declaration, file }) => {
    const items = (file.script?.items ?? []).filter(
      (item) => !isDeclaration(item) || item.kind === "import" || !names.has(item.name.text),
    );
    const script = file.script === null ? null : { ...file.script, items };
    return { declaration, file: { ...file, script } };
  });
}

/** The input as a file that later ones import, with what it imports itself; its statements are done. */
function accepted(root: LoadedFile, imports: readonly ImportedFile[]): readonly ImportedFile[] {
  const items = (root.script?.items ?? []).filter(isDeclaration);
  if (items.length === 0) return [];
  const span = root.source.span(0, 0);
  const path = { kind: "string", span, value: root.path } as const;
  const script = { kind: "script", span, items } as const;
  return [...imports, { declaration: { kind: "import", span, path }, file: { ...root, script } }];
}

/** Earlier inputs were told of when they were new. */
function ofThis(diagnostics: readonly Diagnostic[], root: LoadedFile): readonly Diagnostic[] {
  return diagnostics.filter(
    ({ severity, span }) => severity === "error" || span === undefined || span.file === root.source,
  );
}
