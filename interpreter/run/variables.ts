/** The names of one block of a script, inside of those around it. */
import type { CheckedScope, CheckedUpdate } from "../../lang/check/checked.js";
import { plainName } from "../../lang/check/recipes.js";
import type { Binding, Environment, Value } from "./evaluation.js";

export class Variables implements Environment {
  /**
   * @param around the block around it, or the constants that its file sees
   * @param names what it begins with and adds to: those of a REPL outlive an input
   */
  constructor(
    private readonly around: Variables | CheckedScope,
    private readonly names = new Map<string, Binding>(),
  ) {}

  lookup(name: string): Binding | null {
    const own = this.names.get(name);
    if (own !== undefined) return own;
    if (this.around instanceof Variables) return this.around.lookup(name);
    const constant = this.around.constants.get(name);
    return constant === undefined ? null : { kind: "constant", value: constant };
  }

  /** The update that a name stands for: through the parameters of recipes, then in its file. */
  update(name: string): CheckedUpdate | undefined {
    const binding = this.lookup(name);
    if (binding?.kind !== "parameter") return this.scope.updates.get(name);
    const { expression, environment } = binding;
    const passed = plainName(expression);
    return passed !== undefined && environment instanceof Variables
      ? environment.update(passed)
      : undefined;
  }

  /** Of the file that the block is in. */
  private get scope(): CheckedScope {
    return this.around instanceof Variables ? this.around.scope : this.around;
  }

  /** A variable of this block; hides one of the same name around it. */
  declare(name: string, value: Value): void {
    this.names.set(name, { kind: "variable", value });
  }

  bind(name: string, binding: Binding): void {
    this.names.set(name, binding);
  }
}
