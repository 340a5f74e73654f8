/** The REPL's commands: words after a dot, about the session and the process as a whole. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { parsePid } from "../command_line.js";
import { diagnose } from "../diagnose.js";
import { planToText } from "../plan/show.js";
import { buildPlan } from "../plan/plan.js";
import { formatAddress } from "../../native/address.js";
import type { ThreadStack } from "../../native/engine.js";
import { definitionText } from "../patches/c_definitions.js";
import { declarationText, sizeOf } from "../values/c_types.js";
import { count } from "../progress/wording.js";
import type { Outcome } from "../outcome.js";
import { Problem, type Conversation } from "./conversation.js";
import { helpOf } from "./help.js";

export interface ReplCommand {
  readonly operands: string;
  readonly help: string;
  /** Tells what it has to tell; nothing returned means that it worked. */
  run(conversation: Conversation, rest: string): Promise<Outcome | void>;
}

/** Names of types that are listed at most. */
const mostTypes = 200;

function wrong(code: string, message: string, suggestion?: string): never {
  throw new Problem(diagnose({ code, message, suggestion }));
}

function attached(conversation: Conversation) {
  return (
    conversation.attachment ??
    wrong("not-attached", "no process is attached", "attach one: `.attach PID`")
  );
}

const attach: ReplCommand = {
  operands: "PID",
  help: "work on this process (lets go of the one before)",
  async run(conversation, rest) {
    const pid =
      parsePid(rest.trim()) ?? wrong("command-line", `\`${rest}\` is no process id`, ".attach PID");
    return conversation.attach(pid);
  },
};

const detach: ReplCommand = {
  operands: "",
  help: "let go of the process; it runs on, and updates stay",
  run: (conversation) => conversation.detach(),
};

const threads: ReplCommand = {
  operands: "",
  help: "threads of the process: name, state, processor time",
  async run(conversation) {
    const inspection = await attached(conversation).inspect();
    for (const { tid, name, state, cpuTime } of inspection.threads()) {
      const ms = (Number(cpuTime) / 1e6).toFixed(1);
      conversation.reporter.result(
        `${String(tid).padStart(8)}  ${state}  ${ms.padStart(10)} ms  ${name}`,
      );
    }
  },
};

const backtrace: ReplCommand = {
  operands: "[THREAD]",
  help: "stacks of all threads, or of one",
  async run(conversation, rest) {
    const { process } = attached(conversation);
    const session = await attached(conversation).session();
    const word = rest.trim();
    const tid =
      word === "" ? null : (parsePid(word) ?? wrong("command-line", `\`${word}\` is no thread id`));
    const stacks = (await session.stacks(process.pid)).filter(
      (one) => tid === null || one.tid === tid,
    );
    if (stacks.length === 0)
      wrong(
        "no-such-thread",
        `process ${process.pid} has no thread ${word}`,
        "`.threads` lists them",
      );
    for (const stack of stacks) conversation.reporter.result(stackText(stack));
  },
};

function stackText({ tid, name, frames, incomplete }: ThreadStack): string {
  const lines = frames.map(({ pc, function: named, offset, module }, index) => {
    const where =
      named === null ? "?" : offset === null || offset === 0 ? named : `${named}+${offset}`;
    const from = module === null ? "" : ` (${module.split("/").at(-1) ?? module})`;
    return `  #${String(index).padEnd(3)} ${formatAddress(pc)}  ${where}${from}`;
  });
  if (incomplete !== null) lines.push(`  … ${incomplete}`);
  return [`thread ${tid} ${name}`, ...lines].join("\n");
}

const status: ReplCommand = {
  operands: "",
  help: "updates that the process carries, with their rollback points",
  async run(conversation) {
    const attachment = attached(conversation);
    const { reporter } = conversation;
    const updates = await attachment.standing();
    const { pid, exe } = attachment.process;
    reporter.result(`${pid}  ${exe}: ${count(updates.length, "update")}; nobody is held`);
    for (const { name, state, at, points, patches } of updates) {
      reporter.result(
        `  ${name}: ${state}${at === null ? "" : `, at ${at}`}; rollback points ${points.join(", ")}`,
      );
      for (const patch of patches) {
        const idle = patch.active ? "" : " (rolled back)";
        reporter.result(`    patch ${patch.name}${idle}: ${patch.functions.join(", ")}`);
      }
    }
  },
};

