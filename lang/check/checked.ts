/**
 * What the checker hands on: a script in which every name is resolved, every
 * constant has a value and every path is absolute. Nothing here needs a target.
 * Spans of all names stay, so that a later refusal by the engine can point at
 * the very word in the script.
 */
import type {
  Block,
  Expression,
  IntegerType,
  RecipeDeclaration,
  Statement,
  StringLiteral,
  UpdateDeclaration,
} from "../ast.js";
import type { SourceFile, Span } from "../source.js";

/** A word or text of the script and where it stands. */
export interface Located<T> {
  readonly value: T;
  readonly span: Span;
}

/** The value of a constant expression. */
export type ConstantValue =
  | { readonly kind: "integer"; readonly value: bigint; readonly type: IntegerType }
  | {
      readonly kind: "float";
      readonly value: number;
      readonly type: "float" | "double" | "long double";
    }
  | Pick<StringLiteral, "kind" | "value" | "escaped">
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "duration"; readonly nanoseconds: bigint }
  | { readonly kind: "size"; readonly bytes: bigint }
  | { readonly kind: "null" };

export interface CheckedScript {
  readonly source: SourceFile;
  /** Absolute. */
  readonly path: string;
  /** SHA-256 of the script's bytes, lower-case hex. */
  readonly digest: string;
  /** Every file that was read to make this, the script first. */
  readonly files: readonly ScriptFile[];
  /** The script's own updates, in file order. */
  readonly updates: readonly CheckedUpdate[];
  /** Updates of imported files: `apply` may name them, nothing else applies them. */
  readonly importedUpdates: readonly CheckedUpdate[];
  /** What the script's own statements see. */
  readonly scope: CheckedScope;
  /**
   * Statements at top level, in order; none means that the updates are applied in file order.
   * Recipes, updates and constants that they name are those of `scope`; every other name is a
   * variable of the script (`let`, `for`) or else the target's.
   */
  readonly statements: readonly Statement[];
  /** Of those expressions of statements that are constant as a whole. */
  readonly constantValues: ReadonlyMap<Expression, ConstantValue>;
}

/** The names that one file sees: its own declarations and those of the files that it imports. */
export interface CheckedScope {
  readonly source: SourceFile;
  /** Overrides applied. */
  readonly constants: ReadonlyMap<string, ConstantValue>;
  readonly recipes: ReadonlyMap<string, CheckedRecipe>;
  readonly updates: ReadonlyMap<string, CheckedUpdate>;
}

export interface CheckedRecipe {
  readonly name: string;
  /** In order; each stands for an expression of the caller. */
  readonly parameters: readonly string[];
  readonly declaration: RecipeDeclaration;
  /** Of the file that declares it: its body sees nothing else of the caller's. */
  readonly scope: CheckedScope;
}

/** A file that belongs to a script. */
export interface ScriptFile {
  readonly source: SourceFile;
  /** Absolute. */
  readonly path: string;
  /** SHA-256 of its bytes, lower-case hex. */
  readonly digest: string;
}

export interface CheckedUpdate {
  readonly name: string;
  /** Of the name. */
  readonly span: Span;
  readonly description?: string;
  /** Absent where the update has no `target`: the processes must then be named by hand. */
  readonly target?: CheckedTarget;
  /** In the order of application. */
  readonly patches: readonly CheckedPatch[];
  /** `start` first, then as they are written. */
  readonly points: readonly CheckedPoint[];
  /** As written. */
  readonly taints: readonly CheckedTaint[];
  readonly onFailure: CheckedFailureAction;
  /** Nanoseconds to wait for completion; absent: do not wait. */
  readonly completeWithin?: Located<bigint>;
  /** Of the file that declares it: what checks and recoveries see. */
  readonly scope: CheckedScope;
  readonly declaration: UpdateDeclaration;
}

export interface CheckedTarget {
  /** Base name or path of the executable. */
  readonly exe?: Located<string>;
  /** Lower-case hex, at least 8 digits. */
  readonly buildId?: Located<string>;
  readonly scope: "process" | "tree";
  /** Of the whole clause. */
  readonly span: Span;
}

export interface CheckedPatch {
  readonly name: string;
  /** Of the name. */
  readonly span: Span;
  readonly source: PatchSource;
  /** Patches that `after` names, as written. */
  readonly after: readonly Located<string>[];
  /** As written. */
  readonly replacements: readonly CheckedReplacement[];
  /** As written. */
  readonly data: readonly CheckedData[];
}

/** A data item: what changes its layout, and the functions that carry one version over to the other. */
export interface CheckedData {
  /** `conf`; of a function's static variable `serve::calls`. */
  readonly name: string;
  /** Of the name. */
  readonly span: Span;
  /** The one object, or every object of a type. */
  readonly objects: CheckedGlobal | CheckedObjects;
  /** In the patch. */
  readonly forward: Located<string>;
  /** In the patch. */
  readonly backward: Located<string>;
}

/** The program's global of the item's name. */
export interface CheckedGlobal {
  readonly kind: "global";
  /** The function whose static variable it is. */
  readonly function?: string;
  readonly scope?: CheckedPlace;
  /** The new object, in the patch. */
  readonly new: Located<string>;
}

/** What `each` visits. */
export interface CheckedObjects {
  readonly kind: "each";
  readonly each: CheckedFunction;
  /** Bytes of an old and of a new object; types of the target and of the patch. */
  readonly size: { readonly old: Expression; readonly new: Expression };
  readonly onNew?: CheckedFunction;
  readonly onFree?: CheckedFunction;
}

/** A function of the target or of the patch. */
export interface CheckedFunction extends Located<string> {
  readonly scope?: CheckedPlace;
}

/** `in "str.c"` (a source file) or `in "libfoo.so"` (a library). */
export interface CheckedPlace extends Located<string> {
  readonly kind: "source" | "library";
}

/** Where a patch's code comes from. `span` is what names it in the script. */
export type PatchSource =
  /** A shared object; `path` is absolute. */
  | { readonly kind: "object"; readonly path: string; readonly span: Span }
  /** C source to be compiled; `path` is absolute. */
  | { readonly kind: "c-file"; readonly path: string; readonly span: Span }
  /** C source in the script; `span` covers exactly `text`. */
  | { readonly kind: "inline"; readonly text: string; readonly span: Span };

export interface CheckedReplacement {
  readonly function: Located<string>;
  readonly scope?: CheckedPlace;
  readonly with?: Located<string>;
  /** Of the whole `replace …`. */
  readonly span: Span;
}

/** The state after the first `position` patches; `start` is 0. */
export interface CheckedPoint {
  readonly name: string;
  readonly position: number;
  /** Of the point's name; of the update's for `start`. */
  readonly span: Span;
}

export type CheckedFailureAction =
  | { readonly kind: "rollback"; readonly point: string; readonly position: number }
  | { readonly kind: "keep" };

/** A check of the target's state, and how to repair it. */
export interface CheckedTaint {
  readonly name: string;
  /** Of the name. */
  readonly span: Span;
  /**
   * How many patches are active when it is looked at, ascending: `before P` and `after P` give
   * one position, `always` both ends.
   */
  readonly positions: readonly number[];
  readonly kind: "before" | "after" | "always";
  /** As written, for people: `before filter`, `always`. */
  readonly when: string;
  /** Holds: the state is sane. */
  readonly check: Expression;
  readonly recover?: Block;
  readonly otherwise: {
    readonly action: "fail" | "warn";
    /** Absent where none is written. */
    readonly message?: string;
    readonly span: Span;
  };
}
