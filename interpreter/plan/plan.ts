/**
 * The plan: what a checked script will do, as data and before anything is done.
 * `--dry-run` shows it; `run/` executes it. Nothing here reads a file or knows
 * of a process.
 */
import type { RollbackStatement, Statement } from "../../lang/ast.js";
import type {
  CheckedFailureAction,
  CheckedPoint,
  CheckedScript,
  CheckedUpdate,
} from "../../lang/check/checked.js";
import { reachableStatements, updateNamed } from "./reachable.js";

export interface Plan {
  readonly script: CheckedScript;
  /** `file`: the updates in file order; `statements`: the script decides by itself. */
  readonly order: "file" | "statements";
  /** Every update that the steps or the recipes that they run name, each once, in order of first use. */
  readonly updates: readonly UpdatePlan[];
  readonly steps: readonly Step[];
}

export interface UpdatePlan {
  readonly name: string;
  readonly scope: "process" | "tree";
  readonly onFailure: CheckedFailureAction;
  /** Milliseconds; `null`: do not wait. */
  readonly completeWithinMs: number | null;
  /** Whether some step applies it (else it is only rolled back). */
  readonly applied: boolean;
  /** The update as checked: target, patches and the places of all names in the script. */
  readonly checked: CheckedUpdate;
}

export type Step =
  | { readonly kind: "apply"; readonly update: UpdatePlan }
  | { readonly kind: "statement"; readonly statement: Statement };

/** Makes the plan of a checked script. */
export function buildPlan(script: CheckedScript): Plan {
  const decidesItself = script.statements.length > 0;
  const named = decidesItself
    ? namedUpdates(script)
    : new Map(script.updates.map((update) => [update, true]));
  const updates = [...named].map(([update, applied]) => planUpdate(update, applied));
  return {
    script,
    order: decidesItself ? "statements" : "file",
    updates,
    steps: decidesItself
      ? script.statements.map((statement): Step => ({ kind: "statement", statement }))
      : updates.map((update): Step => ({ kind: "apply", update })),
  };
}

/** Every update that a statement names, and whether one applies it. */
function namedUpdates(script: CheckedScript): ReadonlyMap<CheckedUpdate, boolean> {
  const named = new Map<CheckedUpdate, boolean>();
  for (const { statement, names } of reachableStatements(script)) {
    if (statement.kind !== "apply" && statement.kind !== "rollback") continue;
    const update = updateNamed(statement.update.text, names);
    if (update === undefined) continue;
    named.set(update, named.get(update) === true || statement.kind === "apply");
  }
  return named;
}

/** The point that a `rollback to` names. */
export function pointOf(statement: RollbackStatement, update: CheckedUpdate): CheckedPoint {
  const point = update.points.find(({ name }) => name === statement.point.text);
  if (point === undefined) throw new Error(`no point ${statement.point.text} was checked`);
  return point;
}

function planUpdate(update: CheckedUpdate, applied: boolean): UpdatePlan {
  const within = update.completeWithin?.value;
  return {
    name: update.name,
    scope: update.target?.scope ?? "process",
    onFailure: update.onFailure,
    completeWithinMs: within === undefined ? null : Number(within / 1000n) / 1000,
    applied,
    checked: update,
  };
}
