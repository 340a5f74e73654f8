/**
 * What the checker hands on: a script in which every name is resolved, every
 * constant has a value and every path is absolute. Nothing here needs a target.
 * Spans of all names stay, so that a later refusal by the engine can point at
 * the very word in the script.
 */
import type { IntegerType, PrintStatement, UpdateDeclaration } from "../ast.js";
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
  | { readonly kind: "string"; readonly value: string; readonly bytes: Uint8Array }
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
  /** The script's own constants (and the imported ones that it sees), overrides applied. */
  readonly constants: ReadonlyMap<string, ConstantValue>;
  /** Statements at top level, in order; none means that the updates are applied in file order. */
  readonly statements: readonly CheckedStatement[];
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
  readonly onFailure: CheckedFailureAction;
  /** Nanoseconds to wait for completion; absent: do not wait. */
  readonly completeWithin?: Located<bigint>;
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
  /** `in "str.c"` (a source file) or `in "libfoo.so"` (a library). */
  readonly scope?: Located<string> & { readonly kind: "source" | "library" };
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

export type CheckedStatement =
  | {
      readonly kind: "apply";
      /** A member of `updates` or `importedUpdates`. */
      readonly update: CheckedUpdate;
      /** Of the update's name in the statement. */
      readonly nameSpan: Span;
      readonly span: Span;
    }
  | {
      readonly kind: "rollback";
      readonly update: CheckedUpdate;
      readonly point: CheckedPoint;
      /** Of `UPDATE.POINT`. */
      readonly nameSpan: Span;
      readonly span: Span;
    }
  | {
      readonly kind: "print";
      readonly values: readonly Located<ConstantValue>[];
      readonly node: PrintStatement;
      readonly span: Span;
    };
