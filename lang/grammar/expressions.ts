/** Expressions: C's operators and precedence, without assignment, `++` and comma. */
import type { IToken, OrMethodOpts, TokenType } from "chevrotain";
import type {
  BaseType,
  BinaryOperator,
  CallExpression,
  ChainOperator,
  Expression,
  Name,
  StringLiteral,
  TypeName,
  UnaryOperator,
} from "../ast.js";
import { buildChain } from "../casts.js";
import { diagnose } from "../diagnostics/codes.js";
import { characterLiteral, numberLiteral } from "../literals.js";
import { joinSpans, textOf } from "../source.js";
import * as t from "../tokens.js";
import { basicTypeName } from "../types.js";
import { GrammarBase, operandTypes } from "./base.js";

/** What may go on with an operand (`#suffixAhead`), or with its name. */
const suffixes: ReadonlySet<TokenType> = new Set([
  t.Dot,
  t.Arrow,
  t.LeftBracket,
  t.LeftParenthesis,
  t.In,
  t.DoubleColon,
]);

export abstract class ExpressionGrammar extends GrammarBase {
  /** Calls of functions that no `call` stands before (yet). */
  #uncalled = new WeakSet<CallExpression>();

  /** Made once: an operand is what a script has most of. */
  readonly #unaryAlternatives: OrMethodOpts<Expression> = {
    DEF: [
      {
        ALT: () => {
          const sign = this.CONSUME(t.UnaryOperator);
          const operand = this.SUBRULE1(this.unary);
          return this.ACTION((): Expression => ({
            kind: "unary",
            span: joinSpans(this.spanOf(sign), operand.span),
            // The token type UnaryOperator holds exactly the signs of this union.
            operator: sign.image as UnaryOperator,
            operatorSpan: this.spanOf(sign),
            operand,
          }));
        },
      },
      { ALT: () => this.SUBRULE(this.sizeof) },
      { GATE: () => this.#castAhead() !== "none", ALT: () => this.SUBRULE(this.cast) },
      { GATE: () => this.#callAhead(), ALT: () => this.SUBRULE(this.call) },
      { ALT: () => this.#operand() },
    ],
    ERR_MSG: "an expression",
    IGNORE_AMBIGUITIES: true,
  };

  readonly #primaryAlternatives: OrMethodOpts<Expression> = {
    DEF: [
      { GATE: () => !this.beginsItem(), ALT: () => this.#variable() },
      {
        ALT: () => {
          const token = this.CONSUME(t.NumberLiteral);
          return this.ACTION(() => numberLiteral(token.image, this.spanOf(token), this.report));
        },
      },
      { ALT: () => this.textOf(this.CONSUME1(t.StringText)) },
      {
        ALT: () => {
          const token = this.CONSUME(t.CharacterText);
          return this.ACTION(() => characterLiteral(token.image, this.spanOf(token), this.report));
        },
      },
      {
        ALT: () => {
          const first = this.CONSUME2(t.LeftParenthesis);
          const expression = this.SUBRULE2(this.expression);
          this.CONSUME2(t.RightParenthesis);
          return { kind: "parenthesized", span: this.since(first), expression };
        },
      },
    ],
    ERR_MSG: "an expression",
  };

  readonly expression = this.RULE("expression", (): Expression => {
    this.enter();
    let result = this.#atom() ?? this.SUBRULE(this.unary);
    if (this.mayBe(t.BinaryOperator)) result = this.#chain(result);
    if (this.mayBe(t.Question)) {
      this.OPTION(() => {
        this.CONSUME(t.Question);
        const whenTrue = this.SUBRULE1(this.expression);
        this.CONSUME(t.Colon);
        const whenFalse = this.SUBRULE2(this.expression);
        this.ACTION(() => {
          const span = joinSpans(result.span, whenFalse.span);
          result = { kind: "conditional", span, condition: result, whenTrue, whenFalse };
        });
      });
    }
    this.leave();
    return result;
  });

  /** Binary operators and what they join. */
  #chain(first: Expression): Expression {
    const operands = [first];
    const operators: ChainOperator[] = [];
    this.MANY(() => {
      const sign = this.CONSUME(t.BinaryOperator);
      const operand = this.#atom() ?? this.SUBRULE3(this.unary);
      this.ACTION(() => {
        this.grow();
        // The token type BinaryOperator holds exactly the signs of this union.
        operators.push({ span: this.spanOf(sign), operator: sign.image as BinaryOperator });
        operands.push(operand);
      });
    });
    return this.ACTION(() => buildChain(operands, operators));
  }

  readonly unary = this.RULE("unary", (): Expression => {
    this.enter();
    const result = this.#isPlainOperand()
      ? this.#operand()
      : this.OR<Expression>(this.#unaryAlternatives);
    this.leave();
    return result;
  });

  /** A name or a number alone, as most operands are: no rule need be entered. */
  #atom(): Expression | undefined {
    if (!this.#isPlainOperand() || suffixes.has(this.LA(2).tokenType)) return undefined;
    const token = this.CONSUME(t.AnyToken);
    return token.tokenType === t.Identifier
      ? this.#named(this.nameOf(token))
      : numberLiteral(token.image, this.spanOf(token), this.report);
  }

  /** A name or a number, with nothing before it: most operands need no choice. */
  #isPlainOperand(): boolean {
    if (this.RECORDING_PHASE) return false;
    const { tokenType } = this.LA(1);
    return tokenType === t.Identifier || tokenType === t.NumberLiteral;
  }

  #operand(): Expression {
    const operand = this.SUBRULE(this.postfix);
    this.ACTION(() => this.#refuseUncalled(operand));
    return operand;
  }

  protected readonly sizeof = this.RULE("sizeof", (): Expression => {
    const first = this.CONSUME(t.Sizeof);
    const operand = this.OR<TypeName | Expression>({
      DEF: [
        {
          GATE: () => this.#typeAhead(),
          ALT: () => {
            this.CONSUME(t.LeftParenthesis);
            const type = this.SUBRULE(this.typeName);
            this.CONSUME(t.RightParenthesis);
            return type;
          },
        },
        {
          // `sizeof (a) - b` subtracts, whatever `a` is: no cast may begin here.
          GATE: () => this.isAhead(1, t.LeftParenthesis),
          ALT: () => {
            const value = this.SUBRULE1(this.postfix);
            this.ACTION(() => this.#refuseUncalled(value));
            return value;
          },
        },
        { ALT: () => this.SUBRULE2(this.unary) },
      ],
      ERR_MSG: "a type or an expression",
      IGNORE_AMBIGUITIES: true,
    });
    return { kind: "sizeof", span: this.since(first), operand };
  });

  protected readonly cast = this.RULE("cast", (): Expression => {
    const certain = this.#castAhead() === "certain";
    const first = this.CONSUME(t.LeftParenthesis);
    const type = this.SUBRULE(this.typeName);
    this.CONSUME(t.RightParenthesis);
    const operand = this.SUBRULE(this.unary);
    return { kind: "cast", span: this.since(first), type, certain, operand };
  });

  protected readonly call = this.RULE("call", (): Expression => {
    const first = this.CONSUME(t.Call);
    const operand = this.SUBRULE(this.postfix);
    return this.ACTION(() => this.#called(operand, first));
  });

  protected readonly typeName = this.RULE("typeName", (): TypeName => {
    const first = this.LA(1);
    this.SUBRULE1(this.qualifiers);
    const base = this.OR<BaseType>({
      DEF: [
        {
          ALT: () => {
            const word = this.OR1([
              { ALT: () => this.CONSUME(t.Struct) },
              { ALT: () => this.CONSUME(t.Union) },
              { ALT: () => this.CONSUME(t.Enum) },
            ]);
            const tag = this.CONSUME1(t.Identifier);
            const kind =
              word.tokenType === t.Struct
                ? "struct"
                : word.tokenType === t.Union
                  ? "union"
                  : "enum";
            return { kind, tag: this.nameOf(tag) };
          },
        },
        { ALT: () => this.SUBRULE(this.basicType) },
        { ALT: () => ({ kind: "named", name: this.nameOf(this.CONSUME2(t.Identifier)) }) },
      ],
      ERR_MSG: "a type",
    });
    this.SUBRULE2(this.qualifiers);
    let pointers = 0;
    this.MANY(() => {
      this.CONSUME(t.Star);
      this.SUBRULE3(this.qualifiers);
      pointers++;
    });
    const dimensions: Expression[] = [];
    this.MANY1(() => {
      this.CONSUME(t.LeftBracket);
      dimensions.push(this.SUBRULE(this.expression));
      this.CONSUME(t.RightBracket);
    });
    return { kind: "type-name", span: this.since(first), base, pointers, dimensions };
  });

  /** `const` and `volatile` mean nothing for reading and writing a value. */
  protected readonly qualifiers = this.RULE("qualifiers", (): void => {
    this.MANY(() =>
      this.OR([{ ALT: () => this.CONSUME(t.Const) }, { ALT: () => this.CONSUME(t.Volatile) }]),
    );
  });

  protected readonly basicType = this.RULE("basicType", (): BaseType => {
    const first = this.LA(1);
    const words: string[] = [];
    this.AT_LEAST_ONE(() => words.push(this.CONSUME(t.BasicType).image));
    return this.ACTION((): BaseType => {
      const name = basicTypeName(words);
      if (name === undefined) {
        const span = this.since(first);
        this.report(diagnose("invalid-type", span, { text: textOf(span) }));
      }
      return { kind: "basic", name: name ?? "int" };
    });
  });

  /** Members, elements, arguments and `in "file"`; whether arguments make a call is seen later. */
  protected readonly postfix = this.RULE("postfix", (): Expression => {
    let result = this.OR2<Expression>(this.#primaryAlternatives);
    if (!this.RECORDING_PHASE && !this.#suffixAhead()) return result;
    this.MANY({
      GATE: () => this.#suffixAhead(),
      DEF: () => {
        this.ACTION(() => this.grow());
        this.OR([
          {
            ALT: () => {
              const sign = this.OR1([
                { ALT: () => this.CONSUME(t.Dot) },
                { ALT: () => this.CONSUME(t.Arrow) },
              ]);
              const member = this.nameOf(this.CONSUME(t.Identifier));
              this.ACTION(() => {
                const operator = sign.tokenType === t.Dot ? "." : "->";
                const span = joinSpans(result.span, member.span);
                result = { kind: "member", span, object: result, operator, member };
              });
            },
          },
          {
            ALT: () => {
              this.CONSUME(t.LeftBracket);
              const index = this.SUBRULE(this.expression);
              const close = this.CONSUME(t.RightBracket);
              this.ACTION(() => {
                const span = joinSpans(result.span, this.spanOf(close));
                result = { kind: "index", span, object: result, index };
              });
            },
          },
          {
            ALT: () => {
              const values = this.SUBRULE(this.callArguments);
              this.ACTION(() => {
                result = this.#withArguments(result, values);
              });
            },
          },
          {
            ALT: () => {
              this.CONSUME(t.In);
              const place = this.textOf(this.CONSUME(t.StringText));
              this.ACTION(() => {
                result = this.#locate(result, place);
              });
            },
          },
        ]);
      },
    });
    return result;
  });

  protected readonly callArguments = this.RULE("arguments", (): readonly Expression[] => {
    const values: Expression[] = [];
    this.CONSUME(t.LeftParenthesis);
    this.MANY_SEP({
      SEP: t.Comma,
      DEF: () => values.push(this.SUBRULE(this.expression)),
    });
    this.CONSUME(t.RightParenthesis);
    return values;
  });

  #variable(): Expression {
    const first = this.CONSUME3(t.Identifier);
    if (this.mayBe(t.DoubleColon)) {
      let inner: IToken | undefined;
      this.OPTION(() => {
        this.CONSUME(t.DoubleColon);
        inner = this.CONSUME4(t.Identifier);
      });
      if (inner !== undefined) {
        const name = this.nameOf(inner);
        return { kind: "variable", span: this.since(first), name, function: this.nameOf(first) };
      }
    }
    return this.#named(this.nameOf(first));
  }

  #named(name: Name): Expression {
    const { span, text } = name;
    if (text === "NULL") return { kind: "null", span };
    if (text === "true" || text === "false") {
      return { kind: "boolean", span, value: text === "true" };
    }
    return { kind: "variable", span, name };
  }

  // --- looking ahead ------------------------------------------------------------------

  /** Whether `(` and a type that no expression can look like stand ahead. */
  #typeAhead(): boolean {
    if (!this.isAhead(1, t.LeftParenthesis)) return false;
    if (this.isAhead(2, t.TypeWord)) return true;
    if (!this.isAhead(2, t.Identifier)) return false;
    let at = 3;
    while (this.isAhead(at, t.Star)) {
      at++;
      while (this.isAhead(at, t.Const) || this.isAhead(at, t.Volatile)) at++;
    }
    return at > 3 && this.isAhead(at, t.RightParenthesis);
  }

  /** `(TYPE)` or `(NAME *)`, or `(NAME)` with an operand after it on the same line. */
  #castAhead(): "none" | "certain" | "uncertain" {
    if (!this.isAhead(1, t.LeftParenthesis)) return "none";
    if (this.#typeAhead()) return "certain";
    if (!this.isAhead(2, t.Identifier) || !this.isAhead(3, t.RightParenthesis)) return "none";
    const startsOperand =
      this.isAhead(4, t.LeftParenthesis) ||
      operandTypes.some((type) => this.isAhead(4, type)) ||
      (this.isAhead(4, t.UnaryOperator) && !this.isAhead(4, t.BinaryOperator));
    if (!startsOperand || !this.onSameLine(4)) return "none";
    if (this.isAhead(4, t.In) && this.isAhead(5, t.StringText)) return "none";
    return this.beginsClause(4) ? "none" : "uncertain";
  }

  /** `call` is a word only before a function on its line; else it is a variable. */
  #callAhead(): boolean {
    if (!this.isAhead(1, t.Call) || !this.onSameLine(2)) return false;
    if (this.isAhead(2, t.LeftParenthesis)) return true;
    if (this.isAhead(2, t.In) && this.isAhead(3, t.StringText)) return false;
    return this.isAhead(2, t.Identifier) && !this.beginsClause(2);
  }

  #suffixAhead(): boolean {
    switch (this.LA(1).tokenType) {
      case t.Dot:
      case t.Arrow:
      case t.LeftBracket:
        return true;
      case t.LeftParenthesis:
        return this.onSameLine(1);
      case t.In:
        return this.isAhead(2, t.StringText);
      default:
        return false;
    }
  }

