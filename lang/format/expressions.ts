/**
 * Expressions. Where the grammar asks whether two tokens stand on one line, they stay
 * as they are: a cast and its operand, `call` and its function, a name and its `(`,
 * `(n)` and the `-` after it.
 */
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type {
  BinaryExpression,
  CallExpression,
  ChainOperator,
  ConditionalExpression,
  Expression,
  SizeofExpression,
  TypeName,
  UnaryExpression,
} from "../ast.js";
import { precedence } from "../casts.js";
import * as t from "../tokens.js";
import type { TokenPrinter } from "./token_printer.js";

const { group, indent } = builders;

/** An expression; the gap before its first token is printed by the caller. */
export function printExpression(p: TokenPrinter, expression: Expression): Doc {
  switch (expression.kind) {
    case "binary":
    case "operator-chain":
      return group(printOperators(p, expression, indent));
    case "conditional":
      return printConditional(p, expression);
    case "unary":
      return printUnary(p, expression);
    case "cast":
      return [
        p.image(),
        p.gap("none"),
        printTypeName(p, expression.type),
        p.token("none"),
        p.gap("space"),
        printExpression(p, expression.operand),
      ];
    case "sizeof":
      return printSizeof(p, expression);
    case "call":
      return printCall(p, expression);
    default:
      return printPostfix(p, expression);
  }
}

/** An expression that is indented already: its operators break with the group around it, no deeper. */
export function printInside(p: TokenPrinter, expression: Expression): Doc {
  return expression.kind === "binary" || expression.kind === "operator-chain"
    ? printOperators(p, expression, (parts) => parts)
    : printExpression(p, expression);
}

// --- operators ------------------------------------------------------------------------

type OperatorExpression = Extract<Expression, { kind: "binary" | "operator-chain" }>;

interface Chain {
  readonly operands: readonly Expression[];
  readonly operators: readonly ChainOperator[];
}

/** Operands and operators of one strength; of a chain with possible casts all there are. */
function chainOf(expression: OperatorExpression): Chain {
  if (expression.kind === "operator-chain") return expression;
  const operands: Expression[] = [];
  const operators: ChainOperator[] = [];
  const strength = precedence[expression.operator];
  let part: Expression = expression;
  while (part.kind === "binary" && precedence[part.operator] === strength) {
    const { operator, operatorSpan, left, right }: BinaryExpression = part;
    operands.push(right);
    operators.push({ operator, span: operatorSpan });
    part = left;
  }
  operands.push(part);
  return { operands: operands.reverse(), operators: operators.reverse() };
}

/** Operators stand at the ends of lines, so that no operand begins a line by surprise. */
function printOperators(
  p: TokenPrinter,
  expression: OperatorExpression,
  continued: (parts: Doc[]) => Doc,
): Doc {
  const { operands, operators } = chainOf(expression);
  const [first, ...rest] = operands;
  if (first === undefined) return "";
  const head = printExpression(p, first);
  const parts = rest.map((operand, index): Doc => {
    const before = operands[index];
    const operator = operators[index];
    const fixed = before !== undefined && operator !== undefined && mayCast(before, operator);
    const sign = fixed
      ? p.token(p.next.before.breaksLine ? "kept" : "space")
      : p.separator("space");
    return [sign, p.gap("line"), printExpression(p, operand)];
  });
  return [head, continued(parts)];
}

/** Whether a line break before the operator decides between subtraction and a cast: `(n) - 1`. */
function mayCast(operand: Expression, { operator }: ChainOperator): boolean {
  if (!["-", "+", "*", "&"].includes(operator)) return false;
  let last = operand;
  while (last.kind === "unary" || last.kind === "cast" || last.kind === "binary") {
    last = last.kind === "binary" ? last.right : last.operand;
  }
  return last.kind === "parenthesized" && last.expression.kind === "variable";
}

function printConditional(p: TokenPrinter, expression: ConditionalExpression): Doc {
  return group([
    printExpression(p, expression.condition),
    indent([
      p.token("line"),
      p.gap("space"),
      printExpression(p, expression.whenTrue),
      p.token("line"),
      p.gap("space"),
      printExpression(p, expression.whenFalse),
    ]),
  ]);
}

