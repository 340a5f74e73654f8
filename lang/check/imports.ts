/** Reads a script and all that it imports. */
import { createHash } from "node:crypto";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import type { ImportDeclaration, Script } from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import { decodeScript } from "../decode.js";
import type { Diagnostic } from "../diagnostics/diagnostic.js";
import { didYouMean } from "../diagnostics/suggest.js";
import type { FileAccess } from "../files.js";
import { parse } from "../parse.js";
import { SourceFile, type Span } from "../source.js";

/** A file that was read, and (if it has no syntax error) parsed. */
export interface LoadedFile {
  readonly source: SourceFile;
  /** Absolute. */
  readonly path: string;
  /** SHA-256 of the bytes, lower-case hex. */
  readonly digest: string;
  readonly script: Script | null;
  /** Files that it imports directly, each once, as far as they could be read. */
  readonly imports: readonly ImportedFile[];
  /** Whether all that it imports is there and without syntax errors: else names may be missing. */
  readonly complete: boolean;
}

export interface ImportedFile {
  readonly declaration: ImportDeclaration;
  readonly file: LoadedFile;
}

export interface ImportOptions {
  readonly files: FileAccess;
  /** Absolute path of the folder that `std/NAME` stands for. */
  readonly stdlib: string;
  /** Whether the script itself is an input of the REPL. */
  readonly interactive?: boolean;
}

const extension = ".polus";

/** Loads a script with its imports; null if the script itself cannot be read. */
export function loadFiles(
  path: string,
  options: ImportOptions,
  diagnostics: Diagnostic[],
): LoadedFile | null {
  return new Loader(options, diagnostics).loadRoot(path);
}

interface OpenFile {
  readonly path: string;
  readonly shown: string;
}

class Loader {
  readonly #loaded = new Map<string, LoadedFile>();
  /** The files whose imports are being read, outermost first. */
  readonly #open: OpenFile[] = [];

  constructor(
    readonly options: ImportOptions,
    readonly diagnostics: Diagnostic[],
  ) {}

  loadRoot(shown: string): LoadedFile | null {
    const path = resolve(shown);
    const result = path.includes("\0")
      ? ({ kind: "refused", reason: "the name holds a zero character" } as const)
      : this.options.files.read(path);
    if (result.kind === "read") return this.#parsed({ path, shown }, result.bytes);
    const nowhere = new SourceFile(shown, "").span(0, 0);
    const reason = result.kind === "missing" ? "there is no such file" : result.reason;
    const suggestion = result.kind === "missing" ? this.#nearFile(path) : undefined;
    this.diagnostics.push(
      diagnose("unreadable-script", nowhere, { path: shown, reason }, { suggestion }),
    );
    return null;
  }

  #parsed(file: OpenFile, bytes: Uint8Array): LoadedFile {
    const { source, problem } = decodeScript(file.shown, bytes);
    const digest = createHash("sha256").update(bytes).digest("hex");
    if (problem !== undefined) {
      this.diagnostics.push(problem);
      return { source, path: file.path, digest, script: null, imports: [], complete: false };
    }
    const interactive = this.#open.length === 0 && this.options.interactive === true;
    const { script, diagnostics } = parse(source, { interactive });
    this.diagnostics.push(...diagnostics);
    this.#open.push(file);
    const imports: ImportedFile[] = [];
    let complete = script !== null;
    for (const item of script?.items ?? []) {
      if (item.kind !== "import") continue;
      const imported = this.#import(item, file);
      complete &&= imported !== null && imported.script !== null;
      if (imported === null || imports.some((one) => one.file === imported)) continue;
      imports.push({ declaration: item, file: imported });
    }
    this.#open.pop();
    const loaded = { source, path: file.path, digest, script, imports, complete };
    this.#loaded.set(file.path, loaded);
    return loaded;
  }

  #import(declaration: ImportDeclaration, importer: OpenFile): LoadedFile | null {
    const wanted = this.#resolve(declaration, importer);
    if (wanted === null) return null;
    const { span, value } = declaration.path;
    const begin = this.#open.findIndex(({ path }) => path === wanted.path);
    if (begin >= 0) {
      const path = [...this.#open.slice(begin), wanted].map(({ shown }) => basename(shown));
      this.diagnostics.push(diagnose("import-cycle", span, { path }));
      return null;
    }
    const known = this.#loaded.get(wanted.path);
    if (known !== undefined) return known;
    const result = this.options.files.read(wanted.path);
    if (result.kind === "read") return this.#parsed(wanted, result.bytes);
    this.diagnostics.push(
      result.kind === "refused"
        ? diagnose("unreadable-import", span, { path: value, reason: result.reason })
        : this.#missing(span, value, wanted.path),
    );
    return null;
  }

  #missing(span: Span, written: string, path: string): Diagnostic {
    if (!written.startsWith("std/")) {
      const suggestion = this.#nearFile(path);
      return diagnose("missing-import", span, { path: written }, { suggestion });
    }
    const names = this.options.files
      .list(dirname(path))
      .filter((name) => name.endsWith(extension))
      .map((name) => join(dirname(written), name.slice(0, -extension.length)));
    const suggestion = didYouMean(written, names);
    return diagnose("unknown-library", span, { name: written }, { suggestion });
  }

  #nearFile(path: string): string | undefined {
    return didYouMean(basename(path), this.options.files.list(dirname(path)));
  }

  /** Where an import leads; null (and a diagnostic) if it can lead nowhere. */
  #resolve(declaration: ImportDeclaration, importer: OpenFile): OpenFile | null {
    const { value, span } = declaration.path;
    const refuse = (reason: string): null => {
      this.diagnostics.push(diagnose("invalid-path", span, { reason }));
      return null;
    };
    if (value === "") return refuse("the path is empty");
    if (value.includes("\0")) return refuse("the path holds a zero character");
    if (value.startsWith("std/")) {
      if (!/^std(?:\/[A-Za-z0-9_-]+)+$/.test(value)) {
        return refuse("a library's name is made of letters, digits, `_` and `-`: `std/counters`");
      }
      const path = `${join(this.options.stdlib, value.slice("std/".length))}${extension}`;
      return { path, shown: path };
    }
    if (isAbsolute(value)) return { path: resolve(value), shown: value };
    return {
      path: resolve(dirname(importer.path), value),
      shown: join(dirname(importer.shown), value),
    };
  }
}
