/** The language in tables, for people: what the REPL's help and the reference pages are made of. */

export interface StatementEntry {
  /** The first word, by which it is looked up. */
  readonly word: string;
  readonly form: string;
  readonly about: string;
}

export const statementEntries: readonly StatementEntry[] = [
  {
    word: "set",
    form: "set PLACE = EXPR",
    about: "changes a variable of the program, or of the script",
  },
  { word: "let", form: "let NAME = EXPR", about: "a variable of the script" },
  {
    word: "print",
    form: "print EXPR, …",
    about: "shows values; in the REPL a bare expression does the same",
  },
  {
    word: "assert",
    form: 'assert EXPR, "message"',
    about: "fails when it does not hold; the message may be left out",
  },
  {
    word: "if",
    form: "if (EXPR) { … } else { … }",
    about: "one of two blocks; `else if` goes on",
  },
  {
    word: "while",
    form: "while (EXPR) { … }",
    about: "as long as it holds, at most 1,000,000 times",
  },
  { word: "for", form: "for NAME in EXPR { … }", about: "each element of a list or an array" },
  { word: "break", form: "break", about: "leaves the loop" },
  { word: "continue", form: "continue", about: "goes on with the loop's next turn" },
  { word: "sleep", form: "sleep 5s", about: "lets time pass; the program runs on" },
  {
    word: "wait",
    form: "wait until EXPR within 5s",
    about: "fails when it does not come to hold in time",
  },
  {
    word: "call",
    form: "call f(ARGS)",
    about: "runs a function of the program; `let x = call f(1)` takes its result",
  },
  { word: "return", form: "return EXPR", about: "ends a recipe, with a value or without" },
  {
    word: "apply",
    form: "apply UPDATE",
    about: "applies a declared update, in all processes at once",
  },
  { word: "rollback", form: "rollback to UPDATE.POINT", about: "takes an update back to a point" },
  { word: "warn", form: 'warn "message"', about: "tells something, and goes on" },
  {
    word: "fail",
    form: 'fail "message"',
    about: "ends the script; what it has done is taken back",
  },
  { word: "import", form: 'import "std/NAME"', about: "takes recipes over from a file" },
  {
    word: "const",
    form: "const NAME = EXPR",
    about: "a name for a value; `--var NAME=VALUE` gives another",
  },
  {
    word: "recipe",
    form: "recipe NAME(A, B) { … }",
    about: "declares statements to be used again",
  },
  {
    word: "update",
    form: "update NAME { … }",
    about: "declares an update; `apply NAME` applies it",
  },
  {
    word: "patch",
    form: "patch NAME { c { … } replace f }",
    about:
      "in the REPL: C typed in, compiled and applied at once as an update of its own; what the C leaves undefined is the program's; `.undo` takes it back",
  },
];

export interface BuiltinEntry {
  /** What it gives. */
  readonly about: string;
  /** Members of it, or of each of its elements, with what they are. */
  readonly members: Readonly<Record<string, string>>;
}

export const builtinEntries: Readonly<Record<string, BuiltinEntry>> = {
  list: {
    about: "the elements of a linked list from `head` on, by the member `next`; damage is an error",
    members: {},
  },
  chain: {
    about: "the same, but a list that is damaged ends where the damage is",
    members: {},
  },
  children: {
    about: "the process's child processes",
    members: { pid: "id", exe: "executable", user: "user id", threads: "how many threads" },
  },
  threads: {
    about: "the process's threads",
    members: { tid: "id", name: "name", state: "one letter, as ps shows", cpu: "time used" },
  },
  files: {
    about: "open file descriptors",
    members: {
      fd: "number",
      path: "as /proc/PID/fd names it",
      kind: '"file", "directory", "socket", "pipe", "device" or "other"',
      position: "offset in bytes",
      flags: "as open(2) has them",
    },
  },
  maps: {
    about: "mapped memory, by address",
    members: {
      start: "first address",
      end: "address behind it",
      size: "in bytes",
      permissions: "such as `rw-p`",
      offset: "in the file",
      path: "file, or a name in brackets",
      deleted: "whether the file is gone",
      polus: "whether it belongs to an update",
      readable: "whether it may be read",
      writable: "whether it may be written",
      executable: "whether it may be executed",
    },
  },
  imports: {
    about: "slots through which modules call functions of others (GOT)",
    members: {
      name: "the function",
      module: "whose slot it is",
      slot: "where it lies",
      definition: "what it should hold",
      library: "where that is",
      indirect: "whether an IFUNC chooses it",
      lazy: "what it holds before the first call",
    },
  },
  stack: {
    about: "frames of a thread's stack, the innermost first",
    members: {
      pc: "address of the next instruction",
      function: "name",
      offset: "bytes into the function",
      module: "file",
    },
  },
  bytes: { about: "`n` bytes of memory from an address on", members: {} },
  disk: { about: "what the mapped file holds at the place of an address", members: {} },
  memory: {
    about: "how much memory is in use",
    members: {
      virtual: "mapped",
      resident: "in memory",
      data: "private and writable",
      swapped: "on disk",
    },
  },
  now: { about: "time since an unnamed beginning: differences are what counts", members: {} },
};