  // --- calls and places -----------------------------------------------------------------

  #withArguments(callee: Expression, values: readonly Expression[]): Expression {
    const span = this.file.span(callee.span.start, this.spanOf(this.LA(0)).end);
    const bare =
      callee.kind === "variable" && callee.function === undefined && callee.place === undefined;
    if (bare) return { kind: "invocation", span, name: callee.name, arguments: values };
    const call: CallExpression = { kind: "call", span, callee, arguments: values };
    this.#uncalled.add(call);
    return call;
  }

  /** Puts `in "file"` on the variable (or function) that an expression starts from. */
  #locate(expression: Expression, place: StringLiteral): Expression {
    const span = joinSpans(expression.span, place.span);
    switch (expression.kind) {
      case "variable":
        if (expression.place !== undefined) this.#refuseSecondPlace(expression.place, place);
        return { ...expression, place, span };
      case "parenthesized":
        return { ...expression, span, expression: this.#locate(expression.expression, place) };
      case "member":
      case "index":
        return { ...expression, span, object: this.#locate(expression.object, place) };
      case "invocation": {
        const { name } = expression;
        const callee: Expression = { kind: "variable", span: name.span, name, place };
        const call: CallExpression = {
          kind: "call",
          span,
          callee,
          arguments: expression.arguments,
        };
        this.#uncalled.add(call);
        return call;
      }
      case "call":
        if (expression.callee.kind === "variable" && expression.callee.place !== undefined) {
          this.#refuseSecondPlace(expression.callee.place, place);
          return expression;
        }
    }
    this.report(diagnose("place-without-variable", place.span, undefined));
    return expression;
  }

  #refuseSecondPlace(first: StringLiteral, second: StringLiteral): void {
    const notes = [{ message: "the first is here", span: first.span }];
    this.report(diagnose("two-places", second.span, undefined, { notes }));
  }

  /** Makes the innermost arguments of what follows `call` the call. */
  #called(operand: Expression, word: IToken): Expression {
    const start = this.spanOf(word).start;
    const span = this.file.span(start, operand.span.end);
    switch (operand.kind) {
      case "invocation": {
        const callee: Expression = {
          kind: "variable",
          span: operand.name.span,
          name: operand.name,
        };
        return { kind: "call", span, callee, arguments: operand.arguments };
      }
      case "call":
        this.#uncalled.delete(operand);
        return { ...operand, span };
      case "member":
      case "index": {
        if (!containsCall(operand.object)) break;
        return { ...operand, span, object: this.#called(operand.object, word) };
      }
    }
    this.report(diagnose("not-a-call", operand.span, undefined));
    return operand;
  }

  /** Reports a call without `call` at the head of an expression. */
  #refuseUncalled(expression: Expression): void {
    let part = expression;
    while (part.kind === "member" || part.kind === "index") part = part.object;
    if (part.kind !== "call" || !this.#uncalled.delete(part)) return;
    const name = textOf(part.callee.span);
    const suggestion = `write \`call ${textOf(part.span)}\``;
    this.report(diagnose("call-needed", part.callee.span, { name }, { suggestion }));
  }
}

function containsCall(expression: Expression): boolean {
  if (expression.kind === "member" || expression.kind === "index") {
    return containsCall(expression.object);
  }
  return expression.kind === "call" || expression.kind === "invocation";
}
