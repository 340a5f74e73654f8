/** Statements. The first word of a statement is always its keyword. */
import type {
  ApplyStatement,
  AssertStatement,
  Block,
  BreakStatement,
  CallStatement,
  ContinueStatement,
  Expression,
  ExpressionStatement,
  ForStatement,
  IfStatement,
  LetStatement,
  MessageStatement,
  PrintStatement,
  RecipeStatement,
  ReturnStatement,
  RollbackStatement,
  SetStatement,
  SleepStatement,
  Statement,
  StringLiteral,
  WaitStatement,
  WhileStatement,
} from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import { joinSpans } from "../source.js";
import * as t from "../tokens.js";
import type { ListContext } from "./base.js";
import { ExpressionGrammar } from "./expressions.js";

/** Words that begin a statement; no recipe may be named like one. */
export const statementWords = [
  t.SetWord,
  t.Let,
  t.Print,
  t.Assert,
  t.If,
  t.While,
  t.For,
  t.Break,
  t.Continue,
  t.Sleep,
  t.Wait,
  t.Call,
  t.Return,
  t.Apply,
  t.Rollback,
  t.Fail,
  t.Warn,
];

export const statementContext: ListContext = {
  item: "a statement",
  kind: "block",
  words: new Set(statementWords),
  continuations: [],
  invocations: true,
};

export abstract class StatementGrammar extends ExpressionGrammar {
  protected readonly statement = this.choice<Statement>("statement", {
    DEF: [
      { ALT: () => this.SUBRULE(this.setStatement) },
      { ALT: () => this.SUBRULE(this.letStatement) },
      { ALT: () => this.SUBRULE(this.printStatement) },
      { ALT: () => this.SUBRULE(this.assertStatement) },
      { ALT: () => this.SUBRULE(this.ifStatement) },
      { ALT: () => this.SUBRULE(this.whileStatement) },
      { ALT: () => this.SUBRULE(this.forStatement) },
      { ALT: () => this.SUBRULE(this.breakStatement) },
      { ALT: () => this.SUBRULE(this.continueStatement) },
      { ALT: () => this.SUBRULE(this.sleepStatement) },
      { ALT: () => this.SUBRULE(this.waitStatement) },
      { ALT: () => this.SUBRULE(this.callStatement) },
      { ALT: () => this.SUBRULE(this.returnStatement) },
      { ALT: () => this.SUBRULE(this.applyStatement) },
      { ALT: () => this.SUBRULE(this.rollbackStatement) },
      { ALT: () => this.SUBRULE(this.messageStatement) },
      {
        GATE: () => !this.interactive && this.isAhead(2, t.LeftParenthesis),
        ALT: () => this.SUBRULE(this.recipeStatement),
      },
      { GATE: () => this.interactive, ALT: () => this.SUBRULE(this.expressionStatement) },
    ],
    ERR_MSG: "a statement",
    IGNORE_AMBIGUITIES: true,
  });

  protected readonly block = this.RULE("block", (): Block => {
    this.enter();
    const first = this.LA(1);
    const statements = this.braced(statementContext, this.statement, () => "the block");
    this.leave();
    return { kind: "block", span: this.since(first), statements };
  });

  protected readonly setStatement = this.RULE("set", (): SetStatement => {
    const first = this.CONSUME(t.SetWord);
    const place = this.SUBRULE1(this.expression);
    this.CONSUME(t.Assign);
    const value = this.SUBRULE2(this.expression);
    return { kind: "set", span: this.since(first), place, value };
  });

  protected readonly letStatement = this.RULE("let", (): LetStatement => {
    const first = this.CONSUME(t.Let);
    const name = this.nameOf(this.CONSUME(t.Identifier));
    this.CONSUME(t.Assign);
    const value = this.SUBRULE(this.expression);
    return { kind: "let", span: this.since(first), name, value };
  });

