/** A process's names together with those of the patches that a run has mapped into it. */
import { offsetBy, type Address } from "../../native/address.js";
import {
  EngineError,
  type Entity,
  type NameQuery,
  type ProgramNames,
} from "../../native/engine.js";

/** A patch that lies in the process. */
export interface MappedPatch {
  /** With link-time addresses. */
  readonly names: ProgramNames;
  readonly base: Address;
}

/**
 * The same look at the process (or program), where names that it lacks may be those of patches.
 * @param first names of the patches of the update that is being applied: they come before the program's
 * @param others those of other updates, newest first
 */
export function withPatches<T extends ProgramNames>(
  program: T,
  first: readonly MappedPatch[],
  others: readonly MappedPatch[],
): T {
  if (first.length + others.length === 0) return program;
  const entity = (query: NameQuery): Entity => {
    const own = ofPatches(first, query);
    if (own !== null) return own;
    try {
      return program.entity(query);
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== "NO_SUCH_NAME") throw error;
      const other = ofPatches(others, query);
      if (other !== null) return other;
      throw error;
    }
  };
  const type: ProgramNames["type"] = (query) => {
    const known = program.type(query);
    if (known !== null) return known;
    for (const { names } of [...first, ...others]) {
      const found = names.type(query);
      if (found !== null) return found;
    }
    return null;
  };
  // Everything else is the process's own, with its own `this`.
  return new Proxy(program, {
    get(target, member) {
      if (member === "entity") return entity;
      if (member === "type") return type;
      const value: unknown = Reflect.get(target, member, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function ofPatches(patches: readonly MappedPatch[], query: NameQuery): Entity | null {
  // `in "a.c"` names a file or library of the program.
  if (query.place !== undefined) return null;
  for (const { names, base } of patches) {
    try {
      return relocated(names.entity(query), base);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
    }
  }
  return null;
}

function relocated(entity: Entity, base: Address): Entity {
  if (entity.kind === "function") return { ...entity, address: offsetBy(base, entity.address) };
  if (entity.kind === "variable" && entity.storage.kind === "static") {
    const at = offsetBy(base, entity.storage.address);
    return { ...entity, storage: { kind: "static", address: at } };
  }
  return entity;
}
