/** From parsed files to a checked script: every pass in its order. */
import { dirname } from "node:path";
import type { Expression, Item, Statement, UpdateDeclaration } from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import { hasErrors, type Diagnostic } from "../diagnostics/diagnostic.js";
import type { FileAccess } from "../files.js";
import { firstWord } from "../source.js";
import { allStatements } from "../walk.js";
import type {
  CheckedScript,
  CheckedStatement,
  CheckedUpdate,
  ConstantValue,
  Located,
  ScriptFile,
} from "./checked.js";
import { applyOverrides, Constants } from "./constants.js";
import type { LoadedFile } from "./imports.js";
import { checkNames } from "./names.js";
import { fileScope, type Scope } from "./scope.js";
import { checkSupported, refuseExpressions } from "./supported.js";
import { checkUpdate } from "./updates.js";

export interface CheckOptions {
  readonly files: FileAccess;
  /** `--var` options, each `NAME=VALUE`. */
  readonly vars: readonly string[];
}

/**
 * Checks a loaded script.
 * @returns null if an error was added to `diagnostics` (or was there before)
 */
export function checkScript(
  root: LoadedFile,
  options: CheckOptions,
  diagnostics: Diagnostic[],
): CheckedScript | null {
  const files = allFiles(root);
  const constants = new Constants(diagnostics);
  const scopes = new Map<LoadedFile, Scope>();
  for (const file of files) {
    const scope = fileScope(file, diagnostics);
    scopes.set(file, scope);
    constants.addScope(file, scope);
  }
  const rootScope = scopes.get(root) ?? fileScope(root, []);
  applyOverrides(options.vars, rootScope, constants);

  const updates = new Map<UpdateDeclaration, CheckedUpdate>();
  for (const file of files) {
    const scope = scopes.get(file);
    if (scope === undefined) continue;
    for (const item of itemsOf(file)) {
      if (item.kind === "const") constants.valueOf(item);
      else if (item.kind === "update") {
        const folder = dirname(file.path);
        updates.set(item, checkUpdate(item, { ...options, folder, constants, diagnostics }));
      } else if (file !== root && isStatement(item)) {
        diagnostics.push(diagnose("statement-in-import", firstWord(item.span), undefined));
      }
    }
    checkNames(file, scope, diagnostics);
    const notes = file === root ? [] : importNotes(root, file);
    checkSupported(itemsOf(file), scope, diagnostics, notes);
  }

  const ownStatements = itemsOf(root).filter(isStatement);
  checkApplied(root, rootScope, ownStatements, diagnostics);
  const own = itemsOf(root).flatMap((item) => (item.kind === "update" ? item : []));
  const idle = own.length + ownStatements.length + root.imports.length === 0;
  if (idle && !hasErrors(diagnostics)) {
    diagnostics.push(diagnose("nothing-to-do", root.source.span(0, 0), undefined));
  }
  const resolved = new Resolver(rootScope, updates, constants).statements(ownStatements);
  if (hasErrors(diagnostics)) return null;
  const imported = [...rootScope.updates.values()].filter((update) => !own.includes(update));
  const checkedOf = (list: readonly UpdateDeclaration[]): CheckedUpdate[] =>
    list.flatMap((update) => updates.get(update) ?? []);
  return {
    source: root.source,
    path: root.path,
    digest: root.digest,
    files: files.map(({ source, path, digest }): ScriptFile => ({ source, path, digest })),
    updates: checkedOf(own),
    importedUpdates: checkedOf(imported),
    constants: constantValues(rootScope, constants),
    statements: resolved,
  };
}

/** The script first, then what it imports, each once. */
function allFiles(root: LoadedFile): readonly LoadedFile[] {
  const files = new Set<LoadedFile>();
  const visit = (file: LoadedFile): void => {
    if (files.has(file)) return;
    files.add(file);
    for (const { file: imported } of file.imports) visit(imported);
  };
  visit(root);
  return [...files];
}

