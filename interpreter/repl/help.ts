/** `.help`: commands, statements, built-ins, and recipes with their comments. */
import { builtins } from "../../lang/builtins.js";
import { builtinEntries, statementEntries, type StatementEntry } from "../../lang/reference.js";
import { placeOf, textOf } from "../../lang/source.js";
import type { RecipeDeclaration } from "../../lang/ast.js";
import type { ReplCommand } from "./commands.js";
import type { Conversation } from "./conversation.js";

const width = 28;

/** The form, and what it does beside it or, where it is long, below. */
function lineOf({ form, about }: StatementEntry): string {
  return `${form.padEnd(width)} ${form.length > width ? `\n${" ".repeat(width + 1)}` : ""}${about}`;
}

export function helpOf(
  conversation: Conversation,
  name: string,
  commands: ReadonlyMap<string, ReplCommand>,
): string {
  if (name === "") return overview(conversation, commands);
  const word = name.replace(/^\./, "");
  const command = commands.get(word);
  const found: string[] = [];
  if (command !== undefined)
    found.push(`.${word} ${command.operands}`.trimEnd(), `  ${command.help}`);
  found.push(...statementEntries.filter((one) => one.word === name).map(lineOf));
  const builtin = builtins.get(name);
  if (builtin !== undefined)
    found.push(
      `${name}(${builtin.parameters.join(", ")})  built-in function`,
      ...aboutBuiltin(name),
    );
  const recipe = recipesOf(conversation).find((one) => one.name.text === name);
  if (recipe !== undefined) found.push(signature(recipe), ...commentOf(recipe));
  return found.length > 0
    ? found.join("\n")
    : `nothing is known of \`${name}\`; \`.help\` lists what there is`;
}

function aboutBuiltin(name: string): readonly string[] {
  const entry = builtinEntries[name];
  if (entry === undefined) return [];
  const members = Object.entries(entry.members).map(([member, text]) => `  .${member}: ${text}`);
  return [`  ${entry.about}`, ...members];
}

function overview(conversation: Conversation, commands: ReadonlyMap<string, ReplCommand>): string {
  const rows = [...commands].map(([word, { operands, help }]) => [
    `.${word} ${operands}`.trimEnd(),
    help,
  ]);
  const width = Math.max(...rows.map(([word = ""]) => word.length));
  const recipes = recipesOf(conversation).map(signature);
  return [
    ...rows.map(([word = "", help = ""]) => `  ${word.padEnd(width)}  ${help}`),
    "",
    ...statementEntries.map((entry) => `  ${lineOf(entry)}`),
    "",
    `  built-in functions: ${[...builtins.keys()].join(", ")}`,
    ...(recipes.length === 0 ? [] : [`  recipes: ${recipes.join(", ")}`]),
    "",
    "  Ctrl-C clears the line or stops what runs; Ctrl-D leaves. Tab completes.",
  ].join("\n");
}

/** Newest first, each name once. */
export function recipesOf({ dialogue }: Conversation): readonly RecipeDeclaration[] {
  return dialogue.declarations().flatMap((one) => (one.kind === "recipe" ? [one] : []));
}

function signature({ name, parameters }: RecipeDeclaration): string {
  return `${name.text}(${parameters.map(({ text }) => text).join(", ")})`;
}

/** The comment lines that stand right above a recipe. */
function commentOf({ span }: RecipeDeclaration): readonly string[] {
  const { file } = span;
  const lines: string[] = [];
  for (let line = placeOf(span).line - 1; line > 0; line--) {
    const text = file.line(line).trim();
    if (!/^(\/\/|\/\*|\*)/.test(text) && !text.endsWith("*/")) break;
    lines.unshift(`  ${text.replace(/^(\/\/+|\/\*+|\*+\/?)\s?/, "").replace(/\s*\*+\/$/, "")}`);
  }
  return lines.length > 0 ? lines : [`  ${textOf(span).split("\n")[0] ?? ""}`];
}
