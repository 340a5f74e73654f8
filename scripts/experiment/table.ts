/** What a case has shown, as text: for a person, and as rows of BENCHMARKS.md. */
import type { Estimate } from "./estimate.js";
import type { PhaseFigures } from "./load.js";
import type { CaseReport, UpdateReport } from "./run.js";

/** Cells in columns, as Markdown has it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  return [head, head.map(() => "---"), ...rows].map(line).join("");
}

/** A duration with three digits. */
function time(microseconds: number): string {
  if (microseconds < 1000) return `${microseconds.toFixed(0)} µs`;
  if (microseconds < 1e6) return `${(microseconds / 1000).toPrecision(3)} ms`;
  return `${(microseconds / 1e6).toPrecision(3)} s`;
}

const percent = (part: number): string =>
  `${part >= 1 ? "+" : ""}${((part - 1) * 100).toFixed(1)} %`;

function ratio({ ratio, from, to }: Estimate): string {
  return `${percent(ratio)} (${percent(from)} to ${percent(to)})`;
}

function phaseRow(phase: PhaseFigures): readonly string[] {
  return [
    phase.phase,
    `${phase.seconds.toFixed(1)} s`,
    String(phase.requests),
    String(phase.failed),
    phase.perSecond.toFixed(0),
    time(phase.p50Us),
    time(phase.p99Us),
    time(phase.p999Us),
    time(phase.maxUs),
  ];
}

function updateRow(update: UpdateReport): readonly string[] {
  const { lines, constructSeconds, applied, undone } = update;
  return [
    update.name,
    String(applied.functions),
    String(lines.generated),
    String(lines.cByHand),
    String(lines.scriptByHand),
    constructSeconds === null ? "by hand" : time(constructSeconds * 1e6),
    time(applied.wallMs * 1000),
    time(undone.wallMs * 1000),
    update.unreached === null ? "" : String(update.unreached),
  ];
}

/** A section about one case. */
export function caseSection(report: CaseReport): string {
  const { apply, rollback, again, comparison } = report;
  const held = report.heldAtStart;
  const facts = [
    `Changed: functions ${apply.functions}, types ${report.types}, globals ${report.globals}.`,
    `Sessions alive through update, rollback and update: ${report.sessions.join(", ")}.`,
    `Memory added: ${(report.memoryAdded / 1024).toFixed(0)} KiB in all processes.`,
    ...(held.length === 0
      ? []
      : [
          `${held.length} processes that started were held for at most ${time(Math.max(...held))}.`,
        ]),
    ...(comparison === null
      ? []
      : [
          `Beside servers started from the new version's build, ${comparison.pairs} pairs (and where the true value ` +
            `lies with 95 % confidence): throughput ${ratio(comparison.throughput)}, processor time a request ` +
            `${ratio(comparison.processorTime)}, median latency ${ratio(comparison.latency)}.`,
        ]),
    ...report.problems.map((problem) => `NOT HELD: ${problem}`),
  ];
  const commands = [
    ["apply", apply],
    ["roll back", rollback],
    ["apply again", again],
  ] as const;
  return [
    `### ${report.name}: ${report.title}\n\n`,
    table(
      [
        ...["update", "functions", "lines generated", "lines of C by hand", "of script by hand"],
        ...["time to construct", "to apply", "to roll back", "changed functions not reached"],
      ],
      report.updates.map(updateRow),
    ),
    "\n",
    table(
      ["", "time", "without start-up", "longest stall of a thread", "processes"],
      commands.map(([name, one]) => [
        name,
        time(one.wallMs * 1000),
        one.ownMs === null ? "" : time(one.ownMs * 1000),
        time(one.stallUs),
        String(one.processes),
      ]),
    ),
    "\n",
    table(
      ["phase", "length", "requests", "failed", "a second", "p50", "p99", "p99.9", "longest"],
      report.phases.map(phaseRow),
    ),
    "\n",
    facts.map((fact) => `- ${fact}\n`).join(""),
  ].join("");
}

/** All cases in one table. */
export function summary(reports: readonly CaseReport[]): string {
  const rows = reports.map((report) => {
    const { updates, apply, rollback, comparison, phases } = report;
    const sum = (of: (update: UpdateReport) => number): string =>
      String(updates.reduce((total, update) => total + of(update), 0));
    const constructed = updates.map(({ constructSeconds }) => constructSeconds ?? 0);
    const seconds = constructed.reduce((total, one) => total + one, 0);
    return [
      report.name,
      String(updates.length),
      `${apply.functions}/${report.types}/${report.globals}`,
      sum(({ lines }) => lines.generated),
      sum(({ lines }) => lines.cByHand + lines.scriptByHand),
      seconds === 0 ? "by hand" : time(seconds * 1e6),
      time(apply.wallMs * 1000),
      time(rollback.wallMs * 1000),
      time(Math.max(apply.stallUs, rollback.stallUs)),
      String(phases.reduce((total, { failed }) => total + failed, 0)),
      comparison === null ? "" : ratio(comparison.throughput),
      comparison === null ? "" : ratio(comparison.processorTime),
      `${(report.memoryAdded / 1024).toFixed(0)} KiB`,
      String(report.sessions.length),
    ];
  });
  return `### All cases\n\n${table(
    [
      ...["case", "updates", "functions/types/globals", "lines generated", "by hand"],
      ...["to construct", "to apply", "to roll back", "longest stall", "failed"],
      ...["throughput", "processor time a request", "memory", "sessions alive"],
    ],
    rows,
  )}`;
}
