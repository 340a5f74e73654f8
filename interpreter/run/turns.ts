/**
 * Several processes, one script: each has its own flow through the statements, and the flows
 * take turns, a statement each. Only one runs at any time. A flow that sleeps holds up nobody;
 * where all must come together (an update is activated in all of them), those that meet wait
 * for the others.
 */

/** A flow was ended since another one failed; nothing to tell. */
export class Abandoned extends Error {}

/** One flow's hold on the turn. */
export interface Turn {
  /** Position among the flows. */
  readonly index: number;
  /** Lets the others take their turns; resolves when it is this one's again. */
  next(): Promise<void>;
  /** Sleeps while the others go on; ends early when the flows are given up or `stop` is aborted. */
  pause(milliseconds: number, stop: AbortSignal): Promise<void>;
  /**
   * Waits until no other flow can go on without having come here too; then `work` is done once,
   * for all that wait with the same key. Of several such groups, the one with the smallest `place`
   * goes on first: those that are furthest behind in the script.
   */
  meet(
    key: object,
    place: number,
    work: (members: readonly number[]) => Promise<void>,
  ): Promise<void>;
}

type FlowState = "ready" | "running" | "sleeping" | "meeting" | "ended";

interface Meeting {
  readonly key: object;
  readonly place: number;
  readonly work: (members: readonly number[]) => Promise<void>;
}

class Flow {
  state: FlowState = "ready";
  meeting: Meeting | null = null;
  private wake: (() => void) | null = null;

  constructor(readonly index: number) {}

  /** Resolves when `go` is called. */
  parked(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  go(): void {
    this.state = "running";
    const { wake } = this;
    this.wake = null;
    wake?.();
  }
}

/**
 * Runs `body` for each of `count` flows, in turns. The first error ends all of them: the others
 * get `Abandoned` where they wait. Resolves or rejects when every flow has ended.
 */
export async function inTurns(count: number, body: (turn: Turn) => Promise<void>): Promise<void> {
  await new Schedule(count).run(body);
}

class Schedule {
  private readonly flows: readonly Flow[];
  private readonly abort = new AbortController();
  private failure: { readonly error: unknown } | null = null;
  private last = -1;

  constructor(count: number) {
    this.flows = Array.from({ length: count }, (_, index) => new Flow(index));
  }

  async run(body: (turn: Turn) => Promise<void>): Promise<void> {
    const ended = this.flows.map(async (flow) => {
      try {
        await this.turnOf(flow);
        await body(this.hold(flow));
      } catch (error) {
        if (!(error instanceof Abandoned)) this.fail(error);
      }
      flow.state = "ended";
      this.dispatch();
    });
    this.dispatch();
    await Promise.all(ended);
    if (this.failure !== null) throw this.failure.error;
  }

  private fail(error: unknown): void {
    this.failure ??= { error };
    this.abort.abort();
  }

  private hold(flow: Flow): Turn {
    return {
      index: flow.index,
      next: async () => {
        flow.state = "ready";
        await this.yielded(flow);
      },
      pause: async (milliseconds, stop) => {
        flow.state = "sleeping";
        const slept = sleep(milliseconds, AbortSignal.any([stop, this.abort.signal]));
        void slept.then(() => {
          flow.state = "ready";
          this.dispatch();
        });
        await this.yielded(flow);
      },
      meet: async (key, place, work) => {
        flow.state = "meeting";
        flow.meeting = { key, place, work };
        await this.yielded(flow);
      },
    };
  }

  private async yielded(flow: Flow): Promise<void> {
    const turn = this.turnOf(flow);
    this.dispatch();
    await turn;
  }

  private async turnOf(flow: Flow): Promise<void> {
    await flow.parked();
    if (this.failure !== null) throw new Abandoned();
  }

  /** Gives the turn to the next flow that can go on; where none can, those that meet do. */
  private dispatch(): void {
    if (this.flows.some(({ state }) => state === "running")) return;
    const after = (step: number): Flow | undefined =>
      this.flows[(this.last + step) % this.flows.length];
    for (let step = 1; step <= this.flows.length; step++) {
      const flow = after(step);
      if (flow === undefined) continue;
      const waits = flow.state === "ready" || (this.failure !== null && flow.state === "meeting");
      if (!waits) continue;
      this.last = flow.index;
      flow.go();
      return;
    }
    if (this.flows.some(({ state }) => state === "sleeping")) return;
    const place = ({ meeting }: Flow): number => meeting?.place ?? Infinity;
    const meeting = this.flows.filter(({ state }) => state === "meeting");
    const [first] = meeting.sort((left, right) => place(left) - place(right));
    if (first !== undefined) void this.holdMeeting(first);
  }

  private async holdMeeting(leader: Flow): Promise<void> {
    const { meeting } = leader;
    if (meeting === null) return;
    const members = this.flows.filter(
      (flow) => flow.state === "meeting" && flow.meeting?.key === meeting.key,
    );
    for (const member of members) member.meeting = null;
    leader.state = "running";
    try {
      await meeting.work(members.map(({ index }) => index));
    } catch (error) {
      this.fail(error);
    }
    for (const member of members) member.state = "ready";
    this.last = leader.index - 1;
    this.dispatch();
  }
}

/** Resolves after that time, or as soon as `stop` is aborted. */
export function sleep(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, milliseconds);
    if (stop.aborted) finish();
    else stop.addEventListener("abort", finish, { once: true });
  });
}
