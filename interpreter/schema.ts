/**
 * Schemas of everything that is read from or written to files and pipes, and the
 * one module that imports @effect/schema. It takes a fifth of a second to load:
 * import it dynamically and only where there is something to validate; its types
 * may be imported anywhere (`import type`).
 */
import * as Schema from "@effect/schema/Schema";
import { TreeFormatter } from "@effect/schema";
import { isLeft } from "effect/Either";
import { outcomes } from "./outcome.js";

const digest = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/));
const natural = Schema.Number.pipe(Schema.int(), Schema.nonNegative());
const pid = Schema.Number.pipe(Schema.int(), Schema.positive());
const isoTime = Schema.String.pipe(Schema.pattern(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/));

const address = Schema.String.pipe(Schema.pattern(/^0x[0-9a-f]{1,16}$/));
/** In the order of memory. */
const bytes = Schema.String.pipe(Schema.pattern(/^([0-9a-f]{2})*$/));

const outcome = Schema.Literal(...outcomes);

// --- settings ---------------------------------------------------------------------

/** `settings.json`; every member may be missing. */
export const Settings = Schema.Struct({
  colour: Schema.optional(Schema.Literal("auto", "never")),
  /** Folder of the journal, absolute. */
  journal_folder: Schema.optional(Schema.String.pipe(Schema.startsWith("/"))),
  /** How long compiling one patch's C source may take, seconds. */
  compile_deadline_s: Schema.optional(Schema.Number.pipe(Schema.between(1, 3600))),
  /** Longest time between two looks while waiting for completion, milliseconds. */
  completion_poll_max_ms: Schema.optional(Schema.Number.pipe(Schema.between(10, 60_000))),
  /** The C compiler for `from "x.c"` and inline C. */
  c_compiler: Schema.optional(Schema.NonEmptyString),
});
export type Settings = Schema.Schema.Type<typeof Settings>;

// --- journal ----------------------------------------------------------------------

const common = {
  time: isoTime,
  /** One run of the command; a UUID. */
  run: Schema.UUID,
};

const journalPatch = Schema.Struct({
  name: Schema.String,
  digest,
  functions: Schema.Array(Schema.String),
});

export const JournalRecord = Schema.Union(
  Schema.Struct({
    ...common,
    record: Schema.Literal("begin"),
    version: Schema.String,
    command: Schema.String,
    arguments: Schema.Array(Schema.String),
    process: pid,
    user: natural,
    /** Who called sudo, if anybody did. */
    invoking_user: Schema.NullOr(natural),
  }),
  Schema.Struct({
    ...common,
    record: Schema.Literal("script"),
    path: Schema.String,
    digest,
    files: Schema.Array(Schema.Struct({ path: Schema.String, digest })),
  }),
  Schema.Struct({
    ...common,
    record: Schema.Literal("operation-begin"),
    operation: Schema.Literal("apply", "rollback", "recover"),
    pids: Schema.Array(pid),
    update: Schema.NullOr(Schema.String),
    point: Schema.NullOr(Schema.String),
    patches: Schema.Array(journalPatch),
  }),
  Schema.Struct({
    ...common,
    record: Schema.Literal("operation-end"),
    operation: Schema.Literal("apply", "rollback", "recover"),
    pids: Schema.Array(pid),
    update: Schema.NullOr(Schema.String),
    point: Schema.NullOr(Schema.String),
    result: Schema.Literal("done", "skipped", "invalid", "refused", "failed", "inconsistent"),
    functions: natural,
    stall_us_max: Schema.Number.pipe(Schema.nonNegative()),
    error: Schema.NullOr(Schema.Struct({ code: Schema.String, message: Schema.String })),
  }),
  Schema.Struct({
    ...common,
    record: Schema.Literal("write"),
    pid,
    /** As the script names it. */
    place: Schema.String,
    address,
    before: bytes,
    after: bytes,
    why: Schema.Literal("script", "undo"),
  }),
  Schema.Struct({
    ...common,
    record: Schema.Literal("end"),
    outcome,
    state: Schema.NullOr(Schema.String),
    duration_ms: Schema.Number.pipe(Schema.nonNegative()),
  }),
);
export type JournalRecord = Schema.Schema.Type<typeof JournalRecord>;

// --- lines of --json --------------------------------------------------------------

const lineTime = { time: isoTime };

const DiagnosticLine = Schema.Struct({
  event: Schema.Literal("diagnostic"),
  ...lineTime,
  severity: Schema.Literal("error", "warning"),
  code: Schema.String.pipe(Schema.pattern(/^[a-z][a-z0-9-]*$/)),
  file: Schema.NullOr(Schema.String),
  line: Schema.NullOr(natural),
  column: Schema.NullOr(natural),
  message: Schema.NonEmptyString,
  suggestion: Schema.NullOr(Schema.String),
});

const PrintLine = Schema.Struct({
  event: Schema.Literal("print"),
  ...lineTime,
  pid: Schema.NullOr(pid),
  values: Schema.Array(Schema.Struct({ text: Schema.String, type: Schema.String })),
});

