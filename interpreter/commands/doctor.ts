/** `polus doctor`: what this machine allows and lacks. */
import { constants } from "node:fs";
import { access, readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Finding } from "../../native/engine.js";
import { readJournal } from "../journal.js";
import type { Command, CommandContext } from "./command.js";

export const run: Command = async (context) => {
  for (const finding of await findings(context)) {
    const { topic, verdict, text, help } = finding;
    const line = `${verdict.padEnd(7)}  ${topic}: ${text}`;
    context.reporter.result(help === undefined ? line : `${line}\n${" ".repeat(9)}help: ${help}`, {
      event: "finding",
      time: new Date().toISOString(),
      topic,
      verdict,
      text,
      help: help ?? null,
    });
  }
  return "completed";
};

async function findings(context: CommandContext): Promise<readonly Finding[]> {
  return [
    ...(await engineFindings(context)),
    await compilerFinding(context),
    ...(await journalFindings(context)),
  ];
}

/** A machine where the native layer does not even load is exactly what doctor is for. */
async function engineFindings(context: CommandContext): Promise<readonly Finding[]> {
  try {
    return await (await context.engine()).doctor();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [
      {
        topic: "native layer",
        verdict: "missing",
        text: reason.split("\n")[0] ?? reason,
        help: "run scripts/setup in polus's folder",
      },
    ];
  }
}

async function compilerFinding(context: CommandContext): Promise<Finding> {
  const compiler = context.settings.c_compiler ?? "gcc";
  const path = await findProgram(compiler, context.environment["PATH"] ?? "/usr/bin:/bin");
  return path === null
    ? {
        topic: "C compiler",
        verdict: "limited",
        text: `${compiler} is not there: patches given as C source cannot be compiled here`,
        help: "apt-get install gcc libc6-dev",
      }
    : { topic: "C compiler", verdict: "ok", text: path };
}

async function findProgram(name: string, path: string): Promise<string | null> {
  const places = name.includes("/")
    ? [name]
    : path.split(delimiter).map((folder) => join(folder === "" ? "." : folder, name));
  for (const place of places) {
    try {
      await access(place, constants.X_OK);
      return place;
    } catch {
      // The next one.
    }
  }
  return null;
}

async function journalFindings(context: CommandContext): Promise<readonly Finding[]> {
  const { folder } = context.journal;
  const topic = "journal";
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => /^journal-.*\.jsonl$/.test(name)).sort();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return [{ topic, verdict: "ok", text: `${folder} (nothing written yet)` }];
    }
    return [{ topic, verdict: "limited", text: `${folder} cannot be read: ${String(error)}` }];
  }
  const newest = names.at(-1);
  if (newest === undefined)
    return [{ topic, verdict: "ok", text: `${folder} (nothing written yet)` }];
  const { records, damaged } = await readJournal(join(folder, newest));
  const [first] = damaged;
  return first === undefined
    ? [{ topic, verdict: "ok", text: `${folder}, ${records.length} records in ${newest}` }]
    : [
        {
          topic,
          verdict: "limited",
          text: `${damaged.length} of ${records.length + damaged.length} records in ${join(folder, newest)} are damaged, the first in line ${first.line}`,
        },
      ];
}
