/** One update: its clauses checked against each other, its names, order and files resolved. */
import { basename, dirname, resolve } from "node:path";
import type {
  Name,
  PatchClause,
  RollbackPointClause,
  StringLiteral,
  TaintClause,
  TaintItem,
  TaintTime,
  TargetClause,
  UpdateDeclaration,
  UpdateItem,
} from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import type { Diagnostic, Note } from "../diagnostics/diagnostic.js";
import { didYouMean } from "../diagnostics/suggest.js";
import type { FileAccess } from "../files.js";
import { firstWord, type Span } from "../source.js";
import { describeValue } from "./arithmetic.js";
import type {
  CheckedFailureAction,
  CheckedPatch,
  CheckedPoint,
  CheckedReplacement,
  CheckedScope,
  CheckedTaint,
  CheckedTarget,
  CheckedUpdate,
  Located,
  PatchSource,
} from "./checked.js";
import type { Constants } from "./constants.js";
import { checkData, placeKind } from "./data.js";
import { orderItems } from "./order.js";
import { duplicate } from "./scope.js";

/** The point that every update has: before its first patch. */
export const startPoint = "start";

export interface UpdateContext {
  /** Folder of the file that declares the update; absolute. */
  readonly folder: string;
  readonly files: FileAccess;
  readonly constants: Constants;
  /** Of that file. */
  readonly scope: CheckedScope;
  readonly diagnostics: Diagnostic[];
}

/** Checks an update; what it returns is only meaningful if no error was reported. */
export function checkUpdate(update: UpdateDeclaration, context: UpdateContext): CheckedUpdate {
  return new UpdateChecker(update, context).check();
}

class UpdateChecker {
  readonly #owner: string;

  constructor(
    readonly update: UpdateDeclaration,
    readonly context: UpdateContext,
  ) {
    this.#owner = `update \`${update.name.text}\``;
  }

  check(): CheckedUpdate {
    const { update } = this;
    const patches = this.#named("patch", this.#all("patch"));
    const taints = this.#named("taint", this.#all("taint"));
    if (patches.length === 0 && taints.length === 0) {
      this.#report(diagnose("empty-update", update.name.span, { name: update.name.text }));
    }
    const ordered = this.#order(patches);
    const checkedTaints = taints.flatMap((taint) => this.#taint(taint, ordered) ?? []);
    const points = this.#points(ordered);
    const target = this.#only("target", this.#all("target"));
    const checkedTarget = target === undefined ? undefined : this.#target(target);
    const completeWithin = this.#completeWithin();
    return {
      name: update.name.text,
      span: update.name.span,
      ...(update.description === undefined ? {} : { description: update.description.value }),
      ...(checkedTarget === undefined ? {} : { target: checkedTarget }),
      patches: ordered.map((patch) => this.#patch(patch)),
      points,
      taints: checkedTaints,
      onFailure: this.#onFailure(points),
      ...(completeWithin === undefined ? {} : { completeWithin }),
      scope: this.context.scope,
      declaration: update,
    };
  }

  #all<K extends UpdateItem["kind"]>(kind: K): readonly Extract<UpdateItem, { kind: K }>[] {
    const isKind = (item: UpdateItem): item is Extract<UpdateItem, { kind: K }> =>
      item.kind === kind;
    return this.update.items.filter(isKind);
  }

  /** The first of several clauses of which there may be one; reports the others. */
  #only<T extends { readonly span: Span }>(
    what: string,
    clauses: readonly T[],
    owner = this.#owner,
  ): T | undefined {
    const [first, ...others] = clauses;
    for (const other of others) {
      const notes: Note[] =
        first === undefined ? [] : [{ message: "the first is here", span: firstWord(first.span) }];
      this.#report(diagnose("duplicate-clause", firstWord(other.span), { what, owner }, { notes }));
    }
    return first;
  }