const DoneLine = Schema.Struct({
  event: Schema.Literal("done"),
  ...lineTime,
  outcome,
  pids: Schema.Array(pid),
  functions: natural,
  patches: natural,
  stall_us_max: Schema.Number.pipe(Schema.nonNegative()),
  stopped_threads_max: natural,
  duration_ms: Schema.Number.pipe(Schema.nonNegative()),
  state: Schema.optional(Schema.String),
  completion: Schema.optional(Schema.Literal("complete", "pending")),
  held_by: Schema.optional(Schema.Array(Schema.Struct({ pid, tid: pid, function: Schema.String }))),
  warnings: Schema.optional(Schema.Array(Schema.String)),
});

/** Any line of progress: an event's name, a time and members of its own. */
const ProgressLine = Schema.Struct(
  {
    event: Schema.String.pipe(
      Schema.pattern(/^[a-z][a-z_]*$/),
      Schema.filter((name) => name !== "done" && name !== "print" && name !== "diagnostic"),
    ),
    ...lineTime,
  },
  Schema.Record({ key: Schema.String, value: Schema.Unknown }),
);

/** One line of standard output with `--json` (`status` apart). */
export const OutputLine = Schema.Union(DoneLine, DiagnosticLine, PrintLine, ProgressLine);
export type OutputLine = Schema.Schema.Type<typeof OutputLine>;

const dataLine = Schema.Struct({
  state: Schema.Literal("converting", "coexisting", "lifting", "complete", "retired"),
  items: Schema.Array(Schema.String),
  objects: natural,
  done: natural,
  stray: natural,
  stray_at: Schema.optional(Schema.String),
});

/** One line of `polus status --json`. */
export const StatusLine = Schema.Struct({
  pid,
  exe: Schema.String,
  build_id: Schema.NullOr(Schema.String),
  updates: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      points: Schema.Array(Schema.String),
      patches: Schema.Array(
        Schema.Struct({ ...journalPatch.fields, data: Schema.optional(dataLine) }),
      ),
      state: Schema.Literal("active", "completing", "prepared", "interrupted", "rolled-back"),
      applied_at: Schema.String,
      /** What keeps both versions of its data in use, with the state `completing`. */
      held_by: Schema.optional(
        Schema.Array(Schema.Struct({ tid: pid, function: Schema.String, since: Schema.String })),
      ),
    }),
  ),
  /** Where an update has changed data. */
  runtime: Schema.optional(
    Schema.Struct({
      guarded_pages: natural,
      traps: natural,
      transfers: natural,
      slow: natural,
      rewritten: natural,
      forked: natural,
      damaged: Schema.Boolean,
    }),
  ),
});
export type StatusLine = Schema.Schema.Type<typeof StatusLine>;

// --- constructed patches ------------------------------------------------------------

/** `version.json` of a constructed patch (patchgen/output/version_file.ts says what each means). */
export const VersionFile = Schema.Struct({
  format: Schema.Literal(1),
  version: Schema.Number.pipe(Schema.int(), Schema.greaterThan(1)),
  root: Schema.String.pipe(Schema.startsWith("/")),
  /** A name in the patch's own folder. */
  object: Schema.String.pipe(Schema.pattern(/^[^/\0]+\.so$/)),
  files: Schema.Array(
    Schema.Struct({
      file: Schema.String.pipe(Schema.pattern(/^[^/\0]+$/)),
      source: Schema.NonEmptyString,
      directory: Schema.String.pipe(Schema.startsWith("/")),
      arguments: Schema.NonEmptyArray(Schema.String),
    }),
  ),
  replaces: Schema.Array(
    Schema.Struct({
      function: Schema.NonEmptyString,
      file: Schema.NullOr(Schema.String),
      with: Schema.NonEmptyString,
      because: Schema.Array(Schema.String),
    }),
  ),
  defines: Schema.Array(Schema.String),
  data: Schema.Array(
    Schema.Struct({
      name: Schema.NonEmptyString,
      kind: Schema.Literal("global", "heap"),
      file: Schema.NullOr(Schema.String),
      how: Schema.Literal("layout", "contains", "points"),
      oldSize: Schema.Number.pipe(Schema.int(), Schema.greaterThan(0)),
      newSize: Schema.Number.pipe(Schema.int(), Schema.greaterThan(0)),
      forward: Schema.NonEmptyString,
      backward: Schema.NonEmptyString,
    }),
  ),
  shadowed: Schema.Array(
    Schema.Struct({
      record: Schema.NonEmptyString,
      field: Schema.NonEmptyString,
      key: Schema.Number.pipe(Schema.int(), Schema.nonNegative()),
    }),
  ),
  marks: Schema.Array(Schema.String),
  copies: Schema.Array(
    Schema.Struct({ source: Schema.String, functions: Schema.Array(Schema.String) }),
  ),
});

// --- validation -------------------------------------------------------------------

export type Validated<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Checks a value against a schema; members that the schema does not know are an error. */
export function validate<T, E>(schema: Schema.Schema<T, E>, value: unknown): Validated<T> {
  const result = Schema.decodeUnknownEither(schema, { onExcessProperty: "error" })(value);
  return isLeft(result)
    ? { ok: false, problem: TreeFormatter.formatErrorSync(result.left) }
    : { ok: true, value: result.right };
}
