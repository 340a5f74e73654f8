/**
 * Every message of the front end: code, severity, text. Codes are stable; texts may
 * get better. Names in a text stand in backquotes, as they are written in the script.
 */
import type { Span } from "../source.js";
import type { Diagnostic, Note, Severity } from "./diagnostic.js";

interface Template<Arguments> {
  readonly severity: Severity;
  readonly text: (args: Arguments) => string;
}

function error<Arguments = void>(text: (args: Arguments) => string): Template<Arguments> {
  return { severity: "error", text };
}

function warning<Arguments = void>(text: (args: Arguments) => string): Template<Arguments> {
  return { severity: "warning", text };
}

interface Named {
  readonly name: string;
}

interface Reason {
  readonly reason: string;
}

export const codes = {
  // --- characters and literals ---
  "unexpected-character": error<{ text: string }>(
    ({ text }) => `unexpected ${text.length > 1 ? "characters" : "character"} \`${text}\``,
  ),
  "unclosed-comment": error(() => "this comment is never closed"),
  "unclosed-text": error(() => "this text is never closed: a text ends on its line"),
  "unclosed-character": error(() => "this character is never closed"),
  "unclosed-c": error(() => "the C source that begins here has no matching `}`"),
  "invalid-escape": error<{ escape: string }>(({ escape }) => `\`${escape}\` is no escape of C`),
  "invalid-character": error<Reason>(({ reason }) => reason),
  "invalid-number": error<Reason>(({ reason }) => reason),
  "not-utf8": error(() => "the file is not UTF-8 text from here on"),

  // --- syntax ---
  syntax: error<{ expected: string; found?: string }>(({ expected, found }) =>
    found === undefined ? `expected ${expected} here` : `expected ${expected}, found ${found}`,
  ),
  "unclosed-brace": error<{ what: string }>(
    ({ what }) => `\`}\` is missing: ${what} is not closed`,
  ),
  "unknown-word": error<{ expected: string; found: string }>(
    ({ expected, found }) => `expected ${expected}, found ${found}`,
  ),
  "no-mutation": error<{ operator: string }>(
    ({ operator }) => `there is no \`${operator}\`: only \`set\` changes anything`,
  ),
  "no-assignment": error(() => "`=` is no operator of an expression"),
  "reserved-word": error<Named>(({ name }) => `\`${name}\` is a keyword of C and cannot be a name`),
  "call-needed": error<Named>(
    ({ name }) =>
      `\`${name}\` can only be run by \`call\`: functions of the target never run otherwise`,
  ),
  "not-a-call": error(() => "`call` runs a function: its arguments in parentheses are missing"),
  "place-without-variable": error(
    () => "`in` can only follow a variable, a function or their members",
  ),
  "two-places": error(() => "a variable or function has one place only"),
  "invalid-type": error<{ text: string }>(({ text }) => `\`${text}\` is no type of C`),
  "too-deep": error(() => "this is too long, or nested too deeply"),

  // --- names ---
  duplicate: error<{ what: string; name: string }>(
    ({ what, name }) => `${what} \`${name}\` is declared twice`,
  ),
  "duplicate-clause": error<{ what: string; owner: string }>(
    ({ what, owner }) => `${owner} has more than one \`${what}\``,
  ),
  "reserved-name": error<{ name: string; reason: string }>(
    ({ name, reason }) => `\`${name}\` cannot be used as a name here: ${reason}`,
  ),
  "unknown-update": error<Named>(({ name }) => `there is no update \`${name}\``),
  "not-an-update": error<undefined>(() => "this is to be the name of an update"),
  "unknown-patch": error<{ name: string; update: string }>(
    ({ name, update }) => `update \`${update}\` has no patch \`${name}\``,
  ),
  "unknown-point": error<{ name: string; update: string }>(
    ({ name, update }) => `update \`${update}\` has no rollback point \`${name}\``,
  ),
  "unknown-recipe": error<Named>(({ name }) => `there is no recipe \`${name}\``),
  "unknown-function": error<Named>(
    ({ name }) => `there is no built-in function or recipe \`${name}\``,
  ),
  "wrong-arguments": error<{ what: string; name: string; expected: number; given: number }>(
    ({ what, name, expected, given }) =>
      `${what} \`${name}\` takes ${expected} ${expected === 1 ? "argument" : "arguments"}, not ${given}`,
  ),
  "unknown-scope": error<Named>(
    ({ name }) => `\`${name}\` is no scope: it is \`process\` or \`tree\``,
  ),
  "unapplied-update": error<Named>(
    ({ name }) =>
      `update \`${name}\` is never applied, though the script has statements of its own`,
  ),
  "unused-import": warning<Named>(({ name }) => `the imported update \`${name}\` is never applied`),
  "statement-in-import": error(() => "an imported file may only declare, not do anything"),

  // --- order ---
  "patch-cycle": error<{ update: string; path: readonly string[] }>(({ update, path }) =>
    path.length === 2
      ? `patch \`${path[0]}\` of update \`${update}\` comes after itself`
      : `the patches of update \`${update}\` wait for each other: ${path.join(" after ")}`,
  ),

  // --- files ---
  "import-cycle": error<{ path: readonly string[] }>(({ path }) =>
    path.length === 2
      ? `\`${path[0]}\` imports itself`
      : `imports go in a circle: ${path.join(" imports ")}`,
  ),
  "missing-import": error<{ path: string }>(({ path }) => `there is no file \`${path}\` to import`),
  "unreadable-import": error<{ path: string; reason: string }>(
    ({ path, reason }) => `\`${path}\` cannot be imported: ${reason}`,
  ),
  "unknown-library": error<Named>(({ name }) => `there is no \`${name}\` in the standard library`),
  "unreadable-script": error<{ path: string; reason: string }>(
    ({ path, reason }) => `\`${path}\` cannot be read: ${reason}`,
  ),
  "missing-patch-file": error<{ path: string }>(({ path }) => `there is no file \`${path}\``),
  "unreadable-patch-file": error<{ path: string; reason: string }>(
    ({ path, reason }) => `\`${path}\` cannot be read: ${reason}`,
  ),
  "invalid-path": error<Reason>(({ reason }) => reason),

  // --- updates ---
  "missing-source": error<Named>(
    ({ name }) => `patch \`${name}\` has neither \`from "FILE"\` nor C source in \`c { … }\``,
  ),
  "two-sources": error<Named>(
    ({ name }) => `patch \`${name}\` has both \`from\` and C source in \`c { … }\``,
  ),
  "replaced-twice": error<Named>(({ name }) => `\`${name}\` is replaced twice in this patch`),
  "empty-patch": warning<Named>(
    ({ name }) => `patch \`${name}\` replaces no function and changes no data`,
  ),
  "empty-update": warning<Named>(
    ({ name }) => `update \`${name}\` changes nothing: it has no patch and no taint`,
  ),
  "invalid-build-id": error<Reason>(({ reason }) => reason),
  "nothing-to-do": warning(() => "the script does nothing: it has no update and no statement"),
  "empty-text": error<{ what: string }>(({ what }) => `${what} is empty`),
  "missing-property": error<{ what: string; name: string; owner: string }>(
    ({ what, name, owner }) => `${owner} \`${name}\` lacks \`${what}\``,
  ),
  "conflicting-property": error<Reason>(({ reason }) => reason),

  // --- statements ---
  "outside-loop": error<{ word: string }>(({ word }) => `\`${word}\` is outside of any loop`),
  "outside-recipe": error(() => "`return` is outside of any recipe"),
  "not-assignable": error(
    () => "only a variable, a member, an element or what a pointer leads to can be set",
  ),
  "no-value": error<Named>(
    ({ name }) => `recipe \`${name}\` gives no value: it has no \`return EXPR\``,
  ),
  "changes-updates": error(
    () =>
      "a taint is checked and repaired while an update is applied: it cannot apply or roll back",
  ),
  "constant-assignment": error<Named>(({ name }) => `\`${name}\` is a constant and cannot be set`),

  // --- constants ---
  "not-constant": error<{ what: string }>(
    ({ what }) => `${what} is no constant, but a constant is needed here`,
  ),
  "unknown-constant": error<Named>(({ name }) => `there is no constant \`${name}\``),
  "constant-cycle": error<{ path: readonly string[] }>(({ path }) =>
    path.length === 2
      ? `the value of \`${path[0]}\` needs itself`
      : `the values of constants need each other: ${path.join(" needs ")}`,
  ),
  "constant-arithmetic": error<Reason>(({ reason }) => reason),
  "wrong-type": error<{ expected: string; found: string }>(
    ({ expected, found }) => `expected ${expected}, found ${found}`,
  ),
  "unknown-variable": error<Named>(
    ({ name }) => `--var names \`${name}\`, but the script has no such constant`,
  ),
  "invalid-variable": error<Reason>(({ reason }) => reason),

  // --- what this release leaves out ---
} as const;

export type Code = keyof typeof codes;

type ArgumentsOf<C extends Code> = Parameters<(typeof codes)[C]["text"]>[0];

export interface Additions {
  readonly notes?: readonly Note[];
  readonly suggestion?: string | undefined;
}

/** Makes the diagnostic of a code at a place. */
export function diagnose<C extends Code>(
  code: C,
  span: Span,
  args: ArgumentsOf<C>,
  additions: Additions = {},
): Diagnostic {
  // The registry pairs each code with its arguments; a union of functions loses that pairing.
  const template = codes[code] as Template<ArgumentsOf<C>>;
  return {
    severity: template.severity,
    code,
    message: template.text(args),
    span,
    notes: additions.notes ?? [],
    ...(additions.suggestion === undefined ? {} : { suggestion: additions.suggestion }),
  };
}
