/** The built-in functions: only as `NAME(`; as plain words their names stay free. */
export interface Builtin {
  readonly name: string;
  /** Names of its parameters, for messages and completion. */
  readonly parameters: readonly string[];
}

export const builtins: ReadonlyMap<string, Builtin> = new Map(
  [
    { name: "list", parameters: ["head", "next"] },
    { name: "chain", parameters: ["head", "next"] },
    { name: "children", parameters: [] },
    { name: "threads", parameters: [] },
    { name: "files", parameters: [] },
    { name: "maps", parameters: [] },
    { name: "imports", parameters: [] },
    { name: "stack", parameters: ["thread"] },
    { name: "bytes", parameters: ["address", "n"] },
    { name: "disk", parameters: ["address", "n"] },
    { name: "memory", parameters: [] },
    { name: "now", parameters: [] },
  ].map((builtin) => [builtin.name, builtin]),
);
