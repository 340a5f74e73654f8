/** Tab: what may stand where the cursor is, found by reading the tokens before it. */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { builtins } from "../../lang/builtins.js";
import { statementKeywords } from "../../lang/keywords.js";
import * as t from "../../lang/tokens.js";
import type { Inspection } from "../../native/engine.js";
import { EngineError } from "../../native/engine.js";
import type { Conversation } from "./conversation.js";
import { membersAfter } from "./member_type.js";

const mostNames = 200;
const declarationWords = ["import", "const", "recipe", "update", "patch"];
const valueWords = ["true", "false", "NULL", "sizeof", "call"];

/** Whole words that fit, and the beginning that they complete. */
export type Completions = readonly [names: readonly string[], written: string];

/** @param text everything of the input before the cursor, earlier lines of the block included */
export async function complete(
  text: string,
  conversation: Conversation,
  commands: readonly string[],
): Promise<Completions> {
  const command = /^\s*\.([A-Za-z]*)$/.exec(text);
  if (command !== null) {
    return pick(
      commands.map((name) => `.${name}`),
      `.${command[1] ?? ""}`,
    );
  }
  const operand = /^\s*\.([A-Za-z]+)\s+(.*)$/.exec(text);
  if (operand !== null) return completeOperand(operand[1] ?? "", operand[2] ?? "", conversation);
  const path = /(?:^|\s)(?:import|from)\s+"([^"\n]*)$/.exec(text);
  if (path !== null) return completeFile(path[1] ?? "");
  const written = /[A-Za-z_$][\w$]*$/.exec(text)?.[0] ?? "";
  const before = t.tokenize(text.slice(0, text.length - written.length)).tokens;
  const previous = before.at(-1);
  const names = await namesOf(conversation, written);
  const image = previous?.image ?? "";
  if (
    previous === undefined ||
    image === "{" ||
    image === ";" ||
    text.slice(0, text.length - written.length).endsWith("\n")
  ) {
    const recipes = recipeNames(conversation);
    return pick(
      [...statementKeywords, ...declarationWords, ...recipes, ...names("variable")],
      written,
    );
  }
  if (image === "apply" || (image === "to" && before.at(-2)?.image === "rollback")) {
    return pick(updateNames(conversation), written);
  }
  if (image === "replace") return pick(names("function"), written);
  if (image === "call" || image === "with") return pick(names("function"), written);
  if (["struct", "union", "enum"].includes(image)) return pick(names("type"), written);
  if (image === "." || image === "->") {
    const inspection = await inspectionOf(conversation);
    return pick(inspection === null ? [] : membersAfter(before, inspection), written);
  }
  return pick(
    [
      ...names("variable"),
      ...builtins.keys(),
      ...recipeNames(conversation),
      ...constantNames(conversation),
      ...valueWords,
    ],
    written,
  );
}

async function completeOperand(
  command: string,
  rest: string,
  conversation: Conversation,
): Promise<Completions> {
  switch (command) {
    case "load":
    case "save":
      return completeFile(rest);
    case "types": {
      const names = await namesOf(conversation, rest);
      return pick(names("type"), rest);
    }
    case "plan":
      return pick(updateNames(conversation), rest);
    case "info": {
      const names = await namesOf(conversation, rest);
      return pick([...names("variable"), ...names("function")], rest);
    }
    case "help":
      return pick([...statementKeywords, ...builtins.keys(), ...recipeNames(conversation)], rest);
    default:
      return [[], rest];
  }
}

function pick(candidates: Iterable<string>, written: string): Completions {
  const names = [...new Set(candidates)].filter((name) => name.startsWith(written));
  return [names.sort().slice(0, mostNames), written];
}

function completeFile(written: string): Completions {
  const folder = written.includes("/") ? dirname(`${written}x`) : ".";
  try {
    const names = readdirSync(folder, { withFileTypes: true }).map((entry) => {
      const name = written.includes("/") ? join(folder, entry.name) : entry.name;
      return entry.isDirectory() ? `${name}/` : name;
    });
    return pick(names, written);
  } catch {
    return [[], written];
  }
}

/** The program's names that begin so; none where there is no process or it tells none. */
async function namesOf(
  conversation: Conversation,
  prefix: string,
): Promise<(kind: Parameters<Inspection["complete"]>[0]) => readonly string[]> {
  const inspection = await inspectionOf(conversation);
  return (kind) => inspection?.complete(kind, prefix, mostNames) ?? [];
}

async function inspectionOf({ attachment }: Conversation): Promise<Inspection | null> {
  try {
    return (await attachment?.inspect()) ?? null;
  } catch (error) {
    if (error instanceof EngineError) return null;
    throw error;
  }
}

function declared(
  conversation: Conversation,
  kind: "recipe" | "update" | "const",
): readonly string[] {
  return conversation.dialogue
    .declarations()
    .flatMap((one) => (one.kind === kind ? one.name.text : []));
}

const recipeNames = (conversation: Conversation) => declared(conversation, "recipe");
const updateNames = (conversation: Conversation) => declared(conversation, "update");
const constantNames = (conversation: Conversation) => declared(conversation, "const");
