/**
 * Turns an update's patches into bytes: reads objects, compiles C, hashes. All
 * of it happens before any process is looked at; every problem is told, not
 * only the first.
 */
import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import type { CheckedPatch, CheckedScope, CheckedUpdate } from "../../lang/check/checked.js";
import type { Diagnostic, Note } from "../../lang/diagnostics/diagnostic.js";
import { placeOf, SourceFile, type Span } from "../../lang/source.js";
import type { PatchRequest, Replacement, UpdateRequest } from "../../native/engine.js";
import { diagnose } from "../diagnose.js";
import { Stop } from "../outcome.js";
import type { Plan, UpdatePlan } from "../plan/plan.js";
import type { PatchFileFacts } from "../plan/show.js";
import { stopIfAsked, type RunContext } from "../run/context.js";
import { compilePatch, isHeader, type CompilerMessage } from "./compile.js";
import { dataRequest } from "./data.js";
import { FileProblem, readTrustedFile, type FileTrust } from "./trusted_file.js";

export interface LoadedPatches {
  /** What the engine is given, for every update of the plan that is applied. */
  readonly requests: ReadonlyMap<UpdatePlan, UpdateRequest>;
  readonly facts: ReadonlyMap<CheckedPatch, PatchFileFacts>;
}

const defaultCompileDeadlineSeconds = 60;

/** Makes declarations for C on the spot from a program that is known already; empty: nothing to declare. */
export type HeaderMaker = (text: string) => Promise<string>;

/**
 * Loads all patches of a plan. Throws Stop `invalid` when every problem was reported.
 * @param header where C on the spot may speak of the program's types without declaring them
 */
export async function loadPatches(
  context: RunContext,
  plan: Plan,
  trust: FileTrust,
  header?: HeaderMaker,
): Promise<LoadedPatches> {
  const requests = new Map<UpdatePlan, UpdateRequest>();
  const facts = new Map<CheckedPatch, PatchFileFacts>();
  let valid = true;
  for (const update of plan.updates) {
    if (!update.applied) continue;
    const patches: PatchRequest[] = [];
    for (const patch of update.checked.patches) {
      const bytes = await loadPatch(context, patch, trust, header);
      stopIfAsked(context);
      if (bytes === null) {
        valid = false;
        continue;
      }
      const digest = createHash("sha256").update(bytes).digest("hex");
      facts.set(patch, { digest, bytes: bytes.length });
      patches.push(patchRequest(patch, update.checked.scope, bytes, digest));
    }
    requests.set(update, updateRequest(update.checked, update.scope, plan.script.digest, patches));
  }
  if (!valid) throw new Stop("invalid");
  return { requests, facts };
}

function updateRequest(
  update: CheckedUpdate,
  scope: "process" | "tree",
  scriptDigest: string,
  patches: readonly PatchRequest[],
): UpdateRequest {
  const buildId = update.target?.buildId?.value;
  return {
    name: update.name,
    ...(update.description === undefined ? {} : { description: update.description }),
    scriptDigest,
    scope,
    ...(buildId === undefined ? {} : { buildId }),
    patches,
    points: update.points.map(({ name, position }) => ({ name, position })),
  };
}

function patchRequest(
  patch: CheckedPatch,
  constants: CheckedScope,
  bytes: Uint8Array,
  digest: string,
): PatchRequest {
  const { source } = patch;
  return {
    name: patch.name,
    path: source.kind === "inline" ? source.span.file.path : source.path,
    bytes,
    digest,
    replacements: patch.replacements.map((replacement): Replacement => ({
      function: replacement.function.value,
      ...(replacement.scope === undefined
        ? {}
        : { scope: { kind: replacement.scope.kind, name: replacement.scope.value } }),
      ...(replacement.with === undefined ? {} : { with: replacement.with.value }),
    })),
    data: patch.data.map((item) => dataRequest(item, constants)),
  };
}

