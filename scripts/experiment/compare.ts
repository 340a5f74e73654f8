/**
 * Updated servers beside servers that were started from the new version's build, in pairs.
 *
 * Servers that run the same build differ among themselves by some per cent, by where their memory lies and which
 * process has got which connection. So each pair has two servers of its own, as they have no past but the update;
 * and while both run, one has load at a time, by turns so short that the machine is as fast for one as for the
 * other.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Built, RunningServer, ServerCase } from "./case.js";
import { estimate, type Estimate } from "./estimate.js";
import { Load, percentile, type Client } from "./load.js";
import { processorTimeOf } from "./processes.js";
import { Operator } from "./update.js";

/** Ratios of updated servers to the others. */
export interface Comparison {
  readonly pairs: number;
  /** Requests a second. */
  readonly throughput: Estimate;
  /** Median latency of the requests of a turn. */
  readonly latency: Estimate;
  /**
   * Time on a processor that the server needs for a request. Other work on the machine disturbs it less than
   * what a client sees.
   */
  readonly processorTime: Estimate;
  readonly failed: number;
}

/** What a server showed in one turn. */
interface Turn {
  readonly throughput: number;
  readonly latency: number;
  /** Microseconds a request. */
  readonly processorTime: number;
  readonly failed: number;
}

type Measure = "throughput" | "latency" | "processorTime";

const turnMs = 100;
const turns = 40;
/** What a server does for the first time takes longer. */
const turnsToWarmUp = 3;

async function takeTurn(server: RunningServer, clients: readonly Client[]): Promise<Turn> {
  // Processes that serve the clients are there all the while.
  const pids = server.processes();
  const load = new Load(clients, "measured");
  const before = processorTimeOf(pids);
  await delay(turnMs);
  const used = processorTimeOf(pids) - before;
  const [figures] = await load.end();
  if (figures === undefined || figures.requests === 0) throw new Error("nothing was measured");
  return {
    throughput: figures.perSecond,
    latency: figures.p50Us,
    processorTime: used / figures.requests,
    failed: figures.failed,
  };
}

/** A server, and who asks it. */
interface Served {
  readonly server: RunningServer;
  readonly clients: readonly Client[];
}

interface TurnOfBoth {
  readonly updated: Turn;
  readonly fresh: Turn;
}

/** Which comes first changes from turn to turn. */
async function takeTurns(updated: Served, fresh: Served): Promise<readonly TurnOfBoth[]> {
  const taken: TurnOfBoth[] = [];
  const of = ({ server, clients }: Served): Promise<Turn> => takeTurn(server, clients);
  for (let turn = 0; turn < turnsToWarmUp + turns; turn++) {
    if (turn % 2 === 0) taken.push({ updated: await of(updated), fresh: await of(fresh) });
    else {
      const first = await of(fresh);
      taken.push({ updated: await of(updated), fresh: first });
    }
  }
  return taken;
}

/** Opens clients, and closes what is open whatever happens. */
async function withClients<S extends RunningServer, T>(
  of: ServerCase<S>,
  server: S,
  use: (served: Served) => Promise<T>,
): Promise<T> {
  const clients = await of.openClients(server);
  try {
    return await use({ server, clients });
  } finally {
    for (const client of clients) client.close();
  }
}

/** One pair: both servers are started, one is updated, and both are ended. */
async function runPair<S extends RunningServer>(
  of: ServerCase<S>,
  built: Built,
): Promise<readonly TurnOfBoth[]> {
  const operator = new Operator(of, built);
  const started: S[] = [];
  const start = async (executable: string): Promise<S> => {
    const server = await of.start(executable);
    started.push(server);
    return server;
  };
  try {
    const updated = await start(operator.executable);
    await operator.apply(updated);
    await of.settle?.(updated);
    const fresh = await start(built.newVersion);
    return await withClients(of, updated, (mine) =>
      withClients(of, fresh, (other) => takeTurns(mine, other)),
    );
  } finally {
    try {
      await operator.close();
    } finally {
      for (const server of started) server.stop();
    }
  }
}

/** @throws when a server does not start, an update is not applied, or nothing is answered */
export async function comparePairs<S extends RunningServer>(
  of: ServerCase<S>,
  built: Built,
  options: { readonly pairs: number; readonly say: (text: string) => void },
): Promise<Comparison> {
  const { pairs, say } = options;
  const ratios: Record<Measure, number[]> = { throughput: [], latency: [], processorTime: [] };
  let failed = 0;
  for (let pair = 0; pair < pairs; pair++) {
    say(`${of.name}: pair ${pair + 1} of ${pairs} with a server of the new version's build`);
    const taken = await runPair(of, built);
    for (const { updated, fresh } of taken) failed += updated.failed + fresh.failed;
    const warm = taken.slice(turnsToWarmUp);
    for (const measure of ["throughput", "latency", "processorTime"] as const) {
      const each = warm.map(({ updated, fresh }) => updated[measure] / fresh[measure]);
      ratios[measure].push(
        percentile(
          each.sort((a, b) => a - b),
          0.5,
        ),
      );
    }
  }
  return {
    pairs,
    throughput: estimate(ratios.throughput),
    latency: estimate(ratios.latency),
    processorTime: estimate(ratios.processorTime),
    failed,
  };
}
