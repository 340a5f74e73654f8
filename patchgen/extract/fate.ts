/** What becomes of a name that a unit defines, and how its patch calls the program's object. */
import { globalLabel, staticLabel } from "./labels.js";

export type Fate =
  /** Nothing in the patch needs it. */
  | { readonly kind: "drop" }
  /** The program's own object. */
  | { readonly kind: "reference"; readonly of: ProgramObject }
  /** The name goes on meaning the program's function, which the definition under `as` replaces. */
  | { readonly kind: "replace"; readonly of: ProgramObject; readonly as: string }
  /** The patch has its own; under `label` later patches find it. */
  | { readonly kind: "keep"; readonly label: string | null };

/** An object as the old version defines it. */
export interface ProgramObject {
  readonly name: string;
  /** `null`: it is global. */
  readonly file: string | null;
}

export function labelOf({ name, file }: ProgramObject): string {
  return file === null ? globalLabel(name) : staticLabel(name, file);
}
