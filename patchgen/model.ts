/**
 * What the parts of the patch constructor tell each other: plain data, no behaviour.
 *
 *     trees/ → Tree → detect/ → Detection → redirect/ → Redirection → extract/, transfer/, report
 */

/** One compilation of one C file. */
export interface TranslationUnit {
  /** Path relative to the tree's root, with `/`, without `.` and `..`: the same in both trees. */
  readonly source: string;
  /** Absolute: the compiler's working directory. */
  readonly directory: string;
  /**
   * The compiler and its options, as an argument vector: neither the source, nor what says what is
   * written where (`-c`, `-o`, `-M…`).
   */
  readonly arguments: readonly string[];
  /** Absolute path of the object file that this command makes; it need not be there any more. */
  readonly object: string;
}

/** One version of a program's source, built at least once (generated headers are there). */
export interface Tree {
  /** Absolute, symbolic links resolved. */
  readonly root: string;
  /** Sorted by source; each source once (of several compilations the one for the program, PIC preferred). */
  readonly units: readonly TranslationUnit[];
  /** C++ files: they cannot be patched, but must not differ. Sorted by source. */
  readonly others: readonly TranslationUnit[];
}

/**
 * Why a function is in the patch:
 * - `added`, `removed`: only one version has it;
 * - `body`: other meaning (the compiler's output at -O0 differs);
 * - `binary`: other code at the build's own flags, by inlining or interprocedural optimisation;
 * - `refers-to-data`: same code, but it names data whose contents changed and that a patch holds anew;
 * - `hosts-inline`: the running binary has inlined a changed function into it;
 * - `calls-clone`: the running binary calls a clone (`.isra`, `.constprop`, `.part`) of a changed function;
 * - `relies-on-callee`: it keeps registers or stack alignment across a call as a changed callee's
 *   old code permitted (`-fipa-ra`, `-fipa-stack-alignment`);
 * - `allocates`: it allocates objects of a type of which there are two versions;
 * - `receives`: it gets such objects from a changed function;
 * - `holds`: it has such objects on its stack, or names read-only ones;
 * - `passes`: it gives on the address of such an object that it is given.
 */
export type ReasonKind =
  | "added"
  | "removed"
  | "body"
  | "binary"
  | "refers-to-data"
  | "hosts-inline"
  | "calls-clone"
  | "relies-on-callee"
  | "allocates"
  | "receives"
  | "holds"
  | "passes";

export interface Reason {
  readonly kind: ReasonKind;
  /** The function or the data that it is about, where that is another than the one that has the reason. */
  readonly of?: string;
}

export interface FunctionChange {
  readonly name: string;
  readonly static: boolean;
  readonly how: "changed" | "added" | "removed";
  /** At least one. */
  readonly reasons: readonly Reason[];
  /** Whether the old build has an out-of-line copy under exactly this name (never for `added`). */
  readonly symbol: boolean;
  /** Parameters or result differ, by the debug information. */
  readonly signature: boolean;
}

/**
 * What became of an object of static storage duration: `initialiser`: same layout, other contents;
 * `layout`: other size or type; `grown`: an array that gained elements, those before unchanged or not;
 * `linkage`: became static or global.
 */
export type DataHow = "added" | "removed" | "initialiser" | "layout" | "grown" | "linkage";

export interface DataChange {
  /** As the source spells it, without the compiler's numeric suffix. */
  readonly name: string;
  readonly static: boolean;
  /** The function whose static local it is. */
  readonly function: string | null;
  readonly how: DataHow;
  /** In read-only memory: nothing that the program wrote is lost by taking the new contents. */
  readonly readOnly: boolean;
  /** Symbol in the old build (`v.18` of a static local), `null` if it has none. */
  readonly oldSymbol: string | null;
  /** Bytes; 0 where the version does not have it. */
  readonly oldSize: number;
  readonly newSize: number;
  /** Names of the changed types (`TypeChange.name`) that it contains, which make it `layout`. */
  readonly types: readonly string[];
}

