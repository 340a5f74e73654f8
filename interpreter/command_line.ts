/**
 * The command line: which commands and options there are, and reading one. Data
 * and a small parser only, so that `polus --help` loads nothing else.
 */
import { didYouMean } from "../lang/diagnostics/suggest.js";

export const commandNames = [
  "run",
  "check",
  "status",
  "rollback",
  "recover",
  "watch",
  "repl",
  "fmt",
  "patchgen",
  "build",
  "doctor",
] as const;

export type CommandName = (typeof commandNames)[number];

interface OptionSpecification {
  /** What its value is called in the help; absent: a flag. */
  readonly value?: string;
  readonly repeatable?: boolean;
  readonly required?: boolean;
  readonly help: string;
}

interface CommandSpecification {
  readonly summary: string;
  readonly operands: readonly string[];
  /** Whether the last operand may be repeated or all may be missing. */
  readonly operandCount: { readonly least: number; readonly most: number };
  readonly options: Readonly<Record<string, OptionSpecification>>;
  /** Whether `--json` ends with a `done` line. */
  readonly endsWithDone: boolean;
}

const json: OptionSpecification = { help: "write JSON Lines on standard output" };
const insecureFiles: OptionSpecification = {
  help: "as root, use scripts and patches that other users can change (dangerous)",
};
const variables: OptionSpecification = {
  value: "NAME=VALUE",
  repeatable: true,
  help: "give a `const` of the script another value",
};
const onePid: OptionSpecification = { value: "N", help: "the process" };

export const commands: Readonly<Record<CommandName, CommandSpecification>> = {
  run: {
    summary: "apply a script's updates to running processes",
    operands: ["SCRIPT"],
    operandCount: { least: 1, most: 1 },
    options: {
      pid: { value: "N", repeatable: true, help: "a process, instead of the script's target" },
      var: variables,
      "dry-run": { help: "show the plan and verify it; change nothing" },
      json,
      yes: { help: "do not ask" },
      "insecure-files": insecureFiles,
    },
    endsWithDone: true,
  },
  check: {
    summary: "check a script; with a target also names against it; no process is touched",
    operands: ["SCRIPT"],
    operandCount: { least: 1, most: 1 },
    options: {
      pid: { value: "N", help: "check against this process" },
      exe: { value: "PATH", help: "check against this executable file" },
      var: variables,
      json,
      "insecure-files": insecureFiles,
    },
    endsWithDone: true,
  },
  status: {
    summary: "what updates processes carry",
    operands: [],
    operandCount: { least: 0, most: 0 },
    options: {
      pid: { value: "N", help: "only this process" },
      all: { help: "rolled-back updates too" },
      json,
    },
    endsWithDone: false,
  },
  rollback: {
    summary: "take updates back, newest first",
    operands: [],
    operandCount: { least: 0, most: 0 },
    options: {
      pid: { ...onePid, required: true },
      to: {
        value: "UPDATE.POINT",
        help: "back to this rollback point (default: the newest active update's start)",
      },
      json,
    },
    endsWithDone: true,
  },
  recover: {
    summary: "finish or undo an interrupted run",
    operands: [],
    operandCount: { least: 0, most: 0 },
    options: { pid: { ...onePid, required: true }, json },
    endsWithDone: true,
  },
  watch: {
    summary: "update every new process that a script's target matches",
    operands: ["SCRIPT"],
    operandCount: { least: 1, most: 1 },
    options: { var: variables, json, "insecure-files": insecureFiles },
    endsWithDone: true,
  },
  repl: {
    summary: "work on a process interactively",
    operands: ["SCRIPT"],
    operandCount: { least: 0, most: 1 },
    options: { pid: onePid },
    endsWithDone: false,
  },
  fmt: {
    summary: "format scripts",
    operands: ["FILE..."],
    operandCount: { least: 1, most: Number.POSITIVE_INFINITY },
    options: {
      check: { help: "only say which files are not formatted" },
      write: { help: "write the files" },
    },
    endsWithDone: false,
  },
  patchgen: {
    summary: "construct a patch from two versions of the source",
    operands: [],
    operandCount: { least: 0, most: 0 },
    options: {
      old: { value: "DIR", required: true, help: "source of the running version" },
      new: { value: "DIR", required: true, help: "source of the next version" },
      build: { value: "CMD", help: "how to build either" },
      binary: { value: "FILE", help: "the running program's file or unstripped build" },
      after: {
        value: "DIR",
        repeatable: true,
        help: "a constructed patch that the process carries, oldest first",
      },
      out: { value: "DIR", required: true, help: "where the patch goes" },
    },
    endsWithDone: false,
  },
  build: {
    summary: "compile a constructed patch",
    operands: ["DIR"],
    operandCount: { least: 1, most: 1 },
    options: {},
    endsWithDone: false,
  },
  doctor: {
    summary: "what this machine allows and lacks, and how to get it",
    operands: [],
    operandCount: { least: 0, most: 0 },
    options: { json },
    endsWithDone: false,
  },
};