  /** Reports names that are there twice; keeps the first of each. */
  #named<T extends { readonly name: Name }>(what: string, clauses: readonly T[]): readonly T[] {
    const first = new Map<string, T>();
    for (const clause of clauses) {
      const earlier = first.get(clause.name.text);
      if (earlier === undefined) first.set(clause.name.text, clause);
      else this.#report(duplicate(what, clause.name, earlier.name));
    }
    return [...first.values()];
  }

  #knownPatch(name: Name, patches: readonly PatchClause[]): void {
    const names = patches.map((patch) => patch.name.text);
    if (names.includes(name.text)) return;
    const suggestion = didYouMean(name.text, names);
    const args = { name: name.text, update: this.update.name.text };
    this.#report(diagnose("unknown-patch", name.span, args, { suggestion }));
  }

  // --- target -------------------------------------------------------------------------------

  #target(target: TargetClause): CheckedTarget {
    const owner = `the target of ${this.#owner}`;
    const pick = <K extends TargetClause["items"][number]["kind"]>(kind: K, what: string) => {
      type Wanted = Extract<TargetClause["items"][number], { kind: K }>;
      const isKind = (item: TargetClause["items"][number]): item is Wanted => item.kind === kind;
      return this.#only(what, target.items.filter(isKind), owner);
    };
    const exe = pick("exe", "exe");
    const buildId = pick("build-id", "build_id");
    const scope = pick("scope", "scope");
    if (exe !== undefined) this.#text(exe.value, "the name of the executable");
    if (buildId !== undefined) this.#buildId(buildId.value);
    return {
      ...(exe === undefined ? {} : { exe: { value: exe.value.value, span: exe.value.span } }),
      ...(buildId === undefined
        ? {}
        : { buildId: { value: buildId.value.value.toLowerCase(), span: buildId.value.span } }),
      scope: scope === undefined ? "process" : this.#scope(scope.value),
      span: target.span,
    };
  }

  #scope(name: Name): "process" | "tree" {
    if (name.text === "process" || name.text === "tree") return name.text;
    const suggestion = didYouMean(name.text, ["process", "tree"]);
    this.#report(diagnose("unknown-scope", name.span, { name: name.text }, { suggestion }));
    return "process";
  }

  #buildId({ value, span }: StringLiteral): void {
    const wrong = (reason: string): void => {
      this.#report(diagnose("invalid-build-id", span, { reason }));
    };
    const stranger = /[^0-9a-fA-F]/u.exec(value)?.[0];
    if (stranger !== undefined) {
      wrong(`a build-id is made of hexadecimal digits, not of \`${stranger}\``);
    } else if (value.length < 8) {
      wrong(`a build-id is given by at least 8 digits, not by ${value.length}`);
    } else if (value.length > 128) {
      wrong(`no build-id is ${value.length} digits long`);
    }
  }

  /** Whether a text can name a file at all. */
  #text({ value, span }: StringLiteral, what: string): boolean {
    if (value === "") this.#report(diagnose("empty-text", span, { what }));
    else if (value.includes("\0")) {
      const reason = `${what} holds a zero character`;
      this.#report(diagnose("invalid-path", span, { reason }));
    } else return true;
    return false;
  }

  // --- patches ------------------------------------------------------------------------------

  /** In order of application; as written where a cycle (reported) leaves none. */
  #order(patches: readonly PatchClause[]): readonly PatchClause[] {
    for (const patch of patches) for (const name of patch.after) this.#knownPatch(name, patches);
    const { order, cycles } = orderItems(
      patches.map(({ name, after }) => ({
        name: name.text,
        after: after.map((earlier) => earlier.text),
      })),
    );
    for (const path of cycles) this.#cycle(path, patches);
    if (cycles.length > 0) return patches;
    return order.flatMap((index) => patches[index] ?? []);
  }

  #cycle(path: readonly string[], patches: readonly PatchClause[]): void {
    const links = path.slice(0, -1).flatMap((from, index) => {
      const patch = patches.find(({ name }) => name.text === from);
      return patch?.after.find(({ text }) => text === path[index + 1]) ?? [];
    });
    const [first, ...others] = links;
    const notes = others.map((link) => ({
      message: `\`${link.text}\` is named here`,
      span: link.span,
    }));
    const args = { update: this.update.name.text, path };
    this.#report(diagnose("patch-cycle", first?.span ?? this.update.name.span, args, { notes }));
  }

  #patch(patch: PatchClause): CheckedPatch {
    const items = patch.items;
    const replacements = this.#replacements(patch);
    const data = items.flatMap((item) => (item.kind === "data" ? item : []));
    const checkedData = this.#named("data item", data).flatMap(
      (item) => checkData(item, this.context.diagnostics) ?? [],
    );
    if (replacements.length === 0 && data.length === 0) {
      this.#report(diagnose("empty-patch", patch.name.span, { name: patch.name.text }));
    }
    return {
      name: patch.name.text,
      span: patch.name.span,
      source: this.#source(patch),
      after: patch.after.map(({ text, span }) => ({ value: text, span })),
      replacements,
      data: checkedData,
    };
  }

  #replacements(patch: PatchClause): readonly CheckedReplacement[] {
    const first = new Map<string, Name>();
    return patch.items.flatMap((item): readonly CheckedReplacement[] => {
      if (item.kind !== "replace") return [];
      const { place } = item;
      const key = `${item.function.text}\0${place?.value ?? ""}`;
      const earlier = first.get(key);
      if (earlier !== undefined) {
        const notes = [{ message: "it is first replaced here", span: earlier.span }];
        const args = { name: item.function.text };
        this.#report(diagnose("replaced-twice", item.function.span, args, { notes }));
        return [];
      }
      first.set(key, item.function);
      if (place !== undefined) this.#text(place, "the name of the file");
      return [
        {
          function: { value: item.function.text, span: item.function.span },
          ...(place === undefined
            ? {}
            : { scope: { kind: placeKind(place.value), value: place.value, span: place.span } }),
          ...(item.with === undefined
            ? {}
            : { with: { value: item.with.text, span: item.with.span } }),
          span: item.span,
        },
      ];
    });
  }

  #source(patch: PatchClause): PatchSource {
    const { name, from } = patch;
    const blocks = patch.items.flatMap((item) => (item.kind === "inline-c" ? item : []));
    const inline = this.#only("c", blocks, `patch \`${name.text}\``);
    if (from !== undefined && inline !== undefined) {
      const notes = [{ message: "the C source is here", span: firstWord(inline.span) }];
      this.#report(diagnose("two-sources", from.span, { name: name.text }, { notes }));
    }
    if (inline !== undefined) {
      return { kind: "inline", text: inline.text, span: inline.textSpan };
    }
    if (from === undefined) {
      this.#report(diagnose("missing-source", name.span, { name: name.text }));
      return { kind: "inline", text: "", span: name.span };
    }
    const path = resolve(this.context.folder, from.value);
    if (this.#text(from, "the path of the patch")) this.#exists(from, path);
    return { kind: from.value.endsWith(".c") ? "c-file" : "object", path, span: from.span };
  }

  #exists(from: StringLiteral, path: string): void {
    const { files } = this.context;
    const probe = files.probe(path);
    if (probe.kind === "refused") {
      const args = { path: from.value, reason: probe.reason };
      this.#report(diagnose("unreadable-patch-file", from.span, args));
    } else if (probe.kind === "missing") {
      const suggestion = didYouMean(basename(path), files.list(dirname(path)));
      const notes = from.value === path ? [] : [{ message: `looked for ${path}` }];
      const args = { path: from.value };
      this.#report(diagnose("missing-patch-file", from.span, args, { notes, suggestion }));
    }
  }

  // --- taints ---------------------------------------------------------------------------------

  #taint(taint: TaintClause, ordered: readonly PatchClause[]): CheckedTaint | undefined {
    const { when } = taint;
    if (when.kind !== "always") this.#knownPatch(when.patch, ordered);
    const owner = `taint \`${taint.name.text}\``;
    const pick = <K extends TaintItem["kind"]>(kind: K) => {
      const isKind = (item: TaintItem): item is Extract<TaintItem, { kind: K }> =>
        item.kind === kind;
      return this.#only(kind, taint.items.filter(isKind), owner);
    };
    const check = pick("check");
    const recover = pick("recover");
    const otherwise = pick("otherwise");
    if (check === undefined) {
      const args = { what: "check", name: taint.name.text, owner: "taint" };
      this.#report(diagnose("missing-property", taint.name.span, args));
      return undefined;
    }
    return {
      name: taint.name.text,
      span: taint.name.span,
      positions: taintPositions(when, ordered),
      kind: when.kind,
      when: when.kind === "always" ? "always" : `${when.kind} ${when.patch.text}`,
      check: check.condition,
      ...(recover === undefined ? {} : { recover: recover.body }),
      otherwise:
        otherwise === undefined
          ? { action: "fail", span: check.condition.span }
          : {
              action: otherwise.action,
              message: otherwise.message.value,
              span: otherwise.message.span,
            },
    };
  }

  // --- points, failure, completion --------------------------------------------------------------

  #points(ordered: readonly PatchClause[]): readonly CheckedPoint[] {
    const points: CheckedPoint[] = [{ name: startPoint, position: 0, span: this.update.name.span }];
    const clauses: readonly RollbackPointClause[] = this.#named(
      "rollback point",
      this.#all("rollback-point"),
    );
    for (const { name, position, patch } of clauses) {
      if (name.text === startPoint) {
        const reason = "every update has this point, before its first patch";
        this.#report(diagnose("reserved-name", name.span, { name: name.text, reason }));
        continue;
      }
      this.#knownPatch(patch, ordered);
      const index = ordered.findIndex((one) => one.name.text === patch.text);
      const at = Math.max(0, position === "before" ? index : index + 1);
      points.push({ name: name.text, position: at, span: name.span });
    }
    return points;
  }

  #onFailure(points: readonly CheckedPoint[]): CheckedFailureAction {
    const clause = this.#only("on failure", this.#all("on-failure"));
    if (clause?.action === "keep") return { kind: "keep" };
    const wanted = clause?.point;
    if (wanted === undefined) return { kind: "rollback", point: startPoint, position: 0 };
    const point = points.find(({ name }) => name === wanted.text);
    if (point === undefined) {
      const suggestion = didYouMean(
        wanted.text,
        points.map(({ name }) => name),
      );
      const args = { name: wanted.text, update: this.update.name.text };
      this.#report(diagnose("unknown-point", wanted.span, args, { suggestion }));
    }
    return { kind: "rollback", point: wanted.text, position: point?.position ?? 0 };
  }

  #completeWithin(): Located<bigint> | undefined {
    const clause = this.#only("complete within", this.#all("complete"));
    if (clause === undefined) return undefined;
    const { span } = clause.within;
    const value = this.context.constants.evaluate(clause.within);
    if (value === null) return undefined;
    if (value.kind === "duration") return { value: value.nanoseconds, span };
    const plain = value.kind === "integer" && clause.within.kind === "integer";
    this.#report(
      diagnose(
        "wrong-type",
        span,
        { expected: "a duration", found: describeValue(value) },
        { suggestion: plain ? `write \`${value.value}s\`` : undefined },
      ),
    );
    return undefined;
  }

  #report(diagnostic: Diagnostic): void {
    this.context.diagnostics.push(diagnostic);
  }
}

function taintPositions(when: TaintTime, ordered: readonly PatchClause[]): readonly number[] {
  if (when.kind === "always") return [...new Set([0, ordered.length])];
  const index = ordered.findIndex(({ name }) => name.text === when.patch.text);
  return [Math.max(0, when.kind === "before" ? index : index + 1)];
}
