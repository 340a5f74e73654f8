/** Makes the diagnostics that the interpreter itself has to tell; those of a script's text are lang's. */
import type { Diagnostic, Note, Severity } from "../lang/diagnostics/diagnostic.js";
import { nearestFew } from "../lang/diagnostics/suggest.js";
import { SourceFile, type Span } from "../lang/source.js";
import type { EngineError, UpdateRequest } from "../native/engine.js";
import type { CheckedData, CheckedPatch, CheckedUpdate, Located } from "../lang/check/checked.js";

export interface DiagnosticParts {
  readonly severity?: Severity;
  /** Stable, lower case with hyphens: `unknown-function`. */
  readonly code: string;
  readonly message: string;
  readonly span?: Span | undefined;
  readonly notes?: readonly Note[];
  /** Nearest existing name or what to do instead. */
  readonly suggestion?: string | null | undefined;
}

export function diagnose(parts: DiagnosticParts): Diagnostic {
  const { severity = "error", code, span, notes = [], suggestion } = parts;
  return {
    severity,
    code,
    message: parts.message.replace(/\.$/, ""),
    ...(span === undefined ? {} : { span }),
    notes,
    ...(suggestion === null || suggestion === undefined ? {} : { suggestion }),
  };
}

/** The beginning of a file whose text is not at hand. */
export function fileSpan(path: string): Span {
  return new SourceFile(path, "").span(0, 0);
}

/** `NO_SUCH_PROCESS` as diagnostics spell codes: `no-such-process`. */
export function codeOfEngine(code: string): string {
  return code.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

const mostSuggestions = 3;

/** What the person can do: nearest names, then the engine's own advice. */
function suggestionOf(error: EngineError): string | null {
  const { candidates = [], help, subject } = error.details;
  const few =
    candidates.length <= mostSuggestions || subject === undefined
      ? candidates.slice(0, mostSuggestions)
      : nearestFew(subject, candidates, mostSuggestions);
  const names = few.map((name) => `\`${name}\``);
  const last = names.pop();
  const nearest =
    last === undefined
      ? null
      : `did you mean ${names.length === 0 ? last : `${names.join(", ")} or ${last}`}?`;
  return [nearest, help ?? null].filter((part) => part !== null).join(" ") || null;
}

/** What an engine's error is about, as far as the caller knows. */
export interface ErrorSubject {
  readonly update?: CheckedUpdate | undefined;
  readonly request?: UpdateRequest | undefined;
}

/** An engine's error, at the words of the update that it is about. */
export function diagnoseEngineError(error: EngineError, about: ErrorSubject = {}): Diagnostic {
  const { update, request } = about;
  return diagnose({
    code: codeOfEngine(error.code),
    message: error.message,
    span: update === undefined ? undefined : (spanOfSubject(error, update, request) ?? update.span),
    suggestion: suggestionOf(error),
  });
}

/** Where the script names what an error is about; `undefined` where nothing matches. */
function spanOfSubject(
  error: EngineError,
  update: CheckedUpdate,
  request: UpdateRequest | undefined,
): Span | undefined {
  const { subject } = error.details;
  if (error.code.includes("BUILD_ID")) {
    const place = update.target?.buildId?.span;
    if (place !== undefined) return place;
  }
  if (subject !== undefined) {
    for (const patch of update.patches) {
      for (const replacement of patch.replacements) {
        for (const word of [replacement.function, replacement.with, replacement.scope]) {
          if (word?.value === subject) return word.span;
        }
      }
    }
    for (const item of update.patches.flatMap((patch) => patch.data)) {
      if (item.name === subject) return item.span;
      const word = wordsOf(item).find(({ value }) => value === subject);
      if (word !== undefined) return word.span;
    }
    for (const patch of update.patches) {
      if (patch.name === subject) return patch.span;
      if (patch.source.kind !== "inline" && patch.source.path === subject) return patch.source.span;
    }
    for (const point of update.points) {
      if (point.name === subject) return point.span;
    }
    if (update.target?.exe?.value === subject) return update.target.exe.span;
  }
  return patchThatMentions(subject, update, request)?.source.span;
}

/** What a data item names in the patch and the program. */
function wordsOf({ objects, forward, backward }: CheckedData): readonly Located<string>[] {
  const own =
    objects.kind === "global"
      ? [objects.new, objects.scope]
      : [objects.each, objects.onNew, objects.onFree].flatMap((named) => [named, named?.scope]);
  return [forward, backward, ...own].filter((word) => word !== undefined);
}

/** The one patch that holds a name (an import, say) among its strings; the only one if there is but one. */
function patchThatMentions(
  subject: string | undefined,
  update: CheckedUpdate,
  request: UpdateRequest | undefined,
): CheckedPatch | undefined {
  const [only, ...others] = update.patches;
  if (others.length === 0) return only;
  if (subject === undefined || subject === "" || request === undefined) return undefined;
  const name = Buffer.from(`\0${subject}\0`);
  const holders = request.patches.filter(({ bytes }) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(name),
  );
  return holders.length === 1
    ? update.patches.find((patch) => patch.name === holders[0]?.name)
    : undefined;
}

/** An internal error as a diagnostic: one sentence, never a stack. */
export function diagnoseInternal(error: unknown): Diagnostic {
  const reason = error instanceof Error ? error.message : String(error);
  return diagnose({
    code: "internal",
    message: `internal error: ${reason.split("\n")[0] ?? ""}`,
    suggestion: "this is a fault of polus itself; --debug shows where",
  });
}
