/**
 * The C++ addon's typed face: primitives only. Policy (what to write where, in
 * which order) is in the TypeScript files of `native/`; everything that holds a
 * thread, reads ELF or DWARF, or decodes an instruction is behind this file.
 *
 * Errors thrown by the addon are `Error` objects with a string `code`.
 */
import { createRequire } from "node:module";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Opaque: an ELF file (and its debug file) opened for one load address. Freed by the garbage collector. */
export interface ModuleHandle {
  readonly __module: never;
}

export type SymbolKind = "func" | "object" | "ifunc" | "tls" | "notype";

export interface ElfSymbol {
  readonly name: string;
  /** Run-time address (bias added); for `tls` the offset inside the module's TLS block. */
  readonly address: bigint;
  readonly size: number;
  readonly kind: SymbolKind;
  readonly binding: "local" | "global" | "weak";
  readonly visibility: "default" | "hidden" | "protected" | "internal";
  /** From STT_FILE for locals (base name), `null` if unknown or not local. */
  readonly file: string | null;
  /** Symbol version without "@", `null` if none. */
  readonly version: string | null;
  /** `true` for `name@@VERSION` and for unversioned ones. */
  readonly defaultVersion: boolean;
  /** Present in `.dynsym`. */
  readonly dynamic: boolean;
}

export interface ModuleInfo {
  readonly path: string;
  readonly buildId: string | null;
  readonly machine: number;
  readonly elfClass: 32 | 64;
  readonly type: "exec" | "dyn" | "other";
  /** Run-time address minus link-time address. */
  readonly bias: bigint;
  /** Run-time range of all PT_LOAD segments, page aligned. */
  readonly start: bigint;
  readonly end: bigint;
  /** Executable PT_LOAD ranges at run time. */
  readonly text: readonly { readonly start: bigint; readonly end: bigint }[];
  readonly soname: string | null;
  readonly needed: readonly string[];
  readonly hasSymtab: boolean;
  readonly hasDwarf: boolean;
  readonly debugFile: string | null;
  /** PT_TLS, `null` if the module has none. */
  readonly tls: { readonly memorySize: number; readonly alignment: number } | null;
  /** Run-time address of `_DYNAMIC`, `null` in static executables. */
  readonly dynamicSection: bigint | null;
}

/** What a name stands for by debug information. */
export interface DebugName {
  readonly kind:
    "variable" | "function" | "enumerator" | "struct" | "union" | "enum" | "typedef" | "basic";
  /** Path of the compilation unit. */
  readonly source: string | null;
  /** Of a variable or enumerator its type, of a function or type its own; 0 is `void`. */
  readonly type: number;
  readonly place?: "static" | "tls" | "constant" | null;
  /** Run-time address, offset in the TLS block, or an enumerator's value. */
  readonly value?: bigint;
  /** Of a constant: its value. */
  readonly bytes?: Buffer;
  readonly declaration: boolean;
  readonly external: boolean;
}

/** What debug information says of one type; which fields count depends on `kind`. */
export interface DebugType {
  readonly kind:
    | "void"
    | "base"
    | "pointer"
    | "array"
    | "struct"
    | "union"
    | "enum"
    | "typedef"
    | "qualified"
    | "function";
  readonly name: string | null;
  readonly size: number | null;
  readonly encoding: "integer" | "character" | "boolean" | "float" | "complex";
  readonly signed: boolean;
  readonly declaration: boolean;
  readonly variadic: boolean;
  readonly prototyped: boolean;
  readonly qualifier: "" | "const" | "volatile" | "restrict" | "_Atomic";
  readonly target: number;
  /** Of an array, outermost first. */
  readonly counts: readonly (number | null)[];
  /** Of a struct or union, or a function's parameters. */
  readonly members: readonly {
    readonly name: string | null;
    readonly type: number;
    readonly offset: number;
    readonly firstBit: number;
    /** 0: no bit-field. */
    readonly bits: number;
  }[];
  readonly enumerators: readonly { readonly name: string; readonly value: bigint }[];
}

/** A dynamic relocation of a loaded module. */
export interface ModuleRelocation {
  /** Run-time address of the relocated word. */
  readonly address: bigint;
  /** `R_X86_64_…` number. */
  readonly type: number;
  readonly symbol: string | null;
  readonly addend: bigint;
}

