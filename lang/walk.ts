/** Going over a tree. */
import type { Block, Expression, Statement } from "./ast.js";

/** The expressions directly inside an expression. */
export function expressionParts(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "parenthesized":
      return [expression.expression];
    case "member":
      return [expression.object];
    case "index":
      return [expression.object, expression.index];
    case "unary":
    case "cast":
      return [expression.operand];
    case "binary":
      return [expression.left, expression.right];
    case "conditional":
      return [expression.condition, expression.whenTrue, expression.whenFalse];
    case "sizeof":
      return expression.operand.kind === "type-name"
        ? expression.operand.dimensions
        : [expression.operand];
    case "call":
      return [expression.callee, ...expression.arguments];
    case "invocation":
      return expression.arguments;
    case "operator-chain":
      return expression.operands;
    default:
      return [];
  }
}

/** The expressions directly inside a statement, not those of blocks in it. */
export function statementExpressions(statement: Statement): readonly Expression[] {
  switch (statement.kind) {
    case "set":
      return [statement.place, statement.value];
    case "let":
      return [statement.value];
    case "print":
      return statement.values;
    case "assert":
    case "if":
    case "while":
      return [statement.condition];
    case "for":
      return [statement.iterable];
    case "sleep":
      return [statement.duration];
    case "wait":
      return [statement.condition, statement.within];
    case "call-statement":
      return [statement.call];
    case "recipe-statement":
      return [statement.invocation];
    case "return":
      return statement.value === undefined ? [] : [statement.value];
    case "expression-statement":
      return [statement.expression];
    default:
      return [];
  }
}

/** The blocks directly inside a statement; of an `else if` those of the inner `if` too. */
export function statementBlocks(statement: Statement): readonly Block[] {
  switch (statement.kind) {
    case "if": {
      const { whenTrue, whenFalse } = statement;
      if (whenFalse === undefined) return [whenTrue];
      return whenFalse.kind === "if"
        ? [whenTrue, ...statementBlocks(whenFalse)]
        : [whenTrue, whenFalse];
    }
    case "while":
    case "for":
      return [statement.body];
    default:
      return [];
  }
}

/** Every statement of a list and of the blocks in it, outer before inner. */
export function* allStatements(statements: readonly Statement[]): Generator<Statement> {
  for (const statement of statements) {
    yield statement;
    for (const block of statementBlocks(statement)) yield* allStatements(block.statements);
  }
}