/** A patch's bytes; `null` when a problem was reported. */
async function loadPatch(
  context: RunContext,
  patch: CheckedPatch,
  trust: FileTrust,
  header: HeaderMaker | undefined,
): Promise<Uint8Array | null> {
  const { source } = patch;
  if (source.kind === "inline") {
    const { file, start } = source.span;
    const { line } = placeOf(source.span);
    const indent = Buffer.byteLength(file.text.slice(file.lineStart(line), start));
    const { text, span } = source;
    const place = { text, path: resolve(file.path), line, indent, span };
    return compile(context, patch, place, header);
  }
  let bytes: Buffer;
  try {
    bytes = readTrustedFile(source.path, trust);
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    const { code, message, help } = error;
    context.reporter.diagnostic(diagnose({ code, message, span: source.span, suggestion: help }));
    return null;
  }
  if (source.kind === "object") {
    if (bytes.length >= 4 && bytes.readUInt32BE(0) === 0x7f454c46) return bytes;
    context.reporter.diagnostic(
      diagnose({
        code: "not-an-object",
        message: `${source.path} is not an ELF file`,
        span: source.span,
        suggestion: "a patch is a shared object (gcc -shared -fPIC) or C source (NAME.c)",
      }),
    );
    return null;
  }
  const text = bytes.toString("utf8");
  const file = new SourceFile(source.path, text);
  return compile(context, patch, {
    text,
    path: source.path,
    line: 1,
    indent: 0,
    span: file.span(0, text.length),
  });
}

interface CSource {
  readonly text: string;
  /** Absolute, so that the object does not depend on how the script was named. */
  readonly path: string;
  readonly line: number;
  /** Bytes before `text` in its first line. */
  readonly indent: number;
  /** Of `text`, in the file that holds it. */
  readonly span: Span;
}

async function compile(
  context: RunContext,
  patch: CheckedPatch,
  source: CSource,
  makeHeader?: HeaderMaker,
): Promise<Uint8Array | null> {
  const { settings, interruption, reporter } = context;
  const request = {
    text: source.text,
    path: source.path,
    line: source.line,
    indent: source.indent,
    folder: dirname(source.path),
    compiler: settings.c_compiler ?? "gcc",
    deadlineMs: (settings.compile_deadline_s ?? defaultCompileDeadlineSeconds) * 1000,
    cancel: interruption.abortSignal,
  };
  let result = await compilePatch(request);
  // What the text declares by itself comes first: the program's declarations might not agree with it.
  const lacks = !result.ok || result.messages.some(isUndeclared);
  if (lacks && makeHeader !== undefined && interruption.requestedBy === null) {
    const header = await makeHeader(source.text);
    const again = header === "" ? result : await compilePatch({ ...request, header });
    if (again.ok || !aboutHeader(again.messages)) result = again;
  }
  if (interruption.requestedBy === null) {
    for (const diagnostic of diagnoseCompilerMessages(result.messages, patch, source)) {
      reporter.diagnostic(diagnostic);
    }
  }
  if (!result.ok) return null;
  reporter.progress({
    event: "compiled",
    patch: patch.name,
    source: source.path,
    bytes: result.bytes.length,
  });
  return result.bytes;
}

/** A call of what nobody has declared: older compilers go on, with a guess. */
function isUndeclared({ message }: CompilerMessage): boolean {
  return /implicit declaration/.test(message);
}

/** True if the compiler does not take what was made for it: that is not for the person who typed. */
function aboutHeader(messages: readonly CompilerMessage[]): boolean {
  return messages.some(({ severity, file }) => severity === "error" && isHeader(file));
}

/** The compiler's messages, each note below the message that it belongs to. */
function diagnoseCompilerMessages(
  messages: readonly CompilerMessage[],
  patch: CheckedPatch,
  source: CSource,
): readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  for (const message of messages) {
    const { span, text } = locate(message, source);
    const last = diagnostics.at(-1);
    if (message.severity !== "note") {
      const { severity } = message;
      diagnostics.push(
        diagnose({
          severity,
          code: `c-${severity}`,
          message: text,
          span: span ?? patch.source.span,
        }),
      );
    } else if (last !== undefined) {
      const note: Note = { message: text, ...(span === undefined ? {} : { span }) };
      diagnostics[diagnostics.length - 1] = { ...last, notes: [...last.notes, note] };
    }
  }
  return diagnostics;
}

/** A message's place in the script or the C file; one in a header carries its place in its text. */
function locate(
  message: CompilerMessage,
  source: CSource,
): { readonly span?: Span; readonly text: string } {
  if (message.file === null || message.line === null) return { text: message.message };
  if (message.file !== source.path) {
    return { text: `${message.file}:${message.line}: ${message.message}` };
  }
  const { file } = source.span;
  const start =
    file.lineStart(message.line) + columnOffset(file.line(message.line), message.column ?? 1);
  const word = /^[A-Za-z0-9_$]+/.exec(file.text.slice(start, start + 256));
  return { span: file.span(start, start + (word?.[0].length ?? 1)), text: message.message };
}

/** UTF-16 offset in a line of a column that counts bytes from 1. */
function columnOffset(line: string, column: number): number {
  return Buffer.from(line, "utf8")
    .subarray(0, column - 1)
    .toString("utf8").length;
}
