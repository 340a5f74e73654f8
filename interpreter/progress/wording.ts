/** The words of progress lines and of the closing line, for a person. */
import type { Done, ListedProcess, ProgressEvent } from "./events.js";

/** `1 process`, `3 processes`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

function processCount(number: number): string {
  return count(number, "process", "processes");
}

/** Microseconds as a person reads them: `85 us`, `1.2 ms`. */
export function formatMicroseconds(us: number): string {
  if (us < 1000) return `${Math.round(us)} us`;
  const ms = us / 1000;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** Milliseconds as a person reads them: `35 ms`, `2.4 s`. */
export function formatMilliseconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function describeProcess(process: ListedProcess): string {
  const threads = count(process.threads, "thread");
  return `${process.pid}  ${process.exe}  user ${process.user}, ${threads}  ${process.command}`;
}

/** `pid 12` or `pids 12, 13, 14 and 5 more`. */
export function describePids(pids: readonly number[]): string {
  if (pids.length === 0) return "no process";
  if (pids.length === 1) return `pid ${pids[0]}`;
  const shown = pids.slice(0, 8).join(", ");
  return pids.length > 8 ? `pids ${shown} and ${pids.length - 8} more` : `pids ${shown}`;
}

const taintWords = {
  clean: "clean",
  tainted: "tainted, recovering",
  repaired: "repaired",
  "beyond-repair": "beyond repair",
} as const;

/** The lines (at least one) that tell an event; not escaped. */
export function wordEvent(event: ProgressEvent): readonly string[] {
  switch (event.event) {
    case "compiled":
      return [`compiled ${event.source} for patch ${event.patch} (${event.bytes} bytes)`];
    case "processes": {
      const what = event.update === null ? "target" : `target of ${event.update}`;
      return [
        `${what}: ${processCount(event.processes.length)}`,
        ...event.processes.map((process) => `  ${describeProcess(process)}`),
      ];
    }
    case "left_out":
      return [`left out pid ${event.pid} (${event.exe}): ${event.why}`];
    case "verified":
      return [
        event.already_applied
          ? `verified ${event.update}: it is applied already`
          : `verified ${event.update}: ${count(event.functions, "function")}, ${count(event.imports, "import")}`,
      ];
    case "applying":
      return [`applying ${event.update} to ${describePids(event.pids)}`];
    case "applied":
      return [
        `applied ${event.update}: ${count(event.functions, "function")} in ` +
          `${count(event.patches, "patch", "patches")}, longest stall ${formatMicroseconds(event.stall_us)}`,
      ];
    case "already_applied":
      return [`skipped ${event.update}: it is applied already`];
    case "interrupted_run_found":
      return [
        `pid ${event.pid} carries an interrupted run of ${event.update}; recovering it first`,
      ];
    case "rolling_back":
      return [
        `rolling back to ${event.update}.${event.point} in ${describePids(event.pids)}` +
          (event.why === "failure" ? " (on failure)" : ""),
      ];
    case "set":
      return [`pid ${event.pid}: set ${event.place}: ${event.before} -> ${event.after}`];
    case "put_back":
      return [`pid ${event.pid}: put ${event.place} back (${event.address})`];
    case "called":
      return [
        `pid ${event.pid}: called ${event.function} on thread ${event.tid} ` +
          `(${formatMicroseconds(event.held_us)})`,
      ];
    case "taint":
      return [`pid ${event.pid}: taint ${event.name} (${event.when}): ${taintWords[event.state]}`];
    case "kept":
      return [`kept ${event.update}: ${event.why}`];
    case "complete":
      return [`complete: no thread is inside old code of ${event.update}`];
    case "watching":
      return [
        `watching for ${event.exes.join(", ")}; ${processCount(event.pids.length)} followed from here`,
      ];
    case "process_updated":
      return [
        event.when === "start"
          ? `pid ${event.pid} (${event.exe}): updated at its start, held for ${formatMicroseconds(event.held_us)}`
          : `pid ${event.pid} (${event.exe}): updated while it runs`,
      ];
    case "process_not_updated":
      return [`pid ${event.pid} was not updated: ${event.why}`];
    case "stopping":
      return [
        event.again
          ? `already stopping (${event.signal}): the step under way is finished or undone first`
          : `${event.signal}: finishing or undoing the step under way, then stopping`,
      ];
    case "attached":
      return [`attached ${processCount(event.processes)} and ${count(event.threads, "thread")}`];
    case "resolved":
      return [
        `resolved ${count(event.functions, "function")} and ${count(event.imports, "import")}`,
      ];
    case "mapped":
      return [
        event.reused
          ? `pid ${event.pid}: patch ${event.patch} is there already at ${event.address}`
          : `pid ${event.pid}: mapped patch ${event.patch} at ${event.address} (${event.bytes} bytes)`,
      ];
    case "installed":
      return [
        `pid ${event.pid}: installed ${count(event.functions, "function")}, ` +
          `held ${count(event.stopped_threads, "thread")} for ${formatMicroseconds(event.stall_us)}`,
      ];
    case "activated":
      return [`pid ${event.pid}: activated ${event.update}`];
    case "rolled_back":
      return [`pid ${event.pid}: rolled back to ${event.update}.${event.point}`];
    case "recovered":
      return [`pid ${event.pid}: recovered the interrupted run of ${event.update} (${event.how})`];
    case "completing":
      return [`completing: thread ${event.tid} still in ${event.function} (pid ${event.pid})`];
    case "coexisting":
      return [
        `pid ${event.pid}: both versions of ${count(event.objects, "object")} of patch ${event.patch} are kept coherent`,
      ];
    case "completed":
      return [`pid ${event.pid}: the old data of patch ${event.patch} is out of use`];
    case "retired":
      return [`pid ${event.pid}: the new data of patch ${event.patch} is out of use`];
    case "rewritten":
      return [
        `pid ${event.pid}: ${count(event.instructions, "store")} that happen often are not caught any more, but rewritten`,
      ];
    case "process_born":
      return [`pid ${event.pid} was started by ${event.parent} meanwhile`];
    case "process_gone":
      return [
        event.why === "exec"
          ? `pid ${event.pid} runs another program now`
          : `pid ${event.pid} has ended meanwhile`,
      ];
    case "repair_undone":
      return [
        `pid ${event.pid}: took back the repair of ${event.taint} at ${event.address} (${event.update})`,
      ];
    case "repair_left":
      return [
        `pid ${event.pid}: left the repair of ${event.taint} at ${event.address} alone: it was changed since`,
      ];
    case "waiting":
      return [`pid ${event.pid}: waiting: ${event.why}`];
  }
}

/** The closing line. */
export function wordDone(done: Done): string {
  const parts: string[] = [];
  if (done.pids.length > 0) parts.push(processCount(done.pids.length));
  if (done.functions > 0) {
    parts.push(
      `${count(done.functions, "function")} in ${count(done.patches, "patch", "patches")}`,
    );
  }
  if (done.stopped_threads_max > 0) {
    parts.push(`longest stall ${formatMicroseconds(done.stall_us_max)}`);
  }
  parts.push(formatMilliseconds(done.duration_ms));
  let line = `${done.outcome}: ${parts.join(", ")}`;
  if (done.state !== undefined) line += `; state: ${done.state}`;
  if (done.completion === "pending") {
    const first = done.held_by?.[0];
    line += "; completion pending";
    if (first !== undefined) {
      const more = (done.held_by?.length ?? 1) - 1;
      line += ` (thread ${first.tid} of ${first.pid} still in ${first.function}${more > 0 ? ` and ${more} more` : ""})`;
    }
  } else if (done.completion === "complete") {
    line += "; complete";
  }
  return line;
}
