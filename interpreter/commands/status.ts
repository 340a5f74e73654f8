/** `polus status`: what the records in processes tell. */
import { formatAddress } from "../../native/address.js";
import {
  EngineError,
  type ActiveFrame,
  type DataStatus,
  type Engine,
  type ProcessStatus,
  type RuntimeStatus,
  type UpdateStatus,
} from "../../native/engine.js";
import { parsePid } from "../command_line.js";
import { count } from "../progress/wording.js";
import type { StatusLine } from "../schema.js";
import type { Command } from "./command.js";

/** What holds the completion of a process's updates, by their names. */
type Holds = ReadonlyMap<string, readonly ActiveFrame[]>;

interface Shown {
  readonly status: ProcessStatus;
  readonly holds: Holds;
}

export const run: Command = async (context) => {
  const all = context.parsed.flags.has("all");
  const engine = await context.engine();
  const pid = parsePid(context.parsed.values.get("pid")?.[0] ?? "");
  let statuses: readonly ProcessStatus[];
  if (pid === null) {
    statuses = (await engine.statusOfAll()).filter((status) => shown(status, all).length > 0);
  } else {
    // Asked first: it says why a process cannot be read at all.
    const process = await engine.processInfo(pid);
    statuses = [
      (await engine.status(pid)) ?? {
        pid,
        exe: process.exe,
        buildId: process.buildId,
        updates: [],
        runtime: null,
      },
    ];
  }
  const byPid = [...statuses].sort((left, right) => left.pid - right.pid);
  for (const found of byPid) {
    const { status, holds } = await completed(engine, found);
    const updates = shown(status, all);
    context.reporter.result(statusText(status, updates, holds), statusLine(status, updates, holds));
  }
  if (byPid.length === 0 && !context.parsed.flags.has("json")) {
    context.reporter.result("no process that we may read carries updates", {});
  }
  return "completed";
};

function shown(status: ProcessStatus, all: boolean): readonly UpdateStatus[] {
  return all ? status.updates : status.updates.filter((update) => update.state !== "rolled-back");
}

/**
 * Looks whether data still needs two versions, and completes what does not. Where that cannot be done
 * (no permission, another polus is at work) the record alone is shown.
 */
async function completed(engine: Engine, status: ProcessStatus): Promise<Shown> {
  const waiting = status.updates.filter(({ state }) => state === "completing");
  const holds = new Map<string, readonly ActiveFrame[]>();
  if (waiting.length === 0) return { status, holds };
  try {
    const session = await engine.open([status.pid], () => undefined);
    try {
      for (const { name } of waiting) holds.set(name, await session.complete(name));
    } finally {
      await session.close();
    }
    return { status: (await engine.status(status.pid)) ?? status, holds };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { status, holds };
  }
}

function statusLine(
  status: ProcessStatus,
  updates: readonly UpdateStatus[],
  holds: Holds,
): StatusLine {
  return {
    pid: status.pid,
    exe: status.exe,
    build_id: status.buildId,
    updates: updates.map((update) => {
      const held = update.state === "completing" ? (holds.get(update.name) ?? []) : [];
      return {
        name: update.name,
        points: update.points,
        patches: update.patches.map(({ name, digest, functions, data }) => ({
          name,
          digest,
          functions,
          ...(data === null ? {} : { data: dataLine(data) }),
        })),
        state: update.state,
        applied_at: update.appliedAt,
        ...(held.length === 0
          ? {}
          : {
              held_by: held.map(({ tid, function: name }) => ({
                tid,
                function: name,
                since: update.appliedAt,
              })),
            }),
      };
    }),
    ...(status.runtime === null ? {} : { runtime: runtimeLine(status.runtime) }),
  };
}

function dataLine({ state, items, objects, done, stray, strayAt }: DataStatus) {
  const at = strayAt === null ? {} : { stray_at: formatAddress(strayAt) };
  return { state, items, objects, done, stray, ...at };
}

function runtimeLine({ guardedPages, ...rest }: RuntimeStatus) {
  return { guarded_pages: guardedPages, ...rest };
}

const dataWords: Readonly<Record<DataStatus["state"], string>> = {
  converting: "is being converted",
  coexisting: "in both versions, kept coherent",
  lifting: "is being completed",
  complete: "in the new version alone",
  retired: "in the old version alone",
};

function dataText({ state, items, objects, done, stray, strayAt }: DataStatus): string {
  const moving = state === "converting" || state === "lifting" ? `, ${done} done` : "";
  const strays =
    strayAt === null
      ? ""
      : `; ${count(stray, "stray touch", "stray touches")}, last at ${formatAddress(strayAt)}`;
  return `      data ${items.join(", ")}: ${count(objects, "object")} ${dataWords[state]}${moving}${strays}`;
}

function runtimeText(runtime: RuntimeStatus): string {
  const { guardedPages, traps, slow, rewritten, damaged } = runtime;
  const parts = [
    `${count(guardedPages, "page")} guarded`,
    `${count(traps, "store")} caught`,
    ...(slow > 0 ? [`${slow} of them step by step`] : []),
    ...(rewritten > 0 ? [`${count(rewritten, "instruction")} rewritten`] : []),
    ...(damaged ? ["DAMAGED: its data must not be updated any more"] : []),
  ];
  return `  runtime: ${parts.join(", ")}`;
}

function statusText(status: ProcessStatus, updates: readonly UpdateStatus[], holds: Holds): string {
  const buildId = status.buildId === null ? "" : ` (build-id ${status.buildId.slice(0, 12)})`;
  const lines = [`pid ${status.pid}  ${status.exe}${buildId}`];
  if (updates.length === 0) lines.push("  carries no updates");
  for (const update of updates) {
    const at = update.at === null ? "" : `, at rollback point ${update.at}`;
    lines.push(`  ${update.name}: ${update.state}${at}, applied ${update.appliedAt}`);
    lines.push(`    rollback points: ${update.points.join(", ")}`);
    for (const patch of update.patches) {
      const state = patch.active || update.state !== "active" ? "" : " (rolled back)";
      lines.push(
        `    patch ${patch.name} ${patch.digest.slice(0, 12)}${state}: ` +
          `${count(patch.functions.length, "function")}: ${patch.functions.join(", ")}`,
      );
      if (patch.data !== null) lines.push(dataText(patch.data));
    }
    if (update.state !== "completing") continue;
    for (const { tid, function: name } of holds.get(update.name) ?? [])
      lines.push(`    held by thread ${tid}, in ${name} since before ${update.appliedAt}`);
  }
  if (status.runtime !== null) lines.push(runtimeText(status.runtime));
  return lines.join("\n");
}
