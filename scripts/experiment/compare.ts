/** The updated server beside one that was started from the new version's build, in pairs of runs. */
import { setTimeout as delay } from "node:timers/promises";
import type { RunningServer, ServerCase } from "./case.js";
import { Load, percentile, type Client, type PhaseFigures } from "./load.js";
import { processorTimeOf } from "./processes.js";

/** Of the ratios of pairs: updated server to the other. */
export interface Spread {
  readonly median: number;
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
}

export interface Comparison {
  readonly pairs: number;
  /** Requests a second. */
  readonly throughput: Spread;
  /** Median latency of the requests of a run. */
  readonly latency: Spread;
  /**
   * Time on a processor that the server needs for a request. Other work on the machine disturbs it less than
   * what a client sees.
   */
  readonly processorTime: Spread;
  readonly failed: number;
}

/** What one server showed in one run. */
interface Measured {
  readonly figures: PhaseFigures;
  /** Microseconds a request. */
  readonly processorTime: number;
}

function spread(ratios: readonly number[]): Spread {
  const sorted = Float64Array.from(ratios).sort();
  return {
    median: percentile(sorted, 0.5),
    lowerQuartile: percentile(sorted, 0.25),
    upperQuartile: percentile(sorted, 0.75),
  };
}

/** Runs are so short that what else the machine does is mostly the same for both of a pair. */
const runSeconds = 0.5;

async function measure<S extends RunningServer>(
  server: S,
  clients: readonly Client[],
): Promise<Measured> {
  // Processes that serve the clients are there all the while.
  const pids = server.processes();
  const load = new Load(clients, "measured");
  const before = processorTimeOf(pids);
  await delay(runSeconds * 1000);
  const used = processorTimeOf(pids) - before;
  const [figures] = await load.end();
  if (figures === undefined) throw new Error("nothing was measured");
  return { figures, processorTime: used / Math.max(figures.requests, 1) };
}

/** Both servers run all the while; one has load at a time. Which comes first changes from pair to pair. */
export async function comparePairs<S extends RunningServer>(
  of: ServerCase<S>,
  updated: S,
  newVersion: string,
  options: { readonly pairs: number; readonly say: (text: string) => void },
): Promise<Comparison> {
  const fresh = await of.start(newVersion);
  const clients = new Map<S, readonly Client[]>();
  try {
    for (const server of [updated, fresh]) clients.set(server, await of.openClients(server));
    const throughput: number[] = [];
    const latency: number[] = [];
    const processorTime: number[] = [];
    let failed = 0;
    options.say(`${of.name}: ${options.pairs} pairs of runs beside the new version's build`);
    for (let pair = 0; pair < options.pairs; pair++) {
      const order = pair % 2 === 0 ? [updated, fresh] : [fresh, updated];
      const measured = new Map<S, Measured>();
      for (const server of order) {
        measured.set(server, await measure(server, clients.get(server) ?? []));
      }
      const [mine, other] = [measured.get(updated), measured.get(fresh)];
      if (mine === undefined || other === undefined) throw new Error("a run is missing");
      throughput.push(mine.figures.perSecond / other.figures.perSecond);
      latency.push(mine.figures.p50Us / other.figures.p50Us);
      processorTime.push(mine.processorTime / other.processorTime);
      failed += mine.figures.failed + other.figures.failed;
    }
    return {
      pairs: options.pairs,
      throughput: spread(throughput),
      latency: spread(latency),
      processorTime: spread(processorTime),
      failed,
    };
  } finally {
    for (const client of [...clients.values()].flat()) client.close();
    fresh.stop();
  }
}
