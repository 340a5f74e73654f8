/** The properties of a data item: which must be there, which exclude each other. */
import type { DataItem, DataProperty } from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import type { Diagnostic } from "../diagnostics/diagnostic.js";
import { firstWord } from "../source.js";

const words: Readonly<Record<DataProperty["kind"], string>> = {
  new: "new",
  forward: "forward",
  backward: "backward",
  each: "each",
  size: "size",
  "on-new": "on new",
  "on-free": "on free",
};

/** Checks a `data` item: one global (with `new`) or every object of a type (with `each`). */
export function checkData(item: DataItem, diagnostics: Diagnostic[]): void {
  const owner = `data item \`${item.name.text}\``;
  const found = new Map<DataProperty["kind"], DataProperty>();
  for (const property of item.properties) {
    const first = found.get(property.kind);
    if (first === undefined) {
      found.set(property.kind, property);
      continue;
    }
    const notes = [{ message: "the first is here", span: firstWord(first.span) }];
    const args = { what: words[property.kind], owner };
    diagnostics.push(diagnose("duplicate-clause", firstWord(property.span), args, { notes }));
  }
  const missing = (kind: DataProperty["kind"]): void => {
    const args = { what: words[kind], name: item.name.text, owner: "data item" };
    diagnostics.push(diagnose("missing-property", item.name.span, args));
  };
  for (const kind of ["forward", "backward"] as const) if (!found.has(kind)) missing(kind);
  const each = found.get("each");
  const fresh = found.get("new");
  if (each !== undefined && fresh !== undefined) {
    const reason = "`new` belongs to a global, `each` to every object of a type";
    diagnostics.push(diagnose("conflicting-property", firstWord(each.span), { reason }));
  } else if (each !== undefined) {
    if (!found.has("size")) missing("size");
  } else {
    if (fresh === undefined) missing("new");
    for (const kind of ["size", "on-new", "on-free"] as const) {
      const property = found.get(kind);
      if (property === undefined) continue;
      const reason = `\`${words[kind]}\` needs \`each\`: it is about every object of a type`;
      diagnostics.push(diagnose("conflicting-property", firstWord(property.span), { reason }));
    }
  }
}