/** How one member of a struct or union compares. Offsets and sizes in bytes. */
export interface MemberChange {
  readonly name: string;
  /** `contained`: same place and size, but its type contains one that changed. */
  readonly how: "added" | "removed" | "moved" | "resized" | "retyped" | "contained";
  readonly oldOffset: number | null;
  readonly newOffset: number | null;
}

/** A struct, union or enum whose layout or values differ between the versions. */
export interface TypeChange {
  /** `struct kex`, `union u`, `enum e`, or a typedef's name for an anonymous one. */
  readonly name: string;
  readonly kind: "struct" | "union" | "enum";
  /** Only a type that it contains by value changed. */
  readonly onlyContained: boolean;
  readonly oldSize: number | null;
  readonly newSize: number | null;
  /** Of a struct or union. */
  readonly members: readonly MemberChange[];
  /** Units (sources) that see the new version of it. */
  readonly units: readonly string[];
}

/** A function as one build of a unit has it. */
export interface FunctionSymbol {
  /** Without the compiler's suffixes. */
  readonly name: string;
  readonly static: boolean;
  /** False: it is inlined everywhere, or only clones of it exist. */
  readonly symbol: boolean;
  /** Full names of its clones: `f.isra.0`, `f.cold`. */
  readonly clones: readonly string[];
}

/** An object of static storage duration as one build of a unit has it. */
export interface DataSymbol {
  readonly name: string;
  /** `name` or, of a static local, `name.18`; what the symbol table of the program holds. */
  readonly symbol: string;
  readonly static: boolean;
  /** The function whose static local it is. */
  readonly function: string | null;
  readonly size: number;
  readonly readOnly: boolean;
}

/** All that one build of a unit defines. */
export interface UnitSymbols {
  readonly functions: readonly FunctionSymbol[];
  readonly data: readonly DataSymbol[];
}

/** What differs in one unit; units without a difference in meaning are not told. */
export interface UnitChange {
  readonly source: string;
  /** `null`: the unit is new. */
  readonly old: TranslationUnit | null;
  /** `null`: the unit is gone. */
  readonly new: TranslationUnit | null;
  /** Sorted by name. */
  readonly functions: readonly FunctionChange[];
  readonly data: readonly DataChange[];
  /** What the old unit defines as it was built: what a patch can refer to. Empty if the unit is new. */
  readonly oldSymbols: UnitSymbols;
  /** What the new unit defines at the build's own flags. Empty if the unit is gone. */
  readonly newSymbols: UnitSymbols;
}

export interface Detection {
  readonly old: Tree;
  readonly new: Tree;
  /** Only those that differ, sorted by source. */
  readonly units: readonly UnitChange[];
  readonly types: readonly TypeChange[];
  readonly statistics: {
    readonly units: number;
    /** Same preprocessed text: never compiled. */
    readonly skipped: number;
    /** Answered by the cache. */
    readonly cached: number;
    readonly seconds: number;
  };
}

/** One function of the running binary that gets a new version. */
export interface Redirection {
  readonly source: string;
  readonly name: string;
  /** Symbol to redirect; the plain name, or a clone's. */
  readonly symbol: string;
  readonly static: boolean;
  readonly reasons: readonly Reason[];
}

/** A changed function that some code of the running binary goes on executing in its old version. */
export interface Unreached {
  readonly source: string;
  readonly name: string;
  /** `endless-host`: its only copy is inlined in a function that may never return. */
  readonly why: "endless-host" | "no-room" | "no-symbol";
  /** The function that holds the old copy, where there is one. */
  readonly host: string | null;
  /** What would help, a sentence. */
  readonly help: string;
}

export interface RedirectPlan {
  readonly redirections: readonly Redirection[];
  readonly unreached: readonly Unreached[];
}