const info: ReplCommand = {
  operands: "NAME",
  help: "what a name of the program is: address, size, source, who replaces it",
  async run(conversation, rest) {
    const name = rest.trim();
    if (name === "") wrong("command-line", "a name is missing", ".info NAME");
    const attachment = attached(conversation);
    const entity = (await attachment.inspect()).entity({ name });
    const { reporter } = conversation;
    if (entity.kind === "enumerator") {
      reporter.result(`${name}: enumerator, ${entity.value}`);
      return;
    }
    const at =
      entity.kind === "function"
        ? formatAddress(entity.address)
        : entity.storage.kind === "static"
          ? formatAddress(entity.storage.address)
          : entity.storage.kind;
    const size = entity.size === null ? "" : `, ${count(entity.size, "byte")}`;
    reporter.result(`${name}: ${entity.kind} at ${at}${size}`);
    if (entity.source !== null) reporter.result(`  source ${entity.source}`);
    reporter.result(`  module ${entity.module}`);
    if (entity.type !== null) reporter.result(`  ${declarationText(entity.type, name)}`);
    for (const update of await attachment.standing()) {
      const patch = update.patches.find(
        ({ active, functions }) => active && functions.includes(name),
      );
      if (patch !== undefined) reporter.result(`  replaced by ${update.name}, patch ${patch.name}`);
    }
  },
};

const types: ReplCommand = {
  operands: "[PREFIX|NAME]",
  help: "names of types that begin so, or the definition of one in C",
  async run(conversation, rest) {
    const inspection = await attached(conversation).inspect();
    const { reporter } = conversation;
    const [, kind, name = ""] = /^(?:(struct|union|enum)\s+)?(\w*)$/.exec(rest.trim()) ?? [];
    const kinds = ["struct", "union", "enum", "typedef"] as const;
    const found = kinds
      .filter((one) => kind === undefined || one === kind)
      .flatMap((one) => inspection.type({ kind: one, name }) ?? []);
    for (const type of name === "" ? [] : found) {
      const size = sizeOf(type);
      const bytes = size === null ? "" : `  /* ${count(size, "byte")} */`;
      reporter.result(`${definitionText(type, true)}${bytes}`);
    }
    if (name !== "" && found.length > 0) return;
    const names = inspection.complete("type", name, mostTypes);
    if (names.length === 0) wrong("no-such-type", `the program has no type \`${rest.trim()}\``);
    const more = names.length === mostTypes ? ", …" : "";
    reporter.result(`${names.join(", ")}${more}`);
  },
};

const plan: ReplCommand = {
  operands: "UPDATE",
  help: "what applying a declared update would do",
  async run(conversation, rest) {
    const name = rest.trim();
    const { script } = conversation.dialogue.input(`apply ${name}`);
    if (script === null) {
      const known = conversation.dialogue
        .declarations()
        .flatMap((one) => (one.kind === "update" ? one.name.text : []));
      wrong(
        "unknown-update",
        `no update \`${name}\` is declared`,
        known.length > 0 ? `declared: ${known.join(", ")}` : undefined,
      );
    }
    conversation.reporter.result(planToText(buildPlan(script), new Map()));
  },
};

const undo: ReplCommand = {
  operands: "",
  help: "take the last change back",
  async run(conversation) {
    return conversation.undo();
  },
};

const log: ReplCommand = {
  operands: "",
  help: "what was done in this session",
  async run(conversation) {
    for (const line of conversation.log) conversation.reporter.result(line);
  },
};

const load: ReplCommand = {
  operands: "FILE",
  help: "run a script here: its declarations and its statements",
  async run(conversation, rest) {
    const path = unquoted(rest);
    if (path === "") wrong("command-line", "a file is missing", ".load FILE");
    return conversation.load(path, { statements: true });
  },
};

const save: ReplCommand = {
  operands: "FILE",
  help: "write the inputs that worked as a script for `polus run`",
  async run(conversation, rest) {
    const path = unquoted(rest);
    if (path === "") wrong("command-line", "a file is missing", ".save FILE");
    const text = conversation.asScript();
    try {
      const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
      const descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
      try {
        writeSync(descriptor, text);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      const exists = error instanceof Error && "code" in error && error.code === "EEXIST";
      wrong(
        "cannot-save",
        exists ? `${path} is there already` : `${path} cannot be written: ${String(error)}`,
      );
    }
    conversation.reporter.remark(`wrote ${path}`);
  },
};

const help: ReplCommand = {
  operands: "[NAME]",
  help: "this list, or what a command, statement, built-in or recipe does",
  async run(conversation, rest) {
    conversation.reporter.result(helpOf(conversation, rest.trim(), replCommands));
  },
};

const exit: ReplCommand = {
  operands: "",
  help: "leave; the process runs on, and updates stay",
  async run(conversation) {
    conversation.leave();
  },
};

function unquoted(text: string): string {
  const word = text.trim();
  return /^"[^"]*"$/.test(word) ? word.slice(1, -1) : word;
}

export const replCommands: ReadonlyMap<string, ReplCommand> = new Map([
  ["attach", attach],
  ["detach", detach],
  ["status", status],
  ["threads", threads],
  ["bt", backtrace],
  ["info", info],
  ["types", types],
  ["plan", plan],
  ["undo", undo],
  ["log", log],
  ["load", load],
  ["save", save],
  ["help", help],
  ["exit", exit],
]);
