/**
 * From operands and operators to a tree, by C's precedence; and the one place of the
 * grammar that depends on names: `(n) - 1` is a cast if `n` is a type.
 */
import type {
  BinaryOperator,
  CastExpression,
  ChainOperator,
  Expression,
  Name,
  OperatorChain,
  SizeofExpression,
  UnaryExpression,
  UnaryOperator,
} from "./ast.js";
import { joinSpans } from "./source.js";

/** Strength of the binary operators; all are left-associative. */
export const precedence: Readonly<Record<BinaryOperator, number>> = {
  "*": 10,
  "/": 10,
  "%": 10,
  "+": 9,
  "-": 9,
  "<<": 8,
  ">>": 8,
  "<": 7,
  ">": 7,
  "<=": 7,
  ">=": 7,
  "==": 6,
  "!=": 6,
  "&": 5,
  "^": 4,
  "|": 3,
  "&&": 2,
  "||": 1,
};

/** The tree of a chain whose names are settled; all binary operators are left-associative. */
export function buildBinary(
  operands: readonly Expression[],
  operators: readonly ChainOperator[],
): Expression {
  const [first, second] = operands;
  const [operator] = operators;
  if (first === undefined) throw new RangeError("an operator chain has at least one operand");
  if (second === undefined || operator === undefined) return first;
  if (operands.length === 2) return joined(first, operator, second);
  const done: Expression[] = [first];
  const open: ChainOperator[] = [];
  const reduce = (): void => {
    const right = done.pop();
    const left = done.pop();
    const operator = open.pop();
    if (left === undefined || right === undefined || operator === undefined) return;
    done.push(joined(left, operator, right));
  };
  operators.forEach((operator, index) => {
    const strength = precedence[operator.operator];
    for (let top = open.at(-1); top && precedence[top.operator] >= strength; top = open.at(-1)) {
      reduce();
    }
    open.push(operator);
    const operand = operands[index + 1];
    if (operand !== undefined) done.push(operand);
  });
  while (open.length > 0) reduce();
  return done[0] ?? first;
}

function joined(
  left: Expression,
  { operator, span }: ChainOperator,
  right: Expression,
): Expression {
  const whole = joinSpans(left.span, right.span);
  return { kind: "binary", span: whole, operator, operatorSpan: span, left, right };
}

/** The tree of a chain, or the chain itself where a parenthesised name may be a type. */
export function buildChain(
  operands: readonly Expression[],
  operators: readonly ChainOperator[],
): Expression {
  const first = operands[0];
  const last = operands.at(-1);
  if (first === undefined || last === undefined) return buildBinary(operands, operators);
  const uncertain = operators.some((operator, index) => {
    const operand = operands[index];
    return operand !== undefined && mayCast(operand, operator) !== undefined;
  });
  if (!uncertain) return buildBinary(operands, operators);
  return { kind: "operator-chain", span: joinSpans(first.span, last.span), operands, operators };
}

/**
 * Resolves every operator chain in an expression.
 * @param isType whether a bare name is a type where the expression stands
 * @returns the same expression without `OperatorChain`s; parts without any are shared
 */
export function settleCasts(expression: Expression, isType: (name: string) => boolean): Expression {
  const settle = (part: Expression): Expression => settleCasts(part, isType);
  switch (expression.kind) {
    case "operator-chain":
      return settleChain(expression, isType);
    case "parenthesized":
      return { ...expression, expression: settle(expression.expression) };
    case "member":
      return { ...expression, object: settle(expression.object) };
    case "index":
      return {
        ...expression,
        object: settle(expression.object),
        index: settle(expression.index),
      };
    case "unary":
    case "cast":
      return { ...expression, operand: settle(expression.operand) };
    case "binary":
      return { ...expression, left: settle(expression.left), right: settle(expression.right) };
    case "conditional":
      return {
        ...expression,
        condition: settle(expression.condition),
        whenTrue: settle(expression.whenTrue),
        whenFalse: settle(expression.whenFalse),
      };
    case "sizeof":
      return settleSizeof(expression, settle);
    case "call":
      return {
        ...expression,
        callee: settle(expression.callee),
        arguments: expression.arguments.map(settle),
      };
    case "invocation":
      return { ...expression, arguments: expression.arguments.map(settle) };
    default:
      return expression;
  }
}

function settleSizeof(
  expression: SizeofExpression,
  settle: (part: Expression) => Expression,
): SizeofExpression {
  const { operand } = expression;
  if (operand.kind === "type-name") {
    const dimensions = operand.dimensions.map(settle);
    return { ...expression, operand: { ...operand, dimensions } };
  }
  return { ...expression, operand: settle(operand) };
}

function settleChain(chain: OperatorChain, isType: (name: string) => boolean): Expression {
  const operands: Expression[] = [];
  const operators: ChainOperator[] = [];
  const [first, ...rest] = chain.operands;
  if (first === undefined) throw new RangeError("an operator chain has at least one operand");
  let current = first;
  chain.operators.forEach((operator, index) => {
    const next = rest[index];
    if (next === undefined) return;
    const cast = mayCast(current, operator);
    if (cast !== undefined && isType(cast.name.text)) {
      const unary: UnaryExpression = {
        kind: "unary",
        span: joinSpans(operator.span, next.span),
        operator: cast.prefix,
        operatorSpan: operator.span,
        operand: next,
      };
      current = castLast(current, unary);
    } else {
      operands.push(current);
      operators.push(operator);
      current = next;
    }
  });
  operands.push(current);
  return buildBinary(
    operands.map((operand) => settleCasts(operand, isType)),
    operators,
  );
}

/** The name that would be cast to, and the operator as a prefix, if the two can be a cast. */
function mayCast(
  operand: Expression,
  operator: ChainOperator,
): { readonly name: Name; readonly prefix: UnaryOperator } | undefined {
  const prefix = operator.operator;
  if (prefix !== "-" && prefix !== "+" && prefix !== "*" && prefix !== "&") return undefined;
  const last = lastOperand(operand);
  if (last.kind !== "parenthesized") return undefined;
  const inner = last.expression;
  if (inner.kind !== "variable" || inner.function !== undefined || inner.place !== undefined) {
    return undefined;
  }
  const between = operand.span.file.text.slice(last.span.end, operator.span.start);
  return between.includes("\n") ? undefined : { name: inner.name, prefix };
}

/** What a following operand would be applied to: `(n)` of `-(n)`. */
function lastOperand(operand: Expression): Expression {
  let last = operand;
  while (last.kind === "unary" || last.kind === "cast") last = last.operand;
  return last;
}

/** `operand` with its last `(NAME)` made a cast of `value`. */
function castLast(operand: Expression, value: Expression): Expression {
  if (operand.kind === "unary" || operand.kind === "cast") {
    const inner = castLast(operand.operand, value);
    return { ...operand, span: joinSpans(operand.span, inner.span), operand: inner };
  }
  if (operand.kind !== "parenthesized" || operand.expression.kind !== "variable") return operand;
  const { name } = operand.expression;
  const cast: CastExpression = {
    kind: "cast",
    span: joinSpans(operand.span, value.span),
    type: {
      kind: "type-name",
      span: name.span,
      base: { kind: "named", name },
      pointers: 0,
      dimensions: [],
    },
    certain: true,
    operand: value,
  };
  return cast;
}
