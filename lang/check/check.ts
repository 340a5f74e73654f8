/** From parsed files to a checked script: every pass in its order. */
import { dirname } from "node:path";
import type {
  Expression,
  InvocationExpression,
  Item,
  Statement,
  UpdateDeclaration,
} from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import { hasErrors, type Diagnostic } from "../diagnostics/diagnostic.js";
import { probedOnce, type FileAccess } from "../files.js";
import { firstWord, type SourceFile } from "../source.js";
import { allStatements, statementExpressions } from "../walk.js";
import type {
  CheckedRecipe,
  CheckedScope,
  CheckedScript,
  CheckedUpdate,
  ConstantValue,
  ScriptFile,
} from "./checked.js";
import { applyOverrides, Constants } from "./constants.js";
import type { LoadedFile } from "./imports.js";
import { checkNames } from "./names.js";
import { eachInvocation, plainName, RecipeFacts } from "./recipes.js";
import { fileScope, type Scope } from "./scope.js";
import { checkUpdate } from "./updates.js";

export interface CheckOptions {
  readonly files: FileAccess;
  /** `--var` options, each `NAME=VALUE`. */
  readonly vars: readonly string[];
  /** An input of the REPL: it need not do anything with what it declares. */
  readonly interactive?: boolean;
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

  const checkedScopes = new CheckedScopes();
  const bySource = new Map([...scopes].map(([file, scope]) => [file.source, scope]));
  const recipes = new RecipeFacts(bySource);
  const values = new Map<Expression, ConstantValue>();
  const updates = new Map<UpdateDeclaration, CheckedUpdate>();
  const access = probedOnce(options.files);
  for (const file of files) {
    const scope = scopes.get(file);
    if (scope === undefined) continue;
    const context = {
      files: access,
      folder: dirname(file.path),
      constants,
      scope: checkedScopes.of(file.source),
      diagnostics,
    };
    for (const item of itemsOf(file)) {
      if (item.kind === "const") constants.valueOf(item);
      else if (item.kind === "update") updates.set(item, checkUpdate(item, context));
      else if (file !== root && isStatement(item)) {
        diagnostics.push(diagnose("statement-in-import", firstWord(item.span), undefined));
      }
    }
    checkNames(file, { scope, constants, recipes, values, diagnostics });
  }

  const ownStatements = itemsOf(root).filter(isStatement);
  const { interactive = false } = options;
  if (!interactive) checkApplied(root, rootScope, recipes, ownStatements, diagnostics);
  const declares = (item: Item): boolean => item.kind !== "const";
  if (!interactive && !itemsOf(root).some(declares) && !hasErrors(diagnostics)) {
    diagnostics.push(diagnose("nothing-to-do", root.source.span(0, 0), undefined));
  }
  if (hasErrors(diagnostics)) return null;
  for (const [file, scope] of scopes) checkedScopes.fill(file.source, scope, constants, updates);
  const own = itemsOf(root).flatMap((item) => (item.kind === "update" ? item : []));
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
    scope: checkedScopes.of(root.source),
    statements: ownStatements,
    constantValues: values,
  };
}

interface OpenScope extends CheckedScope {
  readonly constants: Map<string, ConstantValue>;
  readonly recipes: Map<string, CheckedRecipe>;
  readonly updates: Map<string, CheckedUpdate>;
}

/** What each file sees; updates and recipes hold the scope of their file, so that it is made first. */
class CheckedScopes {
  readonly #scopes = new Map<SourceFile, OpenScope>();

  of(source: SourceFile): OpenScope {
    const known = this.#scopes.get(source);
    if (known !== undefined) return known;
    const made = { source, constants: new Map(), recipes: new Map(), updates: new Map() };
    this.#scopes.set(source, made);
    return made;
  }

  fill(
    source: SourceFile,
    scope: Scope,
    constants: Constants,
    updates: ReadonlyMap<UpdateDeclaration, CheckedUpdate>,
  ): void {
    const open = this.of(source);
    for (const [name, declaration] of scope.constants) {
      const value = constants.valueOf(declaration);
      if (value !== null) open.constants.set(name, value);
    }
    for (const [name, declaration] of scope.recipes) {
      open.recipes.set(name, {
        name,
        parameters: declaration.parameters.map(({ text }) => text),
        declaration,
        scope: this.of(declaration.span.file),
      });
    }
    for (const [name, declaration] of scope.updates) {
      const update = updates.get(declaration);
      if (update !== undefined) open.updates.set(name, update);
    }
  }
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

/** A script that decides by itself applies all of its updates somewhere. */
function checkApplied(
  root: LoadedFile,
  scope: Scope,
  recipes: RecipeFacts,
  statements: readonly Statement[],
  diagnostics: Diagnostic[],
): void {
  const applied = new Set<string>();
  const appliers = [...scope.recipes.values()].some((one) => recipes.of(one).updates.size > 0);
  const call = (invocation: InvocationExpression): void => {
    const recipe = scope.recipes.get(invocation.name.text);
    if (recipe === undefined) return;
    for (const [parameter, uses] of recipes.of(recipe).updates) {
      const index = recipe.parameters.findIndex(({ text }) => text === parameter);
      const argument = invocation.arguments[index];
      const name = argument === undefined ? undefined : plainName(argument);
      if (name !== undefined && uses.some(({ kind }) => kind === "apply")) applied.add(name);
    }
  };
  const bodies = itemsOf(root).flatMap((item) =>
    item.kind === "recipe" ? item.body.statements : [],
  );
  for (const statement of allStatements([...statements, ...bodies])) {
    if (statement.kind === "apply") applied.add(statement.update.text);
    if (!appliers) continue;
    for (const expression of statementExpressions(statement)) eachInvocation(expression, call);
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
