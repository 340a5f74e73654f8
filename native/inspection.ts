/**
 * A program's names and a process's state, typed: what expressions, statements and the
 * REPL ask of the engine. Part of the engine's face (`engine.ts`), and like it ignorant
 * of scripts. Everything throws `EngineError`; nothing here changes a process except
 * `writeTogether` and `call`.
 */
import type { Address } from "./address.js";
import type { CType } from "./ctypes.js";
import type { FunctionScope, ProcessInfo, ThreadStack } from "./engine.js";

/** A name as written: `x`, `f::x`, `x in "a.c"`, `x in "libfoo.so"`. */
export interface NameQuery {
  readonly name: string;
  /** The function whose static local is meant. */
  readonly function?: string;
  readonly place?: FunctionScope;
}

/** Where a variable's value lives. */
export type Storage =
  | { readonly kind: "static"; readonly address: Address }
  /** One for each thread; `tlsAddress` tells where. */
  | { readonly kind: "tls"; readonly module: string; readonly offset: bigint }
  /** Optimised away: it always has this value, little-endian. */
  | { readonly kind: "constant"; readonly bytes: Uint8Array };

export interface Variable {
  readonly kind: "variable";
  readonly name: string;
  /** `null` without debug information: only a cast of its address gives it a type. */
  readonly type: CType | null;
  readonly storage: Storage;
  /** Bytes by its symbol where there is one, else by its type; `null` if neither tells. */
  readonly size: number | null;
  /** Path of the compilation unit, `null` without debug information. */
  readonly source: string | null;
  /** Path of the executable or library that holds it. */
  readonly module: string;
}

export interface FunctionEntity {
  readonly kind: "function";
  readonly name: string;
  readonly type: CType | null;
  readonly address: Address;
  readonly size: number | null;
  readonly source: string | null;
  readonly module: string;
}

export interface EnumeratorEntity {
  readonly kind: "enumerator";
  readonly name: string;
  readonly value: bigint;
  readonly type: CType;
}

export type Entity = Variable | FunctionEntity | EnumeratorEntity;

/** How a type is named in a script. */
export interface TypeQuery {
  readonly kind: "struct" | "union" | "enum" | "typedef" | "basic";
  readonly name: string;
}

/** The names of a program, with or without a process that runs it. Addresses of a mere file are link-time ones. */
export interface ProgramNames {
  /** False if the executable has no debug information; libraries may have some all the same. */
  readonly hasTypes: boolean;
  /**
   * The variable, function or enumerator that a C programmer would expect: the executable's
   * first (a global before statics), then libraries in the loader's order.
   * @throws EngineError refused NO_SUCH_NAME (with `candidates`), AMBIGUOUS_NAME (its `help` names the places)
   */
  entity(query: NameQuery): Entity;
  /** `null` if there is none of that name. A complete definition wins over a declaration. */
  type(query: TypeQuery): CType | null;
  /** Names of variables, functions, types or source files that begin so, for completion; sorted. */
  complete(
    kind: "variable" | "function" | "type" | "source",
    prefix: string,
    limit: number,
  ): readonly string[];
}

/** What stands at an address. */
export interface SymbolPlace {
  readonly name: string;
  readonly offset: number;
  readonly kind: "function" | "variable";
  readonly module: string;
}

export interface MemoryRange {
  readonly address: Address;
  /** Bytes. */
  readonly length: number;
}

/** Memory ranges as they stood at one moment. */
export interface Moment {
  /** In the order asked; `null` where memory is not readable. */
  readonly contents: readonly (Uint8Array | null)[];
  /** False: some thread could not be held, so the ranges were read one after another. */
  readonly held: boolean;
  /** Longest hold of any one thread, microseconds. */
  readonly heldUs: number;
}

export interface MemoryChange {
  readonly address: Address;
  readonly bytes: Uint8Array;
  /** Written only if this stands there (as long as `bytes`); absent: whatever stands there. */
  readonly expected?: Uint8Array;
  /** Takes an earlier change back: may put damage back into code that the change had restored. */
  readonly undoes?: boolean;
}

export interface ChangeResult {
  /** All of them, or none: one whose expectation does not hold keeps all from being written. */
  readonly written: boolean;
  /** What stood there before, in the order asked. */
  readonly before: readonly Uint8Array[];
  /** Indexes of the changes whose expectation did not hold. */
  readonly unexpected: readonly number[];
  readonly heldUs: number;
}

export interface ThreadInfo {
  readonly tid: number;
  readonly name: string;
  /** As /proc says: `R`, `S`, `D`, `T`, `Z`… */
  readonly state: string;
  /** Processor time used so far, nanoseconds. */
  readonly cpuTime: bigint;
}

