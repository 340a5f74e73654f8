/** Values of constant expressions, of `const` declarations, and of `--var`. */
import type { ConstDeclaration, Expression, Name } from "../ast.js";
import { settleCasts } from "../casts.js";
import { diagnose } from "../diagnostics/codes.js";
import type { Diagnostic } from "../diagnostics/diagnostic.js";
import { didYouMean } from "../diagnostics/suggest.js";
import { parseExpression } from "../parse.js";
import { SourceFile, type Span } from "../source.js";
import { binary, describeValue, isTrue, unary, type Result } from "./arithmetic.js";
import type { ConstantValue } from "./checked.js";
import type { LoadedFile } from "./imports.js";

/** Constants by name as one file sees them: its own, and those of the files that it imports. */
export interface ConstantScope {
  readonly constants: ReadonlyMap<string, ConstDeclaration>;
  /** False if an import failed: a name that is not here may have been there. */
  readonly complete: boolean;
}

/** Evaluates each constant once, whatever the order of declarations. */
export class Constants {
  readonly #values = new Map<ConstDeclaration, ConstantValue | null>();
  readonly #scopes = new Map<SourceFile, ConstantScope>();
  readonly #open: ConstDeclaration[] = [];

  constructor(readonly diagnostics: Diagnostic[]) {}

  /** Makes a file's constants known; before anything in it is evaluated. */
  addScope(file: LoadedFile, scope: ConstantScope): void {
    this.#scopes.set(file.source, scope);
  }

  /** Gives a constant another value than its declaration. */
  override(declaration: ConstDeclaration, value: ConstantValue): void {
    this.#values.set(declaration, value);
  }

  /** The value of a declaration; null if it has none (which was reported). */
  valueOf(declaration: ConstDeclaration): ConstantValue | null {
    const known = this.#values.get(declaration);
    if (known !== undefined) return known;
    const begin = this.#open.indexOf(declaration);
    if (begin >= 0) {
      const path = [...this.#open.slice(begin), declaration].map(({ name }) => name.text);
      this.#report(diagnose("constant-cycle", declaration.name.span, { path }));
      return null;
    }
    this.#open.push(declaration);
    const value = this.evaluate(declaration.value);
    this.#open.pop();
    // A cycle through this one has set nothing: the null of its end is everybody's value.
    this.#values.set(declaration, value);
    return value;
  }

  /** The value of an expression; null if it is not constant or makes no sense (reported). */
  evaluate(expression: Expression): ConstantValue | null {
    switch (expression.kind) {
      case "integer":
        return { kind: "integer", value: expression.value, type: expression.type };
      case "float":
        return { kind: "float", value: expression.value, type: expression.type };
      case "character":
        return { kind: "integer", value: BigInt(expression.value), type: "int" };
      case "string": {
        const { kind, value, escaped } = expression;
        return { kind, value, ...(escaped && { escaped }) };
      }
      case "boolean":
        return { kind: "boolean", value: expression.value };
      case "duration":
        return { kind: "duration", nanoseconds: expression.nanoseconds };
      case "size":
        return { kind: "size", bytes: expression.bytes };
      case "null":
        return { kind: "null" };
      case "parenthesized":
        return this.evaluate(expression.expression);
      case "operator-chain":
        return this.evaluate(settleCasts(expression, () => false));
      case "variable":
        if (expression.function === undefined && expression.place === undefined) {
          return this.#named(expression.name);
        }
        return this.#notConstant(expression, "a variable of the target");
      case "unary": {
        if (expression.operator === "*" || expression.operator === "&") {
          return this.#notConstant(expression, `\`${expression.operator}\` of an expression`);
        }
        const operand = this.evaluate(expression.operand);
        if (operand === null) return null;
        return this.#result(unary(expression.operator, operand), expression.span, [
          [expression.operand, operand],
        ]);
      }
      case "binary":
        return this.#binary(expression);
      case "conditional": {
        const holds = this.#condition(expression.condition);
        if (holds === null) return null;
        return this.evaluate(holds ? expression.whenTrue : expression.whenFalse);
      }
      case "cast":
        return this.#notConstant(expression, "a cast to a type of the target");
      case "sizeof":
        return this.#notConstant(expression, "the size of something in the target");
      case "member":
      case "index":
        return this.#notConstant(expression, "a variable of the target");
      case "call":
        return this.#notConstant(expression, "the result of a call");
      case "invocation":
        return this.#notConstant(expression, `the result of \`${expression.name.text}\``);
    }
  }

  #named(name: Name): ConstantValue | null {
    const scope = this.#scopes.get(name.span.file);
    const declaration = scope?.constants.get(name.text);
    if (declaration !== undefined) return this.valueOf(declaration);
    if (scope?.complete === false) return null;
    const suggestion = didYouMean(name.text, scope?.constants.keys() ?? []);
    this.#report(diagnose("unknown-constant", name.span, { name: name.text }, { suggestion }));
    return null;
  }

  #binary(expression: Extract<Expression, { kind: "binary" }>): ConstantValue | null {
    const { operator, left, right } = expression;
    if (operator === "&&" || operator === "||") {
      const first = this.#condition(left);
      if (first === null) return null;
      // As in C the right side only counts where the left one does not decide.
      const holds = first === (operator === "||") ? first : this.#condition(right);
      return holds === null ? null : { kind: "integer", value: holds ? 1n : 0n, type: "int" };
    }
    const a = this.evaluate(left);
    const b = this.evaluate(right);
    if (a === null || b === null) return null;
    return this.#result(binary(operator, a, b), expression.span, [
      [right, b],
      [left, a],
    ]);
  }

  #condition(expression: Expression): boolean | null {
    const value = this.evaluate(expression);
    if (value === null) return null;
    const holds = isTrue(value);
    if (holds !== undefined) return holds;
    const found = describeValue(value);
    this.#report(diagnose("wrong-type", expression.span, { expected: "a condition", found }));
    return null;
  }

  /** `operands`: the one to blame first; the next if the first is what was expected. */
  #result(
    result: Result,
    span: Span,
    operands: readonly (readonly [Expression, ConstantValue])[],
  ): ConstantValue | null {
    if (result.kind === "value") return result.value;
    if (result.kind === "impossible") {
      const { reason, suggestion } = result;
      this.#report(diagnose("constant-arithmetic", span, { reason }, { suggestion }));
      return null;
    }
    const { expected } = result;
    const blamed = operands.find(([, value]) => describeValue(value) !== expected) ?? operands[0];
    if (blamed !== undefined) {
      const found = describeValue(blamed[1]);
      this.#report(diagnose("wrong-type", blamed[0].span, { expected, found }));
    }
    return null;
  }

  #notConstant(expression: Expression, what: string): null {
    this.#report(diagnose("not-constant", expression.span, { what }));
    return null;
  }

  #report(diagnostic: Diagnostic): void {
    this.diagnostics.push(diagnostic);
  }
}

