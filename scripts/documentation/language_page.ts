/** The reference page of the language: prose from a template, tables from the sources. */
import { commandNames, helpText } from "../../interpreter/command_line.js";
import { builtins } from "../../lang/builtins.js";
import { codes } from "../../lang/diagnostics/codes.js";
import { builtinEntries, statementEntries } from "../../lang/reference.js";
import { markdownTable, note } from "./page.js";

function statements(): string {
  const rows = statementEntries.map(({ form, about }) => [`\`${form}\``, about]);
  return markdownTable(["statement or declaration", "what it does"], rows);
}

/** @throws Error for a built-in that nothing is said of */
function builtinTable(): string {
  const rows = [...builtins.values()].map(({ name, parameters }) => {
    const entry = builtinEntries[name];
    if (entry === undefined) throw new Error(`nothing is said of the built-in ${name}`);
    const members = Object.entries(entry.members).map(
      ([member, text]) => `\`${member}\` (${text})`,
    );
    return [`\`${name}(${parameters.join(", ")})\``, entry.about, members.join(", ")];
  });
  return markdownTable(["built-in", "what it gives", "members"], rows);
}

function commands(): string {
  return commandNames
    .map((name) => `### polus ${name}\n\n\`\`\`text\n${helpText(name)}\n\`\`\``)
    .join("\n\n");
}

function codeTable(): string {
  const rows = Object.entries(codes).map(([code, { severity }]) => [`\`${code}\``, severity]);
  return markdownTable(["code", "severity"], rows);
}

/** @param template with a line `{{NAME}}` where a table goes */
export function languagePage(template: string): string {
  const parts: Readonly<Record<string, () => string>> = {
    statements,
    builtins: builtinTable,
    commands,
    codes: codeTable,
  };
  const [title = "", ...rest] = template.split("\n");
  return [title, "", note, ...rest].join("\n").replace(/^\{\{(\w+)\}\}$/gm, (_, name: string) => {
    const part = parts[name];
    if (part === undefined) throw new Error(`the template asks for an unknown part ${name}`);
    return part();
  });
}