  protected readonly printStatement = this.RULE("print", (): PrintStatement => {
    const first = this.CONSUME(t.Print);
    const values: Expression[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: t.Comma,
      DEF: () => values.push(this.SUBRULE(this.expression)),
      ERR_MSG: "an expression",
    });
    return { kind: "print", span: this.since(first), values };
  });

  protected readonly assertStatement = this.RULE("assert", (): AssertStatement => {
    const first = this.CONSUME(t.Assert);
    const condition = this.SUBRULE(this.expression);
    let message: StringLiteral | undefined;
    this.OPTION(() => {
      this.CONSUME(t.Comma);
      message = this.textOf(this.CONSUME(t.StringText));
    });
    const span = this.since(first);
    return { kind: "assert", span, condition, ...(message && { message }) };
  });

  protected readonly ifStatement = this.RULE("if", (): IfStatement => {
    this.enter();
    const first = this.CONSUME(t.If);
    const condition = this.SUBRULE(this.condition);
    const whenTrue = this.SUBRULE1(this.block);
    let whenFalse: Block | IfStatement | undefined;
    this.OPTION(() => {
      this.CONSUME(t.Else);
      whenFalse = this.OR<Block | IfStatement>({
        DEF: [
          { ALT: () => this.SUBRULE2(this.ifStatement) },
          { ALT: () => this.SUBRULE3(this.block) },
        ],
        ERR_MSG: "`{` or `if`",
      });
    });
    this.leave();
    const span = this.since(first);
    return { kind: "if", span, condition, whenTrue, ...(whenFalse && { whenFalse }) };
  });

  /** `(EXPR)` of `if` and `while`. */
  protected readonly condition = this.RULE("condition", (): Expression => {
    this.CONSUME(t.LeftParenthesis);
    const value = this.SUBRULE(this.expression);
    this.CONSUME(t.RightParenthesis);
    return value;
  });

  protected readonly whileStatement = this.RULE("while", (): WhileStatement => {
    const first = this.CONSUME(t.While);
    const condition = this.SUBRULE(this.condition);
    const body = this.SUBRULE(this.block);
    return { kind: "while", span: this.since(first), condition, body };
  });

  protected readonly forStatement = this.RULE("for", (): ForStatement => {
    const first = this.CONSUME(t.For);
    const name = this.nameOf(this.CONSUME(t.Identifier));
    this.CONSUME(t.In);
    const iterable = this.SUBRULE(this.expression);
    const body = this.SUBRULE(this.block);
    return { kind: "for", span: this.since(first), name, iterable, body };
  });

  protected readonly breakStatement = this.RULE("break", (): BreakStatement => {
    const word = this.CONSUME(t.Break);
    return { kind: "break", span: this.spanOf(word) };
  });

  protected readonly continueStatement = this.RULE("continue", (): ContinueStatement => {
    const word = this.CONSUME(t.Continue);
    return { kind: "continue", span: this.spanOf(word) };
  });

  protected readonly sleepStatement = this.RULE("sleep", (): SleepStatement => {
    const first = this.CONSUME(t.Sleep);
    const duration = this.SUBRULE(this.expression);
    return { kind: "sleep", span: this.since(first), duration };
  });

  protected readonly waitStatement = this.RULE("wait", (): WaitStatement => {
    const first = this.CONSUME(t.Wait);
    this.CONSUME(t.Until);
    const condition = this.SUBRULE1(this.expression);
    this.CONSUME(t.Within);
    const within = this.SUBRULE2(this.expression);
    return { kind: "wait", span: this.since(first), condition, within };
  });

  protected readonly callStatement = this.RULE("callStatement", (): CallStatement => {
    const first = this.LA(1);
    const operand = this.SUBRULE(this.call);
    return this.ACTION((): CallStatement => {
      const span = this.since(first);
      if (operand.kind === "call") return { kind: "call-statement", span, call: operand };
      // A mistake that `call` has reported, or a member of a result that nobody takes.
      if (operand.kind === "member" || operand.kind === "index") {
        this.report(diagnose("not-a-call", operand.span, undefined));
      }
      const call = { kind: "call", span, callee: operand, arguments: [] } as const;
      return { kind: "call-statement", span, call };
    });
  });

  protected readonly recipeStatement = this.RULE("recipeStatement", (): RecipeStatement => {
    const name = this.CONSUME(t.Identifier);
    const values = this.SUBRULE(this.callArguments);
    const span = this.since(name);
    const invocation = {
      kind: "invocation",
      span,
      name: this.nameOf(name),
      arguments: values,
    } as const;
    return { kind: "recipe-statement", span, invocation };
  });

  protected readonly returnStatement = this.RULE("return", (): ReturnStatement => {
    const first = this.CONSUME(t.Return);
    let value: Expression | undefined;
    this.OPTION({
      // A value stands on the line of its `return`; else the next statement would be taken for it.
      GATE: () => this.onSameLine(1) && !this.beginsClause(1),
      DEF: () => {
        value = this.SUBRULE(this.expression);
      },
    });
    return { kind: "return", span: this.since(first), ...(value && { value }) };
  });

  protected readonly applyStatement = this.RULE("apply", (): ApplyStatement => {
    const first = this.CONSUME(t.Apply);
    const update = this.nameOf(this.CONSUME(t.Identifier));
    return { kind: "apply", span: this.since(first), update };
  });

  protected readonly rollbackStatement = this.RULE("rollback", (): RollbackStatement => {
    const first = this.CONSUME(t.Rollback);
    this.CONSUME(t.To);
    const update = this.nameOf(this.CONSUME1(t.Identifier));
    this.CONSUME(t.Dot);
    const point = this.nameOf(this.CONSUME2(t.Identifier));
    return { kind: "rollback", span: this.since(first), update, point };
  });

  protected readonly messageStatement = this.RULE("message", (): MessageStatement => {
    const first = this.OR([
      { ALT: () => this.CONSUME(t.Fail) },
      { ALT: () => this.CONSUME(t.Warn) },
    ]);
    const message = this.textOf(this.CONSUME(t.StringText));
    const kind = first.tokenType === t.Fail ? "fail" : "warn";
    return { kind, span: this.since(first), message };
  });

  protected readonly expressionStatement = this.RULE(
    "expressionStatement",
    (): ExpressionStatement => {
      const expression = this.SUBRULE(this.expression);
      return this.ACTION((): ExpressionStatement => ({
        kind: "expression-statement",
        span: joinSpans(expression.span, expression.span),
        expression,
      }));
    },
  );
}
