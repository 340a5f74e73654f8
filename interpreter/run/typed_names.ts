/** The script's own names while only types are looked at. */
import type { CheckedScope } from "../../lang/check/checked.js";
import type { Binding, Environment } from "../values/environment.js";
import type { Value } from "../values/value.js";

/** Of a value nothing can be said: what it was made from is wrong, or differs from path to path. */
export const unknown = Symbol("unknown");

/** Thrown where an expression names such a value. */
export class Unknowable extends Error {}

export class TypedNames implements Environment {
  private readonly names = new Map<string, Binding | typeof unknown>();

  /** @param around the block around it, or the constants that its file sees */
  constructor(private readonly around: TypedNames | CheckedScope) {}

  /** @throws Unknowable */
  lookup(name: string): Binding | null {
    const own = this.names.get(name);
    if (own === unknown) throw new Unknowable();
    if (own !== undefined) return own;
    if (this.around instanceof TypedNames) return this.around.lookup(name);
    const constant = this.around.constants.get(name);
    return constant === undefined ? null : { kind: "constant", value: constant };
  }

  declare(name: string, value: Value | typeof unknown): void {
    this.names.set(name, value === unknown ? unknown : { kind: "variable", value });
  }

  bind(name: string, binding: Binding): void {
    this.names.set(name, binding);
  }

  /** A variable gets a value; of one that changes its type nothing is known from then on. */
  assign(binding: Binding, value: Value, sameType: boolean): void {
    if (binding.kind !== "variable") return;
    if (sameType) binding.value = value;
    else this.forget(binding);
  }

  private forget(binding: Binding): void {
    for (const [name, known] of this.names) {
      if (known === binding) this.names.set(name, unknown);
    }
    if (this.around instanceof TypedNames) this.around.forget(binding);
    // A recipe's argument may be a variable of the caller.
    for (const known of this.names.values()) {
      if (known === unknown || known.kind !== "parameter") continue;
      if (known.environment instanceof TypedNames) known.environment.forget(binding);
    }
  }
}