export interface OpenFile {
  readonly fd: number;
  /** Target of the link: a path, `socket:[…]`, `pipe:[…]`, `anon_inode:[…]`. */
  readonly path: string;
  readonly kind: "file" | "directory" | "socket" | "pipe" | "device" | "other";
  readonly position: bigint;
  readonly flags: number;
}

export interface MappingInfo {
  readonly start: Address;
  readonly end: Address;
  /** `rwxp` or `rwxs`. */
  readonly permissions: string;
  readonly offset: bigint;
  /** Path, `[heap]`, `[stack]`…; empty for anonymous memory. */
  readonly path: string;
  readonly deleted: boolean;
  /** Ours: image, record, hooks or runtime. */
  readonly polus: boolean;
}

/** A word of a module's global offset table, which the dynamic loader fills. */
export interface ImportSlot {
  /** The symbol; empty where the module chooses between functions of its own that have none. */
  readonly name: string;
  /** Path of the module that imports. */
  readonly module: string;
  readonly slot: Address;
  /** Where the slot leads or should lead; 0 if nobody defines the symbol. For `indirect` ones the chooser. */
  readonly definition: Address;
  /** Path of the module that defines it. */
  readonly library: string | null;
  /** The loader asks a function of `library` (an IFUNC) which of its functions it is to be. */
  readonly indirect: boolean;
  /** What the slot holds until the first call, if it may be bound so late. */
  readonly lazy: Address | null;
}

export interface MemoryUse {
  /** Bytes, each. */
  readonly virtual: bigint;
  readonly resident: bigint;
  readonly data: bigint;
  readonly swapped: bigint;
}

export type CallArgument =
  | { readonly kind: "integer"; readonly value: bigint }
  | { readonly kind: "float"; readonly value: number; readonly size: 4 | 8 }
  /** Bytes that are put on the borrowed stack, zero-terminated by the caller; their address is passed. */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array };

export interface CallRequest {
  readonly function: Address;
  readonly arguments: readonly CallArgument[];
  readonly variadic: boolean;
  readonly timeLimitMs: number;
}

export interface CallResult {
  /** `rax` and `rdx`, as 64 bits without sign. */
  readonly integers: readonly [bigint, bigint];
  /** Low 16 bytes of `xmm0`. */
  readonly vector: Uint8Array;
  readonly tid: number;
  readonly heldUs: number;
  /** Functions on the borrowed thread's stack that may hold a lock (malloc, stdio, the loader…): worth a warning. */
  readonly locksMayBeHeld: readonly string[];
}

/** One live process, typed. Valid until its session closes. */
export interface Inspection extends ProgramNames {
  readonly process: ProcessInfo;
  /** False once the process has ended or executes another program. */
  readonly alive: boolean;
  /** What stands at an address, by symbols and by our own record; `null` if nothing known does. */
  symbolAt(at: Address): SymbolPlace | null;
  /** Libraries may have been loaded since; names are looked up afresh. */
  refresh(): void;
  /** At once, without holding anybody; fewer bytes where memory ends, none at a wild address. */
  readSome(at: Address, length: number): Uint8Array;
  /** All ranges at one moment, with all threads held for microseconds; one range of at most 8 aligned bytes holds nobody. */
  readTogether(ranges: readonly MemoryRange[]): Promise<Moment>;
  /**
   * Writes all or nothing while all threads are held. Over code only what its file holds.
   * @throws EngineError refused UNWRITABLE, CANNOT_STOP, SYSCALL_USES_MEMORY, THREAD_IN_CODE…; nothing was written
   */
  writeTogether(changes: readonly MemoryChange[]): Promise<ChangeResult>;
  /** Where a thread's instance of a thread-local variable is; `null` if that thread has none yet. */
  tlsAddress(variable: Variable, tid: number): Promise<Address | null>;
  threads(): readonly ThreadInfo[];
  stacks(): Promise<readonly ThreadStack[]>;
  files(): readonly OpenFile[];
  maps(): readonly MappingInfo[];
  /** Of all modules. */
  imports(): readonly ImportSlot[];
  memory(): MemoryUse;
  children(): Promise<readonly ProcessInfo[]>;
  /** What the mapped file holds for these addresses, relocations applied where they are known; `null` for anonymous memory. */
  disk(at: Address, length: number): Uint8Array | null;
  /**
   * Runs a function on a borrowed thread, whose state lies in a signal frame: it finishes by itself
   * if we die. At the time limit, or if it raises a fatal signal, the thread is put back where it was.
   * @throws EngineError failed CALL_TIMED_OUT, CALL_CRASHED; refused NO_BORROWABLE_THREAD, CANNOT_STOP
   */
  call(request: CallRequest): Promise<CallResult>;
}
