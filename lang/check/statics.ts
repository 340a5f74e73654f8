/** What can be said of expressions without a target: constant parts make sense, kinds fit. */
import type { Expression } from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import { expressionParts } from "../walk.js";
import { describeValue, isTrue } from "./arithmetic.js";
import type { ConstantValue } from "./checked.js";
import type { Constants } from "./constants.js";
import type { Names, Scope } from "./scope.js";

export class StaticExpressions {
  constructor(
    readonly scope: Scope,
    readonly constants: Constants,
    readonly values: Map<Expression, ConstantValue>,
  ) {}

  /**
   * Evaluates every constant part; what makes no sense is reported.
   * @param variables names of the script's own variables there: they hide constants
   * @returns the value if all of it is constant
   */
  value(expression: Expression, variables: Names): ConstantValue | undefined {
    return this.#isConstant(expression, variables) ? this.#evaluate(expression) : undefined;
  }

  condition(expression: Expression, variables: Names): void {
    const value = this.value(expression, variables);
    if (value === undefined || isTrue(value) !== undefined) return;
    this.#wrong(expression, "a condition", value);
  }

  duration(expression: Expression, variables: Names): void {
    const value = this.value(expression, variables);
    if (value === undefined || value.kind === "duration") return;
    const plain = value.kind === "integer" && expression.kind === "integer";
    this.#wrong(expression, "a duration", value, plain ? `write \`${value.value}s\`` : undefined);
  }

  iterable(expression: Expression, variables: Names): void {
    const value = this.value(expression, variables);
    if (value !== undefined) this.#wrong(expression, "an array or a list", value);
  }

  /** Whether all of it is constant; if not, its constant parts are evaluated. */
  #isConstant(expression: Expression, variables: Names): boolean {
    const parts = expressionParts(expression);
    if (parts.length === 0) return this.#isConstantOperand(expression, variables);
    const constant = parts.map((part) => this.#isConstant(part, variables));
    if (joinsConstants(expression) && !constant.includes(false)) return true;
    parts.forEach((part, at) => {
      if (constant[at]) this.#evaluate(part);
    });
    return false;
  }

  #isConstantOperand(expression: Expression, variables: Names): boolean {
    switch (expression.kind) {
      case "integer":
      case "float":
      case "duration":
      case "size":
      case "character":
      case "string":
      case "boolean":
      case "null":
        return true;
      case "variable": {
        const { name, function: owner, place } = expression;
        const plain = owner === undefined && place === undefined;
        return plain && this.scope.constants.has(name.text) && !variables.has(name.text);
      }
      default:
        return false;
    }
  }

  #evaluate(expression: Expression): ConstantValue | undefined {
    const value = this.constants.evaluate(expression) ?? undefined;
    if (value !== undefined) this.values.set(expression, value);
    return value;
  }

  #wrong(
    expression: Expression,
    expected: string,
    value: ConstantValue,
    suggestion?: string | undefined,
  ): void {
    const found = describeValue(value);
    this.constants.diagnostics.push(
      diagnose("wrong-type", expression.span, { expected, found }, { suggestion }),
    );
  }
}

/** Whether it is constant where all of its parts are. */
function joinsConstants(expression: Expression): boolean {
  switch (expression.kind) {
    case "unary":
      return expression.operator !== "*" && expression.operator !== "&";
    case "parenthesized":
    case "binary":
    case "conditional":
    case "operator-chain":
      return true;
    default:
      return false;
  }
}