/** Options that every command has. */
const generalOptions: Readonly<Record<string, OptionSpecification>> = {
  help: { help: "show this help" },
  debug: { help: "show JavaScript stacks of internal errors" },
};

export interface ParsedCommand {
  readonly command: CommandName;
  readonly operands: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, readonly string[]>;
}

export type CommandLine =
  | { readonly kind: "help"; readonly command: CommandName | null }
  | { readonly kind: "version" }
  | { readonly kind: "command"; readonly parsed: ParsedCommand }
  | {
      readonly kind: "invalid";
      /** The command, if that much was understood. */
      readonly command: CommandName | null;
      readonly message: string;
      readonly suggestion: string | null;
    };

/** Reads the words after `polus`. */
export function parseCommandLine(words: readonly string[]): CommandLine {
  const [first, ...rest] = words;
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    const about = rest[0];
    return { kind: "help", command: isCommand(about) ? about : null };
  }
  if (first === "--version" || first === "-V") return { kind: "version" };
  if (!isCommand(first)) {
    const what = first.startsWith("-") ? "option" : "command";
    const known = first.startsWith("-") ? ["--help", "--version"] : commandNames;
    return {
      kind: "invalid",
      command: null,
      message: `there is no ${what} \`${first}\``,
      suggestion: didYouMean(first, known) ?? "`polus --help` lists the commands",
    };
  }
  return new WordReader(first, rest).read();
}

function isCommand(word: string | undefined): word is CommandName {
  return commandNames.some((name) => name === word);
}

class WordReader {
  private readonly operands: string[] = [];
  private readonly flags = new Set<string>();
  private readonly values = new Map<string, string[]>();
  private readonly specification: CommandSpecification;

  constructor(
    private readonly command: CommandName,
    private readonly words: readonly string[],
  ) {
    this.specification = commands[command];
  }

  read(): CommandLine {
    for (let at = 0; at < this.words.length; at++) {
      const word = this.words[at] ?? "";
      if (word === "--") {
        this.operands.push(...this.words.slice(at + 1));
        break;
      }
      if (word === "-h") {
        this.flags.add("help");
        continue;
      }
      if (!word.startsWith("-") || word === "-") {
        this.operands.push(word);
        continue;
      }
      const option = this.option(word);
      if (option === undefined) return this.unknownOption(word);
      const equals = word.indexOf("=");
      if (option.specification.value === undefined) {
        if (equals >= 0) return this.invalid(`\`--${option.name}\` takes no value`);
        this.flags.add(option.name);
        continue;
      }
      const next = equals >= 0 ? word.slice(equals + 1) : this.words[++at];
      // A value may begin with a minus sign, but not be an option of this command.
      if (next === undefined || (equals < 0 && this.option(next) !== undefined)) {
        return this.invalid(`\`--${option.name}\` needs a value: ${option.specification.value}`);
      }
      const values = this.values.get(option.name) ?? [];
      if (values.length > 0 && option.specification.repeatable !== true) {
        return this.invalid(`\`--${option.name}\` is given twice`);
      }
      this.values.set(option.name, [...values, next]);
    }
    return this.complete();
  }

  private option(
    word: string,
  ): { readonly name: string; readonly specification: OptionSpecification } | undefined {
    if (!word.startsWith("--")) return undefined;
    const name = word.slice(2).split("=")[0] ?? "";
    const all = { ...this.specification.options, ...generalOptions };
    const specification = Object.hasOwn(all, name) ? all[name] : undefined;
    return specification === undefined ? undefined : { name, specification };
  }

  private unknownOption(word: string): CommandLine {
    const written = word.split("=")[0] ?? word;
    const known = Object.keys({ ...this.specification.options, ...generalOptions });
    return {
      kind: "invalid",
      command: this.command,
      message: `\`polus ${this.command}\` has no option \`${written}\``,
      suggestion:
        didYouMean(
          written,
          known.map((name) => `--${name}`),
        ) ?? `\`polus ${this.command} --help\` lists its options`,
    };
  }

  private invalid(message: string): CommandLine {
    return {
      kind: "invalid",
      command: this.command,
      message,
      suggestion: `usage: ${synopsis(this.command)}`,
    };
  }

