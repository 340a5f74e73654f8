/** What an expression evaluates to. */
import type { Address } from "../../native/address.js";
import type { CType, Entity } from "../../native/engine.js";

/** Where in a process a value lives; `bits` of a bit-field. */
export interface Place {
  readonly address: Address;
  readonly bits: { readonly first: number; readonly count: number } | null;
}

/** A value of C's, or a place that holds one and is read when its bytes are needed. */
export interface CValue {
  readonly kind: "c";
  readonly type: CType;
  readonly place: Place | null;
  /** `null`: still in the process, at `place`. */
  readonly bytes: Uint8Array | null;
}

/** Something of the target's that has an address and no known type. */
export interface UntypedValue {
  readonly kind: "untyped";
  readonly entity: Entity;
  readonly address: Address;
}

export interface DurationValue {
  readonly kind: "duration";
  readonly nanoseconds: bigint;
}

export interface SizeValue {
  readonly kind: "size";
  readonly bytes: bigint;
}

/** Text of the script, or raw bytes (`bytes(…)`); never in the target. */
export interface TextValue {
  readonly kind: "text";
  readonly bytes: Uint8Array;
  /** Made by `bytes` or `disk`: printed as bytes, not as text. */
  readonly raw: boolean;
}

export interface ListValue {
  readonly kind: "list";
  readonly items: readonly Value[];
}

/** What a built-in tells of a thread, file, mapping, frame… */
export interface RecordValue {
  readonly kind: "record";
  /** `thread`, `file`… */
  readonly name: string;
  readonly fields: ReadonlyMap<string, Value>;
  /** As `print` shows it. */
  readonly text: string;
}

export type Value =
  CValue | UntypedValue | DurationValue | SizeValue | TextValue | ListValue | RecordValue;

export function textValue(text: string): TextValue {
  return { kind: "text", bytes: Buffer.from(text, "utf8"), raw: false };
}
