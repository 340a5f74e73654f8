/** The properties of a data item: which must be there, which exclude each other. */
import type {
  DataItem,
  DataNameProperty,
  DataProperty,
  DataSizeProperty,
  StringLiteral,
} from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import type { Diagnostic } from "../diagnostics/diagnostic.js";
import { firstWord } from "../source.js";
import type { CheckedData, CheckedFunction, CheckedPlace, Located } from "./checked.js";

const words: Readonly<Record<DataProperty["kind"], string>> = {
  new: "new",
  forward: "forward",
  backward: "backward",
  each: "each",
  size: "size",
  "on-new": "on new",
  "on-free": "on free",
};

/**
 * Checks a `data` item: one global (with `new`) or every object of a type (with `each`).
 * @returns `undefined` if something is missing, which was reported
 */
export function checkData(item: DataItem, diagnostics: Diagnostic[]): CheckedData | undefined {
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
  if (each !== undefined && item.function !== undefined) {
    const reason = "`each` is about every object of a type, not about a function's static variable";
    diagnostics.push(diagnose("conflicting-property", firstWord(each.span), { reason }));
  } else if (each !== undefined && fresh !== undefined) {
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
  return checkedData(item, found);
}

function checkedData(
  { name, function: host, place }: DataItem,
  found: ReadonlyMap<DataProperty["kind"], DataProperty>,
): CheckedData | undefined {
  const named = (kind: DataNameProperty["kind"]): DataNameProperty | undefined =>
    found.get(kind) as DataNameProperty | undefined;
  const size = found.get("size") as DataSizeProperty | undefined;
  const [forward, backward] = [named("forward"), named("backward")];
  const [fresh, each] = [named("new"), named("each")];
  if (forward === undefined || backward === undefined) return undefined;
  const common = {
    name: host === undefined ? name.text : `${host.text}::${name.text}`,
    span: name.span,
    forward: located(forward),
    backward: located(backward),
  };
  if (each === undefined) {
    if (fresh === undefined) return undefined;
    const scope = place === undefined ? {} : { scope: placeOf(place) };
    const inside = host === undefined ? {} : { function: host.text };
    return { ...common, objects: { kind: "global", ...inside, ...scope, new: located(fresh) } };
  }
  if (size === undefined) return undefined;
  const [onNew, onFree] = [named("on-new"), named("on-free")];
  return {
    ...common,
    objects: {
      kind: "each",
      each: functionOf(each),
      size: { old: size.old, new: size.new },
      ...(onNew === undefined ? {} : { onNew: functionOf(onNew) }),
      ...(onFree === undefined ? {} : { onFree: functionOf(onFree) }),
    },
  };
}

function located({ value }: DataNameProperty): Located<string> {
  return { value: value.text, span: value.span };
}

function functionOf(property: DataNameProperty): CheckedFunction {
  const { place } = property;
  return { ...located(property), ...(place === undefined ? {} : { scope: placeOf(place) }) };
}

function placeOf({ value, span }: StringLiteral): CheckedPlace {
  return { kind: placeKind(value), value, span };
}

/** `in "libfoo.so.1"` names a library, everything else a source file. */
export function placeKind(place: string): "source" | "library" {
  return /\.so(?:\.\d+)*$/.test(place) ? "library" : "source";
}
