/**
 * The plan: what a checked script will do, as data and before anything is done.
 * `--dry-run` shows it; `run/` executes it. Nothing here reads a file or knows
 * of a process.
 */
import type {
  CheckedFailureAction,
  CheckedScript,
  CheckedStatement,
  CheckedUpdate,
} from "../../lang/check/checked.js";
import type { PrintedValue } from "../progress/events.js";
import { printConstant } from "../values/print.js";

export interface Plan {
  readonly script: CheckedScript;
  /** `file`: the updates in file order; `statements`: the script decides by itself. */
  readonly order: "file" | "statements";
  /** Every update that the steps name, each once, in order of first use. */
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
  | {
      readonly kind: "rollback";
      readonly update: UpdatePlan;
      readonly point: string;
      /** How many of the update's patches stay. */
      readonly position: number;
    }
  | { readonly kind: "print"; readonly values: readonly PrintedValue[] };

/** Makes the plan of a checked script. */
export function buildPlan(script: CheckedScript): Plan {
  const decidesItself = script.statements.length > 0;
  const planned = new Map<CheckedUpdate, UpdatePlan>();
  const appliedUpdates = new Set<CheckedUpdate>(
    decidesItself
      ? script.statements.flatMap((statement) =>
          statement.kind === "apply" ? [statement.update] : [],
        )
      : script.updates,
  );
  const plan = (update: CheckedUpdate): UpdatePlan => {
    const known = planned.get(update);
    if (known !== undefined) return known;
    const made = planUpdate(update, appliedUpdates.has(update));
    planned.set(update, made);
    return made;
  };
  const steps = decidesItself
    ? script.statements.map((statement) => planStatement(statement, plan))
    : script.updates.map((update): Step => ({ kind: "apply", update: plan(update) }));
  return {
    script,
    order: decidesItself ? "statements" : "file",
    updates: [...planned.values()],
    steps,
  };
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

function planStatement(
  statement: CheckedStatement,
  plan: (update: CheckedUpdate) => UpdatePlan,
): Step {
  switch (statement.kind) {
    case "apply":
      return { kind: "apply", update: plan(statement.update) };
    case "rollback":
      return {
        kind: "rollback",
        update: plan(statement.update),
        point: statement.point.name,
        position: statement.point.position,
      };
    case "print":
      return {
        kind: "print",
        values: statement.values.map((value) => printConstant(value.value)),
      };
  }
}