export interface PatchSegment {
  readonly address: bigint;
  readonly memorySize: number;
  readonly alignment: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  /** File contents; the rest up to `memorySize` is zero. */
  readonly contents: Buffer;
}

export interface PatchSymbol {
  readonly name: string;
  /** Link-time address; 0 for undefined ones. */
  readonly address: bigint;
  readonly size: number;
  readonly kind: SymbolKind;
  readonly binding: "local" | "global" | "weak";
  readonly defined: boolean;
  readonly version: string | null;
  readonly dynamic: boolean;
}

export interface PatchObject {
  readonly machine: number;
  readonly elfClass: 32 | 64;
  readonly type: "dyn" | "rel" | "exec" | "other";
  readonly segments: readonly PatchSegment[];
  /** PT_GNU_RELRO. */
  readonly relro: { readonly address: bigint; readonly size: number } | null;
  readonly hasTls: boolean;
  readonly needed: readonly string[];
  /** Every symbol of .dynsym, then those of .symtab that .dynsym lacks. */
  readonly symbols: readonly PatchSymbol[];
  readonly relocations: readonly {
    readonly address: bigint;
    readonly type: number;
    /** Index into `symbols`, -1 for none. */
    readonly symbol: number;
    readonly addend: bigint;
  }[];
  /** Constructors other than the compiler's own `frame_dummy` and `_init`. */
  readonly constructors: number;
  /** Contents of section `.polus_replace` (NUL separated `old=new`), empty if absent. */
  readonly replaceTable: readonly string[];
}

/** Bytes that a transfer function merely copies, or widens by their sign or by zeros. */
export interface PlainField {
  /** Offset in what is copied from. */
  readonly from: number;
  readonly fromSize: number;
  readonly to: number;
  /** Less than `fromSize` where the upper bytes decide nothing. */
  readonly toSize: number;
  readonly signed: boolean;
}

/** The first whole instructions of a function, rewritten to run elsewhere. */
export interface RelocatedEntry {
  /** Bytes of the original that are covered (at least the asked minimum unless control never passes). */
  readonly length: number;
  /** Position dependent code for `destination`; ends with a jump back, or with the instruction that never falls through. */
  readonly code: Buffer;
  /** Instruction boundaries inside the covered bytes: offset in the original to offset in the copy. */
  readonly boundaries: readonly (readonly [original: number, copy: number])[];
  /**
   * Offsets below the minimum to which calls in the covered bytes return. A thread that is inside
   * such a call returns into bytes that the jump overwrites; usually there are none.
   */
  readonly returns: readonly number[];
}

/** A call across which a caller keeps registers that a callee may change. */
export interface KeptAcross {
  /** The function that was asked about. */
  readonly function: bigint;
  /** What the call calls: the function, or another one that comes to it. */
  readonly callee: bigint;
  /** Address of the call. */
  readonly from: bigint;
  /** Start of the function that contains the call. */
  readonly caller: bigint;
  /** `rdi`, `xmm3` (`ymm3`, `zmm3` if the upper parts are kept too), `k1`… */
  readonly registers: readonly string[];
}

/** One stopped thread's copied state, for unwinding at leisure. */
export interface ThreadSnapshot {
  readonly tid: number;
  /** user_regs_struct, 27 words. */
  readonly registers: Buffer;
  readonly stackStart: bigint;
  readonly stack: Buffer;
}

export interface UnwoundFrame {
  readonly pc: bigint;
  /** Canonical frame address, `null` if unknown. */
  readonly cfa: bigint | null;
  /** A signal interrupted this frame at `pc`; in all but these and the first, `pc` is a return address. */
  readonly signalFrame: boolean;
}

/** Opaque: a process pinned by pidfd, start time and address space. Freed by the garbage collector. */
export interface TargetHandle {
  readonly __target: never;
}

/**
 * What a tracer tells of followed processes. `started`: stands at the entry point of a program
 * that starts are watched for, until `tracerResume`; `missed`: such a program could not be
 * stopped there and runs.
 */
export type TracerEvent = "born" | "exec" | "exited" | "started" | "missed";

/** Opaque: a tracer thread with its watchdog. Close it. */
export interface TracerHandle {
  readonly __tracer: never;
}

/** A system call for a borrowed thread. */
export interface RemoteCall {
  readonly number: number;
  /** At most six; each as 64 bits without sign. */
  readonly arguments: readonly bigint[];
}

