/** Statements and blocks. */
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type { Block, Expression, IfStatement, Statement } from "../ast.js";
import { printArguments, printExpression, printInside } from "./expressions.js";
import { printBraces } from "./items.js";
import * as t from "../tokens.js";
import type { TokenPrinter } from "./token_printer.js";

const { group, indent } = builders;

/** A statement; the gap before it is printed by the caller. */
export function printStatement(p: TokenPrinter, statement: Statement): Doc {
  switch (statement.kind) {
    case "set":
      return [p.image(), printNext(p, statement.place), printValue(p, statement.value)];
    case "let":
      return [p.image(), p.token("space"), printValue(p, statement.value)];
    case "print": {
      const [first, ...rest] = statement.values;
      const head = [p.image(), first === undefined ? "" : printNext(p, first)];
      const others = rest.map((value): Doc => [
        p.separator("none"),
        p.gap("line"),
        printExpression(p, value),
      ]);
      return group([head, indent(others)]);
    }
    case "assert": {
      const head = [p.image(), printNext(p, statement.condition)];
      const message = statement.message === undefined ? "" : [p.separator("none"), p.token("line")];
      return group(indent([head, message]));
    }
    case "if":
      return group(printIf(p, statement));
    case "while": {
      const head = [p.image(), printCondition(p, statement.condition)];
      return group([head, printBlock(p, statement.body)]);
    }
    case "for": {
      const head = [p.image(), p.token("space"), p.token("space")];
      const iterable = printNext(p, statement.iterable);
      return group([head, iterable, printBlock(p, statement.body)]);
    }
    case "sleep":
      return [p.image(), printNext(p, statement.duration)];
    case "wait": {
      const head = [p.image(), p.token("space"), printNext(p, statement.condition)];
      return group([head, indent([printWithin(p), printNext(p, statement.within)])]);
    }
    case "call-statement":
      return printExpression(p, statement.call);
    case "recipe-statement":
      return printExpression(p, statement.invocation);
    case "return":
      return [p.image(), statement.value === undefined ? "" : printNext(p, statement.value)];
    case "rollback":
      return [
        [p.image(), p.token("space"), p.token("space")],
        [p.token("none"), p.token("none")],
      ];
    case "break":
    case "continue":
      return p.image();
    case "apply":
    case "fail":
    case "warn":
      return [p.image(), p.token("space")];
    case "expression-statement":
      return printExpression(p, statement.expression);
  }
}

export function printBlock(p: TokenPrinter, block: Block): Doc {
  return printBraces(p, block.statements, printStatement);
}

/** A blank and an expression after it. */
export function printNext(p: TokenPrinter, expression: Expression): Doc {
  return [p.gap("space"), printExpression(p, expression)];
}

/** ` = VALUE`; operators that do not fit begin on the next line. */
export function printValue(p: TokenPrinter, value: Expression): Doc {
  const sign = p.separator("space");
  if (value.kind !== "binary" && value.kind !== "operator-chain") {
    return [sign, printNext(p, value)];
  }
  return [sign, group(indent([p.gap("line"), group(printInside(p, value))]))];
}

/** ` (EXPR)` of `if` and `while`. */
function printCondition(p: TokenPrinter, condition: Expression): Doc {
  return [p.gap("space"), printArguments(p, [condition])];
}

/** All blocks of an `if` with its `else`s, for one group: one that breaks breaks them all. */
function printIf(p: TokenPrinter, statement: IfStatement): Doc {
  const head = [p.image(), printCondition(p, statement.condition)];
  const whenTrue = printBlock(p, statement.whenTrue);
  const { whenFalse } = statement;
  if (whenFalse === undefined) return [head, whenTrue];
  const word = p.token("flush");
  const otherwise =
    whenFalse.kind === "if" ? [p.gap("flush"), printIf(p, whenFalse)] : printBlock(p, whenFalse);
  return [head, whenTrue, word, otherwise];
}

/**
 * `within`. A break before it may keep `(a)` from being a cast of it, and a name from
 * beginning a clause with it: such a break stays.
 */
function printWithin(p: TokenPrinter): Doc {
  const afterName = p.previousIsName || p.peek(-1)?.type === t.RightParenthesis;
  return p.keyword(afterName && p.next.before.breaksLine ? "kept" : "line");
}
