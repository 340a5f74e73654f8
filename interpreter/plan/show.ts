/** A plan as text for a person and as data for `--json`. */
import type { CheckedPatch } from "../../lang/check/checked.js";
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
    })),
    points: checked.points.map(({ name, position }) => ({ name, position })),
    on_failure:
      update.onFailure.kind === "keep"
        ? { action: "keep" }
        : { action: "rollback", point: update.onFailure.point },
    complete_within_ms: update.completeWithinMs,
  };
}

function stepToJson(step: Step): object {
  switch (step.kind) {
    case "apply":
      return { step: "apply", update: step.update.name };
    case "rollback":
      return { step: "rollback", update: step.update.name, point: step.point };
    case "print":
      return { step: "print", values: step.values };
  }
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
  plan.steps.forEach((step, index) => lines.push(`  ${index + 1}. ${stepToText(step)}`));
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
  return lines;
}

function stepToText(step: Step): string {
  switch (step.kind) {
    case "apply":
      return `apply ${step.update.name}`;
    case "rollback":
      return `roll back to ${step.update.name}.${step.point}`;
    case "print":
      return `print ${step.values.map((value) => value.text).join(" ")}`;
  }
}