export interface BorrowResult {
  /** As the kernel returned them: -errno for failures. */
  readonly results: readonly bigint[];
  readonly tid: number;
  readonly heldUs: number;
}

/** A function call by registers and stack; see call.h. */
export interface RemoteFunctionCall {
  readonly function: bigint;
  /** At most six, in registers. */
  readonly integers: readonly bigint[];
  /** At most eight, of up to 16 bytes each. */
  readonly vectors: readonly Uint8Array[];
  /** Eight bytes each. */
  readonly stack: readonly bigint[];
  /** Put on the borrowed stack; `argument` counts `integers`, then `stack`, and gets the address. */
  readonly data: readonly { readonly argument: number; readonly bytes: Uint8Array }[];
  readonly timeLimitMs: number;
  /** Which faults the runtime's handlers in the target take: `access` to guarded memory, or `all`. */
  readonly faults: "none" | "access" | "all";
  /** Numbers of system calls that seccomp filters must permit, or the call is refused. */
  readonly needs: readonly number[];
  /** Address of the runtime's lock word: its holder is not borrowed. 0n: there is none. */
  readonly lock: bigint;
  /** Address of the runtime's words about stops at system calls. 0n: there are none. */
  readonly stops: bigint;
  /** Called again, on a thread chosen anew, while it returns 1 and for about so long; 0: once. */
  readonly repeatMs: number;
}

/** A thread for a call; with `pc` and `sp` only as long as it stands there, 0n and 0n: anywhere. */
export interface CallCandidate {
  readonly tid: number;
  readonly pc: bigint;
  readonly sp: bigint;
  /** Number of the system call that it was seen in there, 0 if unknown. */
  readonly call: number;
}

export interface RemoteCallOutcome {
  /** `kept`: from ending the program or the thread; `running`: finishes by itself; `left`: by longjmp. */
  readonly outcome: "returned" | "crashed" | "kept" | "timed-out" | "running" | "left";
  readonly integers: readonly [bigint, bigint];
  readonly vector: Buffer;
  readonly signal: number;
  readonly pc: bigint;
  /** Where a fault was. */
  readonly address: bigint;
  readonly tid: number;
  readonly heldUs: number;
}

/** Bytes that change at one function's entry, inside one page. */
export interface EntryChange {
  readonly address: bigint;
  readonly expected: Uint8Array;
  readonly bytes: Uint8Array;
  /** Instruction starts inside the bytes (the entry itself excepted), and where a thread found there goes on. */
  readonly moves: readonly (readonly [from: bigint, to: bigint])[];
}

export interface WindowResult {
  readonly stoppedThreads: number;
  /** Longest hold of any one thread, microseconds. */
  readonly stallUs: number;
  /** Longest hold of a thread that was running. */
  readonly runningStallUs: number;
  readonly movedThreads: number;
  readonly attempts: number;
}