  private complete(): CommandLine {
    if (this.flags.has("help")) return { kind: "help", command: this.command };
    const { operands, operandCount, options } = this.specification;
    if (this.operands.length < operandCount.least) {
      return this.invalid(`${operands.join(" ")} is missing`);
    }
    if (this.operands.length > operandCount.most) {
      return this.invalid(`unexpected \`${this.operands[operandCount.most] ?? ""}\``);
    }
    for (const [name, option] of Object.entries(options)) {
      if (option.required === true && !this.values.has(name)) {
        return this.invalid(`\`--${name} ${option.value ?? ""}\` is missing`);
      }
    }
    if (this.command === "check" && this.values.has("pid") && this.values.has("exe")) {
      return this.invalid("`--pid` and `--exe` exclude each other");
    }
    if (this.command === "fmt" && this.flags.has("check") && this.flags.has("write")) {
      return this.invalid("`--check` and `--write` exclude each other");
    }
    for (const text of this.values.get("pid") ?? []) {
      if (parsePid(text) === null) return this.invalid(`\`${text}\` is no process id`);
    }
    for (const text of this.values.get("var") ?? []) {
      if (parseVariable(text) === null) {
        return this.invalid(`\`--var ${text}\`: expected NAME=VALUE`);
      }
    }
    for (const text of this.values.get("to") ?? []) {
      if (parsePoint(text) === null) return this.invalid(`\`--to ${text}\`: expected UPDATE.POINT`);
    }
    return {
      kind: "command",
      parsed: {
        command: this.command,
        operands: this.operands,
        flags: this.flags,
        values: this.values,
      },
    };
  }
}

/** A pid that a kernel can have given, `null` else. */
export function parsePid(text: string): number | null {
  if (!/^[1-9]\d{0,9}$/.test(text)) return null;
  const pid = Number(text);
  return pid < 2 ** 31 ? pid : null;
}

/** `NAME=VALUE`. */
export function parseVariable(
  text: string,
): { readonly name: string; readonly value: string } | null {
  const match = /^([A-Za-z_]\w*)=(.*)$/s.exec(text);
  return match === null ? null : { name: match[1] ?? "", value: match[2] ?? "" };
}

/** `UPDATE.POINT`. */
export function parsePoint(
  text: string,
): { readonly update: string; readonly point: string } | null {
  const match = /^([A-Za-z_]\w*)\.([A-Za-z_]\w*)$/.exec(text);
  return match === null ? null : { update: match[1] ?? "", point: match[2] ?? "" };
}

/** `polus rollback --pid N [--to UPDATE.POINT] [--json]`. */
export function synopsis(command: CommandName): string {
  const { operands, operandCount, options } = commands[command];
  const words = [`polus ${command}`];
  for (const operand of operands) words.push(operandCount.least > 0 ? operand : `[${operand}]`);
  for (const [name, option] of Object.entries(options)) {
    const word = option.value === undefined ? `--${name}` : `--${name} ${option.value}`;
    if (option.required === true) words.push(word);
    else words.push(option.repeatable === true ? `[${word}]...` : `[${word}]`);
  }
  return words.join(" ");
}

/** The text of `polus --help` and `polus COMMAND --help`. */
export function helpText(command: CommandName | null): string {
  if (command === null) {
    const width = Math.max(...commandNames.map((name) => name.length));
    return [
      "polus updates running, unmodified C programs, and can take the update back.",
      "",
      "usage: polus COMMAND ...",
      "",
      ...commandNames.map((name) => `  ${name.padEnd(width)}  ${commands[name].summary}`),
      "",
      "`polus COMMAND --help` tells more of one. Exit codes: 0 what was asked holds,",
      "1 invalid (script or command line), 2 refused (the target does not fit; nothing",
      "was changed), 3 failed (undone), 4 inconsistent (needs `polus recover`).",
    ].join("\n");
  }
  const { summary, options } = commands[command];
  const rows = Object.entries({ ...options, ...generalOptions }).map(
    ([name, option]) =>
      [
        option.value === undefined ? `--${name}` : `--${name} ${option.value}`,
        option.help,
      ] as const,
  );
  const width = Math.max(...rows.map(([word]) => word.length));
  return [
    `usage: ${synopsis(command)}`,
    "",
    `${summary[0]?.toUpperCase() ?? ""}${summary.slice(1)}.`,
    "",
    ...rows.map(([word, help]) => `  ${word.padEnd(width)}  ${help}`),
  ].join("\n");
}
