/** Declarations: imports, constants, recipes, and updates with all that stands in them. */
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type {
  DataItem,
  DataProperty,
  Item,
  Name,
  PatchClause,
  PatchItem,
  RecipeDeclaration,
  TaintClause,
  TaintItem,
  TargetItem,
  UpdateItem,
} from "../ast.js";
import { printBracketed, printCommaList, printExpression } from "./expressions.js";
import { printBraces } from "./items.js";
import { printBlock, printNext, printStatement, printValue } from "./statements.js";
import type { TokenPrinter } from "./token_printer.js";

const { group, indent } = builders;

/** A declaration or a statement; the gap before it is printed by the caller. */
export function printItem(p: TokenPrinter, item: Item): Doc {
  switch (item.kind) {
    case "import":
      return printWords(p, item);
    case "const":
      return [p.image(), p.token("space"), printValue(p, item.value)];
    case "recipe":
      return printRecipe(p, item);
    case "update": {
      const head = [p.image(), p.token("space"), item.description ? p.token("space") : ""];
      return group([head, printBraces(p, item.items, printUpdateItem)]);
    }
    default:
      return printStatement(p, item);
  }
}

function printRecipe(p: TokenPrinter, recipe: RecipeDeclaration): Doc {
  const head = [p.image(), p.token("space"), p.gap("none")];
  const parameters = printBracketed(p, () =>
    printCommaList(p, recipe.parameters.length, () => p.image()),
  );
  return group([head, parameters, printBlock(p, recipe.body)]);
}

function printUpdateItem(p: TokenPrinter, item: UpdateItem): Doc {
  switch (item.kind) {
    case "target":
      return group([p.image(), printBraces(p, item.items, printWordsItem)]);
    case "patch":
      return printPatch(p, item);
    case "taint":
      return printTaint(p, item);
    case "rollback-point":
    case "on-failure":
      return printWords(p, item);
    case "complete":
      return [p.image(), p.token("space"), printNext(p, item.within)];
  }
}

/** Words, names and texts separated by blanks, up to the end of a node. */
function printWords(p: TokenPrinter, node: { readonly span: { readonly end: number } }): Doc {
  return [p.image(), p.tokensTo(node.span.end)];
}

function printWordsItem(p: TokenPrinter, item: TargetItem): Doc {
  return printWords(p, item);
}

// --- patches ------------------------------------------------------------------------------

function printPatch(p: TokenPrinter, patch: PatchClause): Doc {
  const head = [
    p.image(),
    p.token("space"),
    patch.from ? [p.token("space"), p.token("space")] : "",
  ];
  const after = patch.after.length === 0 ? "" : printAfter(p, patch.after);
  return group([head, after, printBraces(p, patch.items, printPatchItem)]);
}

function printAfter(p: TokenPrinter, names: readonly Name[]): Doc {
  const word = [p.token("space"), p.gap("space")];
  return group([word, indent(printCommaList(p, names.length, () => p.image()))]);
}

function printPatchItem(p: TokenPrinter, item: PatchItem): Doc {
  switch (item.kind) {
    case "replace":
      return printWords(p, item);
    case "data":
      return printData(p, item);
    case "inline-c":
      // What stands in the braces is C: one token, byte for byte.
      return [p.image(), p.token("space")];
  }
}

function printData(p: TokenPrinter, item: DataItem): Doc {
  const head = [
    p.image(),
    p.token("space"),
    item.function ? [p.token("none"), p.token("none")] : "",
    item.place ? [p.token("space"), p.token("space")] : "",
  ];
  return group([head, printBraces(p, item.properties, printDataProperty)]);
}

function printDataProperty(p: TokenPrinter, property: DataProperty): Doc {
  if (property.kind !== "size") return printWords(p, property);
  const head = [p.image(), printNext(p, property.old)];
  return group([
    head,
    indent([p.separator("none"), p.gap("line"), printExpression(p, property.new)]),
  ]);
}

// --- taints -------------------------------------------------------------------------------

function printTaint(p: TokenPrinter, taint: TaintClause): Doc {
  const when = taint.when.span.end;
  const head = [p.image(), p.tokensTo(when)];
  return group([head, printBraces(p, taint.items, printTaintItem)]);
}

function printTaintItem(p: TokenPrinter, item: TaintItem): Doc {
  switch (item.kind) {
    case "check":
      return [p.image(), printNext(p, item.condition)];
    case "recover":
      return group([p.image(), printBlock(p, item.body)]);
    case "otherwise":
      return printWords(p, item);
  }
}