function itemsOf(file: LoadedFile): readonly Item[] {
  return file.script?.items ?? [];
}

function isStatement(item: Item): item is Statement {
  switch (item.kind) {
    case "import":
    case "const":
    case "recipe":
    case "update":
      return false;
    default:
      return true;
  }
}

/** Where the script imports a file, if it does so itself. */
function importNotes(root: LoadedFile, file: LoadedFile) {
  return root.imports
    .filter((imported) => imported.file === file)
    .map(({ declaration }) => ({ message: "it is imported here", span: declaration.span }));
}

/** A script that decides by itself applies all of its updates somewhere. */
function checkApplied(
  root: LoadedFile,
  scope: Scope,
  statements: readonly Statement[],
  diagnostics: Diagnostic[],
): void {
  const applied = new Set<string>();
  const bodies = itemsOf(root).flatMap((item) =>
    item.kind === "recipe" ? item.body.statements : [],
  );
  for (const statement of allStatements([...statements, ...bodies])) {
    if (statement.kind === "apply") applied.add(statement.update.text);
  }
  for (const [name, update] of scope.updates) {
    if (applied.has(name)) continue;
    const { span } = update.name;
    const own = span.file === root.source;
    if (own && statements.length > 0) {
      diagnostics.push(
        diagnose("unapplied-update", span, { name }, { suggestion: `add \`apply ${name}\`` }),
      );
    } else if (!own) {
      const place = root.imports.find(({ file }) => file.source === span.file);
      const at = place?.declaration.path.span ?? span;
      diagnostics.push(
        diagnose("unused-import", at, { name }, { suggestion: `add \`apply ${name}\`` }),
      );
    }
  }
}

function constantValues(scope: Scope, constants: Constants): ReadonlyMap<string, ConstantValue> {
  const values = new Map<string, ConstantValue>();
  for (const [name, declaration] of scope.constants) {
    const value = constants.valueOf(declaration);
    if (value !== null) values.set(name, value);
  }
  return values;
}

/** Statements with their names resolved; those that are refused anyway are left out. */
class Resolver {
  constructor(
    readonly scope: Scope,
    readonly updates: ReadonlyMap<UpdateDeclaration, CheckedUpdate>,
    readonly constants: Constants,
  ) {}

  statements(statements: readonly Statement[]): readonly CheckedStatement[] {
    return statements.flatMap((statement) => this.#statement(statement) ?? []);
  }

  #statement(statement: Statement): CheckedStatement | undefined {
    switch (statement.kind) {
      case "apply": {
        const update = this.#update(statement.update.text);
        if (update === undefined) return undefined;
        const { span } = statement;
        return { kind: "apply", update, nameSpan: statement.update.span, span };
      }
      case "rollback": {
        const update = this.#update(statement.update.text);
        const point = update?.points.find(({ name }) => name === statement.point.text);
        if (update === undefined || point === undefined) return undefined;
        const { span } = statement;
        const nameSpan = span.file.span(statement.update.span.start, statement.point.span.end);
        return { kind: "rollback", update, point, nameSpan, span };
      }
      case "print": {
        const values = statement.values.flatMap((part): readonly Located<ConstantValue>[] => {
          // What is no constant was refused as "not supported yet"; one message is enough.
          if (!isConstant(part, this.scope)) return [];
          const value = this.constants.evaluate(part);
          return value === null ? [] : [{ value, span: part.span }];
        });
        return { kind: "print", values, node: statement, span: statement.span };
      }
      default:
        return undefined;
    }
  }

  #update(name: string): CheckedUpdate | undefined {
    const declaration = this.scope.updates.get(name);
    return declaration === undefined ? undefined : this.updates.get(declaration);
  }
}

function isConstant(expression: Expression, scope: Scope): boolean {
  let constant = true;
  refuseExpressions(expression, scope, () => {
    constant = false;
  });
  return constant;
}