/** Applies the `--var` options, each `NAME=VALUE`, to the constants that the script sees. */
export function applyOverrides(
  options: readonly string[],
  scope: ConstantScope,
  constants: Constants,
): void {
  const seen = new Map<string, Span>();
  for (const option of options) {
    const source = new SourceFile("--var", option);
    const equals = option.indexOf("=");
    const name = option.slice(0, Math.max(0, equals));
    const nameSpan = source.span(0, name.length);
    const report = (diagnostic: Diagnostic): number => constants.diagnostics.push(diagnostic);
    if (!/^[A-Za-z_$][\w$]*$/.test(name)) {
      const reason = `\`${option}\` is not of the form NAME=VALUE`;
      report(diagnose("invalid-variable", source.span(0, option.length), { reason }));
      continue;
    }
    const declaration = scope.constants.get(name);
    if (declaration === undefined) {
      if (!scope.complete) continue;
      const suggestion = didYouMean(name, scope.constants.keys());
      report(diagnose("unknown-variable", nameSpan, { name }, { suggestion }));
      continue;
    }
    if (seen.has(name)) {
      report(diagnose("invalid-variable", nameSpan, { reason: `\`${name}\` is given twice` }));
      continue;
    }
    seen.set(name, nameSpan);
    const value = overrideValue(source, equals + 1, declaration, constants);
    if (value !== null) constants.override(declaration, value);
  }
}

/** The value of `--var`: of the kind that the declaration has. */
function overrideValue(
  source: SourceFile,
  start: number,
  declaration: ConstDeclaration,
  constants: Constants,
): ConstantValue | null {
  const text = source.text.slice(start);
  const original = constants.valueOf(declaration);
  if (original === null) return null;
  // On a command line nobody writes quotes inside quotes.
  if (original.kind === "string" && !text.startsWith('"')) {
    return { kind: "string", value: text };
  }
  const { expression, diagnostics } = parseExpression(source, start);
  constants.diagnostics.push(...diagnostics);
  if (expression === null) return null;
  const value = constants.evaluate(expression);
  if (value === null) return null;
  if (value.kind === original.kind) return value;
  if (original.kind === "float" && value.kind === "integer") {
    return { kind: "float", value: Number(value.value), type: original.type };
  }
  constants.diagnostics.push(
    diagnose(
      "wrong-type",
      source.span(start, source.text.length),
      { expected: describeValue(original), found: describeValue(value) },
      { notes: [{ message: "its declaration is here", span: declaration.name.span }] },
    ),
  );
  return null;
}
