/** Checks the state of processes while an update is applied to them, and repairs it. */
import type { CheckedTaint } from "../../lang/check/checked.js";
import { offsetBy } from "../../native/address.js";
import type { ApplyStep, Repair } from "../../native/engine.js";
import { diagnose } from "../diagnose.js";
import type { UpdatePlan } from "../plan/plan.js";
import type { RunContext } from "./context.js";
import { ScriptError } from "./script_error.js";
import { oneLine, type StatementRunner } from "./statements.js";
import type { Write } from "./undo.js";

/** One step of applying an update: taints are looked at, then further patches become active. */
export interface PlannedStep {
  /** Looked at before, with `from` patches active. */
  readonly taints: readonly CheckedTaint[];
  readonly from: number;
  /** Patches active afterwards. */
  readonly upTo: number;
  readonly more: boolean;
}

/**
 * The steps of an update: its patches become active together, but for the places in their order
 * where a taint is to be looked at. The last step is there for what is looked at in the end.
 */
export function stepsOf(update: UpdatePlan): readonly PlannedStep[] {
  const { patches, taints } = update.checked;
  const end = patches.length;
  const at = (position: number): readonly CheckedTaint[] =>
    // What comes after the patch before, then what comes before the next one.
    taints
      .filter(({ positions }) => positions.includes(position))
      .toSorted((left, right) => rank(left, position) - rank(right, position));
  const stops = new Set([0, ...taints.flatMap(({ positions }) => positions), end]);
  const places = [...stops].toSorted((left, right) => left - right);
  const steps = places.slice(0, -1).map((from, index) => ({
    taints: at(from),
    from,
    upTo: places[index + 1] ?? end,
  }));
  const last = at(end);
  if (last.length > 0 || end === 0) steps.push({ taints: last, from: end, upTo: end });
  return steps.map((step, index) => ({ ...step, more: index < steps.length - 1 }));
}

function rank(taint: CheckedTaint, position: number): number {
  return taint.kind === "after" || (taint.kind === "always" && position > 0) ? 0 : 1;
}

/** Number of the patch whose rollback takes back what was repaired for a taint there. */
function patchOf(taint: CheckedTaint, position: number): number {
  return rank(taint, position) === 0 ? position - 1 : position;
}

/**
 * Looks at one taint in one process, repairs it where it can.
 * @throws ScriptError: it is beyond repair, and the update says that this is a failure
 */
export async function lookAt(
  context: RunContext,
  runner: StatementRunner,
  update: UpdatePlan,
  taint: CheckedTaint,
  position: number,
): Promise<void> {
  const { reporter } = context;
  const tell = (state: "clean" | "tainted" | "repaired" | "beyond-repair"): void =>
    reporter.progress({
      event: "taint",
      pid: runner.pid,
      update: update.name,
      name: taint.name,
      when: taint.when,
      state,
    });
  const { scope } = update.checked;
  if (await runner.holds(taint.check, runner.outermost(scope))) return tell("clean");
  if (taint.recover !== undefined) {
    tell("tainted");
    const repair = { update, patch: patchOf(taint, position), taint: taint.name };
    await runner.block(taint.recover, runner.outermost(scope, repair));
    if (await runner.holds(taint.check, runner.outermost(scope))) return tell("repaired");
  }
  tell("beyond-repair");
  const { otherwise } = taint;
  const message =
    otherwise.message ?? `taint \`${taint.name}\`: \`${oneLine(taint.check.span)}\` does not hold`;
  const parts = {
    code: "tainted",
    message,
    span: otherwise.span,
    notes: [{ message: "its check is here", span: taint.check.span }],
  };
  if (otherwise.action === "fail") throw new ScriptError(parts, [], runner.pid);
  reporter.diagnostic(diagnose({ ...parts, severity: "warning" }));
}

/** What one repair may hold, bytes: the engine's record takes no longer ones. */
const longestRepair = 4096;

/** Writes as the records keep them: several to one place as one, long ones in pieces. */
export function repairsForRecord(writes: readonly Write[]): ApplyStep["repairs"] {
  const merged: Write[] = [];
  for (const write of writes) {
    const last = merged.findLastIndex((one) => overlaps(one, write));
    const before = merged[last];
    const same =
      before !== undefined &&
      before.address === write.address &&
      before.repair?.patch === write.repair?.patch &&
      before.repair?.taint === write.repair?.taint &&
      before.after.length === write.after.length &&
      Buffer.compare(before.after, write.before) === 0;
    if (same) merged[last] = { ...before, after: write.after };
    else merged.push(write);
  }
  return merged.flatMap(pieces);
}

/** Writes as they are announced, before the last of them is made: each for itself. */
export function repairsToAnnounce(writes: readonly Write[]): ApplyStep["repairs"] {
  return writes.flatMap(pieces);
}

function overlaps(left: Write, right: Write): boolean {
  if (left.pid !== right.pid) return false;
  const end = (write: Write): bigint => write.address + BigInt(write.after.length);
  return left.address < end(right) && right.address < end(left);
}

function pieces({ pid, address, before, after, repair }: Write): readonly Repair[] {
  if (repair === null) return [];
  const { patch, taint } = repair;
  const found: Repair[] = [];
  for (let at = 0; at < after.length; at += longestRepair) {
    found.push({
      pid,
      patch,
      taint,
      address: offsetBy(address, at),
      before: before.subarray(at, at + longestRepair),
      after: after.subarray(at, at + longestRepair),
    });
  }
  return found;
}
