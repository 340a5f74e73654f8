/** The script's own names where an expression stands. Every other name is the target's. */
import type { Expression } from "../../lang/ast.js";
import type { ConstantValue } from "../../lang/check/checked.js";

/** A value as script variables hold it; only this folder looks inside. */
export type StoredValue = object;

/** What a name of the script stands for. */
export type Binding =
  | { readonly kind: "constant"; readonly value: ConstantValue }
  | { readonly kind: "variable"; value: StoredValue }
  /** A recipe's parameter: the caller's expression, with the names that the caller sees. */
  | {
      readonly kind: "parameter";
      readonly expression: Expression;
      readonly environment: Environment;
    };

export interface Environment {
  lookup(name: string): Binding | null;
}

/** No names but the target's. */
export const noNames: Environment = { lookup: () => null };
