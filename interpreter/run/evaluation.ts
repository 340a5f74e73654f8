/**
 * What statements ask of expressions. `values/` answers it for a live process; a test may put its
 * own answers.
 */
import type { CallExpression, Expression } from "../../lang/ast.js";
import type { Address } from "../../native/address.js";
import type { PrintedValue } from "../progress/events.js";
import type { Binding, Environment, StoredValue } from "../values/environment.js";

export type { Binding, Environment };

/** A value as script variables hold it; only `Expressions` looks inside. */
export type Value = StoredValue;

/** What a `set` would do. */
export type Assignment =
  | {
      readonly kind: "variable";
      readonly binding: Binding & { kind: "variable" };
      readonly value: Value;
    }
  | {
      readonly kind: "memory";
      readonly address: Address;
      /** What stands there now, and what is to. */
      readonly before: Uint8Array;
      readonly after: Uint8Array;
      /** As `print` shows them. */
      readonly beforeText: string;
      readonly afterText: string;
      /** Bytes that hold neighbours too (a bit-field): they are only written while nothing else changed them. */
      readonly shared: boolean;
    };

/** Evaluates for one process. Everything throws what `explain` of `script_error.ts` understands. */
export interface Expressions {
  value(expression: Expression, environment: Environment): Promise<Value>;
  truth(expression: Expression, environment: Environment): Promise<boolean>;
  /** Nanoseconds. */
  duration(expression: Expression, environment: Environment): Promise<bigint>;
  print(expression: Expression, environment: Environment): Promise<PrintedValue>;
  items(expression: Expression, environment: Environment): AsyncIterable<Value>;
  assignment(place: Expression, value: Expression, environment: Environment): Promise<Assignment>;
  call(call: CallExpression, environment: Environment): Promise<Value>;
}