function printUnary(p: TokenPrinter, expression: UnaryExpression): Doc {
  const sign = p.image();
  // `- -x` and `& &x` would be other signs without the blank.
  const style = p.next.image.startsWith(expression.operator) ? "space" : "none";
  const doubles = ["-", "+", "&"].includes(expression.operator);
  return [sign, p.gap(doubles ? style : "none"), printExpression(p, expression.operand)];
}

function printSizeof(p: TokenPrinter, { operand }: SizeofExpression): Doc {
  const word = p.image();
  if (operand.kind === "type-name") {
    return [word, p.token("none"), p.gap("none"), printTypeName(p, operand), p.token("none")];
  }
  const gap = p.gap(p.isNext(t.LeftParenthesis) ? "none" : "space");
  return [word, gap, printExpression(p, operand)];
}

/** `struct s *const *`; its words are not all in the tree. */
function printTypeName(p: TokenPrinter, type: TypeName): Doc {
  const [firstDimension] = type.dimensions;
  const end = firstDimension?.span.start ?? type.span.end;
  const parts: Doc[] = [p.image()];
  while (p.next.start < end && !p.isNext(t.LeftBracket)) {
    parts.push(p.token(p.peek(-1)?.type === t.Star ? "none" : "space"));
  }
  for (const dimension of type.dimensions) {
    parts.push(p.token("none"), p.gap("none"), printExpression(p, dimension), p.token("none"));
  }
  return parts;
}

// --- what ends with suffixes ------------------------------------------------------------

function printCall(p: TokenPrinter, call: CallExpression): Doc {
  // Of `call f(1)->g(2)` only the outer call has the word.
  const hasWord = call.span.start < call.callee.span.start;
  const head = hasWord ? [p.image(), p.gap("space")] : "";
  const callee = printExpression(p, call.callee);
  return withPlaces(p, [head, callee, p.gap("none"), printArguments(p, call.arguments)]);
}

function printPostfix(p: TokenPrinter, expression: Expression): Doc {
  switch (expression.kind) {
    case "parenthesized":
      return withPlaces(
        p,
        printBracketed(p, () => printInside(p, expression.expression)),
      );
    case "member": {
      const object = printExpression(p, expression.object);
      // `1.x` would be one word.
      const style = p.peek(-1)?.type === t.NumberLiteral ? "space" : "none";
      return withPlaces(p, [object, p.token(style), p.token("none")]);
    }
    case "index": {
      const object = printExpression(p, expression.object);
      const gap = p.gap("none");
      const index = printBracketed(p, () => printInside(p, expression.index));
      return withPlaces(p, [object, gap, index]);
    }
    case "invocation": {
      const name = p.image();
      return withPlaces(p, [name, p.gap("none"), printArguments(p, expression.arguments)]);
    }
    case "variable": {
      const name = p.image();
      const inner = expression.function === undefined ? "" : [p.token("none"), p.token("none")];
      return withPlaces(p, [name, inner]);
    }
    default:
      // A literal: one token, as written.
      return withPlaces(p, p.image());
  }
}

/** Adds `in "file.c"`, which may stand after any suffix and belongs to the variable. */
function withPlaces(p: TokenPrinter, expression: Doc): Doc {
  const parts = [expression];
  while (p.isNext(t.In) && p.peek(1)?.type === t.StringText) {
    parts.push(p.token("space"), p.token("space"));
  }
  return parts;
}

/** `(a, b)`; the gap before `(` is printed already. */
export function printArguments(p: TokenPrinter, values: readonly Expression[]): Doc {
  const [only] = values;
  return printBracketed(p, () =>
    only !== undefined && values.length === 1
      ? printInside(p, only)
      : printCommaList(p, values.length, (index) => {
          const value = values[index];
          return value === undefined ? "" : printExpression(p, value);
        }),
  );
}

/** Brackets whose inside goes on lines of its own if it is too long; the gap before them is printed. */
export function printBracketed(p: TokenPrinter, inside: () => Doc): Doc {
  const open = p.image();
  if (p.isNext(t.RightParenthesis)) return group([open, p.token("closing")]);
  return group([open, indent([p.gap("soft"), inside()]), p.token("closing")]);
}

/** Items separated by `,` and line breaks of the enclosing group; the first one's gap is printed. */
export function printCommaList(p: TokenPrinter, count: number, item: (index: number) => Doc): Doc {
  const parts: Doc[] = [];
  for (let index = 0; index < count; index++) {
    if (index > 0) parts.push(p.separator("none"), p.gap("line"));
    parts.push(item(index));
  }
  return parts;
}
