/**
 * Objects with identity: a lock is where it is, and a copy of it is another lock. A data item that holds
 * one cannot have two versions.
 */
import type { CType } from "../engine.js";

/** By the name that programs use, which debug information keeps; what is behind it differs among C libraries. */
const identities = new Map([
  ["pthread_mutex_t", "a mutex"],
  ["pthread_rwlock_t", "a read-write lock"],
  ["pthread_cond_t", "a condition variable"],
  ["pthread_spinlock_t", "a spin lock"],
  ["pthread_barrier_t", "a barrier"],
  ["pthread_once_t", "a once control"],
  ["sem_t", "a semaphore"],
  ["mtx_t", "a mutex"],
  ["cnd_t", "a condition variable"],
  ["once_flag", "a once control"],
]);

/** Structs inside structs; a damaged file might nest them without an end. */
const deepest = 32;

export interface Identity {
  /** Member, as C names it from the item on: `sessions[].lock`; empty: the item itself. */
  readonly member: string;
  /** `a mutex`. */
  readonly what: string;
}

/** The first object with identity inside a type, `null` if there is none. Pointers are not followed. */
export function identityInside(type: CType, member = "", depth = 0): Identity | null {
  if (depth > deepest) return null;
  switch (type.kind) {
    case "typedef": {
      const what = identities.get(type.name);
      return what === undefined ? identityInside(type.type, member, depth + 1) : { member, what };
    }
    case "qualified":
      return identityInside(type.type, member, depth + 1);
    case "array":
      return identityInside(type.element, `${member}[]`, depth + 1);
    case "struct": {
      for (const { name, type: inner } of type.members) {
        const path = name === null ? member : member === "" ? name : `${member}.${name}`;
        const found = identityInside(inner, path, depth + 1);
        if (found !== null) return found;
      }
      return null;
    }
    default:
      return null;
  }
}
