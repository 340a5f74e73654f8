/** A tree as text with every grouping visible, for tests: `(+ a (* b c))`. */
import type { Expression, TypeName } from "../../lang/ast.js";

export function notate(expression: Expression): string {
  const list = (items: readonly Expression[]): string => items.map(notate).join(" ");
  switch (expression.kind) {
    case "integer":
      return `${expression.value}`;
    case "float":
      return `${expression.value}f`;
    case "duration":
      return `${expression.nanoseconds}ns`;
    case "size":
      return `${expression.bytes}B`;
    case "character":
      return `'${expression.value}'`;
    case "string":
      return JSON.stringify(expression.value);
    case "boolean":
      return `${expression.value}`;
    case "null":
      return "NULL";
    case "variable": {
      const scope = expression.function === undefined ? "" : `${expression.function.text}::`;
      const place = expression.place === undefined ? "" : `@${expression.place.value}`;
      return `${scope}${expression.name.text}${place}`;
    }
    case "parenthesized":
      return `[${notate(expression.expression)}]`;
    case "member":
      return `(${expression.operator} ${notate(expression.object)} ${expression.member.text})`;
    case "index":
      return `(at ${notate(expression.object)} ${notate(expression.index)})`;
    case "unary":
      return `(${expression.operator} ${notate(expression.operand)})`;
    case "binary":
      return `(${expression.operator} ${notate(expression.left)} ${notate(expression.right)})`;
    case "conditional":
      return `(? ${list([expression.condition, expression.whenTrue, expression.whenFalse])})`;
    case "cast":
      return `(${expression.certain ? "cast" : "cast?"} ${type(expression.type)} ${notate(expression.operand)})`;
    case "sizeof": {
      const { operand } = expression;
      return `(sizeof ${operand.kind === "type-name" ? type(operand) : notate(operand)})`;
    }
    case "call":
      return `(call ${list([expression.callee, ...expression.arguments])})`;
    case "invocation":
      return `(${[expression.name.text, ...expression.arguments.map(notate)].join(" ")})!`;
    case "operator-chain": {
      const operators = expression.operators.map(({ operator }) => operator);
      return `{${expression.operands.map((part, i) => notate(part) + (operators[i] ?? "")).join("")}}`;
    }
  }
}

function type({ base, pointers, dimensions }: TypeName): string {
  const name =
    base.kind === "basic"
      ? base.name
      : base.kind === "named"
        ? base.name.text
        : `${base.kind} ${base.tag.text}`;
  return `<${name}${"*".repeat(pointers)}${dimensions.map((size) => `[${notate(size)}]`).join("")}>`;
}
