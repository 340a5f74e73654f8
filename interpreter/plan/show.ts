/** A plan as text for a person and as data for `--json`. */
import type {
  CheckedData,
  CheckedFunction,
  CheckedPatch,
  CheckedTaint,
} from "../../lang/check/checked.js";
import { placeOf, textOf, type Span } from "../../lang/source.js";
import { count, formatMilliseconds } from "../progress/wording.js";
import type { Plan, Step, UpdatePlan } from "./plan.js";

/** What was learnt of a patch's file: its digest and size. */
export interface PatchFileFacts {
  readonly digest: string;
  readonly bytes: number;
}

/** Facts by patch; missing for a plan that is shown before files are read. */
export type PatchFacts = ReadonlyMap<CheckedPatch, PatchFileFacts>;

/** The plan as one JSON object (an event line without `time`). */
export function planToJson(plan: Plan, facts: PatchFacts): object {
  return {
    event: "plan",
    script: { path: plan.script.path, digest: plan.script.digest },
    order: plan.order,
    updates: plan.updates.map((update) => updateToJson(update, facts)),
    steps: plan.steps.map(stepToJson),
  };
}

function updateToJson(update: UpdatePlan, facts: PatchFacts): object {
  const { checked } = update;
  return {
    name: update.name,
    description: checked.description ?? null,
    target: {
      exe: checked.target?.exe?.value ?? null,
      build_id: checked.target?.buildId?.value ?? null,
      scope: update.scope,
    },
    patches: checked.patches.map((patch) => ({
      name: patch.name,
      source: patch.source.kind,
      path: patch.source.kind === "inline" ? null : patch.source.path,
      digest: facts.get(patch)?.digest ?? null,
      bytes: facts.get(patch)?.bytes ?? null,
      after: patch.after.map((name) => name.value),
      replace: patch.replacements.map((replacement) => ({
        function: replacement.function.value,
        in: replacement.scope?.value ?? null,
        with: replacement.with?.value ?? null,
      })),
      data: patch.data.map(({ name, objects, forward, backward }) => ({
        name,
        objects: objects.kind,
        forward: forward.value,
        backward: backward.value,
      })),
    })),
    points: checked.points.map(({ name, position }) => ({ name, position })),
    taints: checked.taints.map((taint) => ({
      name: taint.name,
      when: taint.when,
      positions: taint.positions,
      check: textOf(taint.check.span),
      recover: taint.recover === undefined ? null : textOf(taint.recover.span),
      otherwise: { action: taint.otherwise.action, message: taint.otherwise.message ?? null },
    })),
    on_failure:
      update.onFailure.kind === "keep"
        ? { action: "keep" }
        : { action: "rollback", point: update.onFailure.point },
    complete_within_ms: update.completeWithinMs,
  };
}

function stepToJson(step: Step): object {
  if (step.kind === "apply") return { step: "apply", update: step.update.name };
  const { statement } = step;
  const place = placeOf(statement.span);
  return {
    step: statement.kind.replace(/-statement$/, ""),
    ...(statement.kind === "apply" ? { update: statement.update.text } : {}),
    ...(statement.kind === "rollback"
      ? { update: statement.update.text, point: statement.point.text }
      : {}),
    line: place.line,
    text: textOf(statement.span),
  };
}

/** The plan as lines for a person. */
export function planToText(plan: Plan, facts: PatchFacts): string {
  const lines = [`plan of ${plan.script.path}`];
  lines.push(`  script sha256 ${plan.script.digest}`);
  for (const update of plan.updates) lines.push("", ...updateToText(update, facts));
  lines.push(
    "",
    `steps (${plan.order === "file" ? "updates in file order" : "as the script says"}):`,
  );
  plan.steps.forEach((step, index) => lines.push(...stepToText(step, index + 1)));
  return lines.join("\n");
}