export interface Addon {
  // memory/
  /** Throws NO_SUCH_PROCESS, PERMISSION. */
  openTarget(pid: number): TargetHandle;
  targetAlive(target: TargetHandle): boolean;
  /** One injector at a time; false if another has it. Goes with our process, however it ends. */
  lockTarget(target: TargetHandle): boolean;
  unlockTarget(target: TargetHandle): void;
  /** Clock ticks since boot. */
  targetStartTime(target: TargetHandle): bigint;
  /** Exactly `length` bytes; throws UNREADABLE, TARGET_GONE. */
  readMemory(target: TargetHandle, from: bigint, length: number): Buffer;
  /** Up to `length` bytes, fewer where memory ends. */
  readMemorySome(target: TargetHandle, from: bigint, length: number): Buffer;
  /** Read-only private pages are written too (copied first); throws UNWRITABLE, TARGET_GONE. */
  writeMemory(target: TargetHandle, to: bigint, bytes: Uint8Array): void;
  /** One address space in two processes. */
  sharesMemory(pid: number, other: number): boolean;
  // tracer/
  /** `onEvent` hears of followed processes that are born, execute another program or end. */
  createTracer(onEvent: (kind: TracerEvent, pid: number, parent: number) => void): TracerHandle;
  /** Ends the tracer thread; the kernel lets every tracee go on. */
  tracerClose(tracer: TracerHandle): void;
  /** Seizes all threads of a process and of children born from now on, without stopping any; resolves to their number. */
  tracerFollow(tracer: TracerHandle, target: TargetHandle): Promise<number>;
  /**
   * Followed processes that execute a program of one of these names (base names, or paths where
   * they have a slash) are stopped at its entry point from now on; those that execute another are
   * let go for good. A second watchdog kills us if processes stand there for 5 s with none resumed.
   */
  tracerWatchStarts(tracer: TracerHandle, programs: readonly string[]): Promise<void>;
  /** Lets a process go on from its program's entry point; nothing happens to one that stands nowhere. */
  tracerResume(tracer: TracerHandle, pid: number): Promise<void>;
  /** Runs system calls on one thread of the target that survives our death at any instant. */
  tracerBorrow(
    tracer: TracerHandle,
    target: TargetHandle,
    calls: readonly RemoteCall[],
  ): Promise<BorrowResult>;
  /** The install window; see window.h. */
  tracerInstall(
    tracer: TracerHandle,
    target: TargetHandle,
    changes: readonly EntryChange[],
    limitUs: number,
  ): Promise<WindowResult>;
  /**
   * Copies of all threads' registers and stacks, each held for microseconds.
   * @param unblock signals that are taken out of the threads' masks on the way; bit 0 is signal 1
   */
  tracerSnapshot(
    tracer: TracerHandle,
    target: TargetHandle,
    mostStack: number,
    unblock?: bigint,
  ): Promise<{
    readonly threads: readonly (ThreadSnapshot & { readonly heldUs: number })[];
    readonly missed: readonly number[];
  }>;
  /** Runs a function on the first of the threads that fits; it runs freely, as all others do. */
  tracerCall(
    tracer: TracerHandle,
    target: TargetHandle,
    call: RemoteFunctionCall,
    candidates: readonly CallCandidate[],
  ): Promise<RemoteCallOutcome>;
  /**
   * Has the call that a thread is blocked in made again at `runtime`, the address of `polus_blocked`
   * (polus_runtime.h); false: it was in no such call, not with that stack pointer, or its stack has no room.
   */
  tracerMoveCall(
    tracer: TracerHandle,
    target: TargetHandle,
    tid: number,
    number: number,
    sp: bigint,
    runtime: bigint,
  ): Promise<boolean>;
  /** All ranges while all threads are held; see moment.h. `null` where not all of a range is readable. */
  tracerReadTogether(
    tracer: TracerHandle,
    target: TargetHandle,
    ranges: readonly { readonly address: bigint; readonly length: number }[],
  ): Promise<{
    readonly contents: readonly (Buffer | null)[];
    readonly held: boolean;
    readonly heldUs: number;
  }>;
  /** Compares all, then writes all or nothing, while all threads are held; see moment.h. */
  tracerWriteTogether(
    tracer: TracerHandle,
    target: TargetHandle,
    changes: readonly {
      readonly address: bigint;
      readonly bytes: Uint8Array;
      /** As long as `bytes`. */
      readonly expected?: Uint8Array;
    }[],
  ): Promise<{
    readonly written: boolean;
    readonly before: readonly Buffer[];
    readonly unexpected: readonly number[];
    readonly heldUs: number;
  }>;
  /** Counts one numbered failure point; see fault.h. */
  faultPoint(): void;
  faultPointsReached(): number;
  // symbols/
  openModule(
    path: string,
    options: { readonly loadAddress: bigint; readonly root?: string },
  ): ModuleHandle;
  /** A patch's image, or the runtime's, as it lies in a process: its code and call frame information, no symbols. */
  openLoadedImage(target: TargetHandle, name: string, base: bigint, size: bigint): ModuleHandle;
  /** Build-id of an ELF file by its section headers, without reading the whole; `null` if they name none. */
  fileBuildId(path: string): string | null;
  moduleInfo(module: ModuleHandle): ModuleInfo;
  /** All symbols of that name (aliases of other names excluded), locals of every file included. */
  findSymbols(module: ModuleHandle, name: string): ElfSymbol[];
  /** Best symbol that covers the address, `null` if none. */
  symbolAt(module: ModuleHandle, address: bigint): ElfSymbol | null;
  /** Start of the next function symbol after `address`, or the end of its text segment. */
  nextFunctionStart(module: ModuleHandle, address: bigint): bigint;
  /** Names of all functions, for suggestions and completion. */
  functionNames(module: ModuleHandle): string[];
  /** Path of the compilation unit by DWARF, `null` without DWARF. */
  sourceOf(module: ModuleHandle, address: bigint): string | null;
  /** What the file holds at that run-time address; throws OUT_OF_RANGE. */
  fileBytes(module: ModuleHandle, address: bigint, length: number): Buffer;
  moduleRelocations(module: ModuleHandle): ModuleRelocation[];
  // types/
  /** Everything of that name at file scope, enumerators included; empty without DWARF. */
  debugNames(module: ModuleHandle, name: string): DebugName[];
  /** Variables of that name with a fixed place in functions of that name. */
  debugStatics(module: ModuleHandle, functionName: string, name: string): DebugName[];
  /** Up to `limit` names that begin so, sorted. */
  debugBeginning(
    module: ModuleHandle,
    kind: "variable" | "function" | "type" | "source",
    prefix: string,
    limit: number,
  ): string[];
  /** A type by the number that the functions above gave. */
  debugType(module: ModuleHandle, type: number): DebugType;
  // objects/
  readPatchObject(bytes: Uint8Array): PatchObject;
  // entries/
  /**
   * @param code bytes from the function's entry on, at least 64 where there are that many
   * @param minimum bytes that will be overwritten (5)
   * @param room bytes up to the next symbol
   * @param size size of the function by its symbol, 0 if unknown
   */
  relocateEntry(
    code: Uint8Array,
    options: {
      readonly address: bigint;
      readonly minimum: number;
      readonly room: number;
      readonly size: number;
      readonly destination: bigint;
    },
  ): RelocatedEntry;
  /** Of the given ranges [start, end) those into which a branch or jump table of the module leads, with the address of the branch. */
  branchesInto(
    module: ModuleHandle,
    ranges: readonly { readonly start: bigint; readonly end: bigint }[],
  ): { readonly range: number; readonly from: bigint; readonly to: bigint }[];
  /** Starts of the instructions in [start, end), in order, `start` being one; `null` unless one ends at `end`. */
  instructionsIn(module: ModuleHandle, start: bigint, end: bigint): bigint[] | null;
  /**
   * Ranges between functions that overlap [start, end), hold nothing but nops and int3, and that
   * nothing executes.
   */
  deadPadding(
    module: ModuleHandle,
    start: bigint,
    end: bigint,
  ): { readonly start: bigint; readonly end: bigint }[];
  /**
   * Calls across which a caller keeps values in registers that the ABI lets a callee change, because
   * the compiler saw that this one does not (gcc's -fipa-ra).
   * @param functions run-time starts of functions of `module`
   * @param libraries where the code of functions of other modules is looked for, in the loader's order
   */
  callersKeeping(
    module: ModuleHandle,
    functions: readonly bigint[],
    libraries: readonly ModuleHandle[],
  ): KeptAcross[];
  /**
   * Registers that a call of the function at a link-time address of a patch object may change,
   * named by their widest form (`zmm3`); `null` if that cannot be told, so any that the ABI allows.
   */
  writtenRegisters(bytes: Uint8Array, address: bigint): string[] | null;
  // transfers/
  /**
   * Fields that a forward or backward function merely copies, whatever the objects hold; see plain_fields.h.
   * @param address link-time address of the function in the patch object
   * @param calls slots of the global offset table, and what they lead to
   */
  plainFields(
    bytes: Uint8Array,
    address: bigint,
    calls: readonly { readonly slot: bigint; readonly call: "twin" | "copy" | "end" }[],
  ): PlainField[];
  // unwind/
  unwind(
    pid: number,
    modules: readonly ModuleHandle[],
    thread: ThreadSnapshot,
    maxFrames: number,
  ): { readonly frames: UnwoundFrame[]; readonly incomplete: string | null };
}

function load(): Addon {
  const here = dirname(fileURLToPath(import.meta.url));
  const tried: string[] = [];
  // Sources run from native/addon/, compiled files from dist/native/addon/.
  for (const up of ["../..", "../../.."]) {
    const candidate = join(here, up, "build", "Release", "polus.node");
    tried.push(candidate);
    if (existsSync(candidate)) return createRequire(import.meta.url)(candidate) as Addon;
  }
  throw new Error(
    `the native addon is not built; run scripts/setup (looked for ${tried.join(", ")})`,
  );
}

/** The one instance of the addon. */
export const addon: Addon = load();