function updateToText(update: UpdatePlan, facts: PatchFacts): string[] {
  const { checked } = update;
  const lines = [`update ${update.name}${checked.description ? `: ${checked.description}` : ""}`];
  const exe = checked.target?.exe?.value;
  const buildId = checked.target?.buildId?.value;
  lines.push(
    `  target: ${exe === undefined ? "named by --pid" : exe}` +
      (buildId === undefined ? "" : `, build-id ${buildId}…`) +
      (update.scope === "tree" ? ", the process and all its descendants" : ""),
  );
  const pointsAt = (position: number): void => {
    for (const taint of checked.taints) {
      if (taint.positions.includes(position)) lines.push(...taintToText(taint));
    }
    for (const point of checked.points) {
      if (point.position === position) lines.push(`  rollback point ${point.name}`);
    }
  };
  checked.patches.forEach((patch, index) => {
    pointsAt(index);
    lines.push(...patchToText(patch, facts));
  });
  pointsAt(checked.patches.length);
  lines.push(
    update.onFailure.kind === "keep"
      ? "  on failure: keep what was applied"
      : `  on failure: roll back to ${update.onFailure.point}`,
  );
  if (update.completeWithinMs !== null) {
    lines.push(`  wait for completion: at most ${formatMilliseconds(update.completeWithinMs)}`);
  }
  return lines;
}

function patchToText(patch: CheckedPatch, facts: PatchFacts): string[] {
  const { source } = patch;
  const from =
    source.kind === "inline"
      ? "C in the script"
      : source.kind === "c-file"
        ? `C source ${source.path}`
        : source.path;
  const after =
    patch.after.length === 0 ? "" : ` after ${patch.after.map((name) => name.value).join(", ")}`;
  const lines = [`  patch ${patch.name} from ${from}${after}`];
  const known = facts.get(patch);
  if (known !== undefined) {
    lines.push(`    sha256 ${known.digest} (${count(known.bytes, "byte")})`);
  }
  for (const replacement of patch.replacements) {
    const scope = replacement.scope === undefined ? "" : ` in ${replacement.scope.value}`;
    const other = replacement.with === undefined ? "" : ` with ${replacement.with.value}`;
    lines.push(`    replace ${replacement.function.value}${scope}${other}`);
  }
  for (const item of patch.data) lines.push(`    data ${item.name}: ${objectsToText(item)}`);
  return lines;
}

function objectsToText({ objects }: CheckedData): string {
  const named = ({ value, scope }: CheckedFunction): string =>
    scope === undefined ? value : `${value} in ${scope.value}`;
  if (objects.kind === "global") {
    const scope = objects.scope === undefined ? "" : ` in ${objects.scope.value}`;
    return `the global${scope} becomes ${objects.new.value}`;
  }
  const { each, onNew, onFree } = objects;
  return [
    `each object that ${named(each)} visits`,
    ...(onNew === undefined ? [] : [`created by ${named(onNew)}`]),
    ...(onFree === undefined ? [] : [`freed by ${named(onFree)}`]),
  ].join(", ");
}

function taintToText(taint: CheckedTaint): readonly string[] {
  const { name, check, recover, otherwise } = taint;
  const lines = [`  taint ${name}: check ${oneLine(check.span)}`];
  if (recover !== undefined) {
    lines.push("    recover", ...sourceLines(recover.span).map((line) => `      ${line}`));
  }
  const message = otherwise.message === undefined ? "" : ` "${otherwise.message}"`;
  lines.push(`    otherwise ${otherwise.action}${message}`);
  return lines;
}

function stepToText(step: Step, number: number): readonly string[] {
  if (step.kind === "apply") return [`  ${number}. apply ${step.update.name}`];
  const [first = "", ...rest] = sourceLines(step.statement.span);
  const margin = " ".repeat(`  ${number}. `.length);
  return [`  ${number}. ${first}`, ...rest.map((line) => `${margin}${line}`)];
}

function oneLine(span: Span): string {
  return textOf(span).replace(/\s+/g, " ");
}

/** The lines that a span covers, without the indentation that the script has there. */
function sourceLines(span: Span): readonly string[] {
  const [first = "", ...rest] = textOf(span).split("\n");
  const margins = rest
    .filter((line) => line.trim() !== "")
    .map((line) => /^[ \t]*/.exec(line)?.[0].length ?? 0);
  const margin = margins.length === 0 ? 0 : Math.min(...margins);
  return [first, ...rest.map((line) => line.slice(margin).trimEnd())];
}
