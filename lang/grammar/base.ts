/**
 * What every part of the grammar stands on: spans, looking ahead, and going on after
 * a mistake. Recovery is our own: Chevrotain's would stop at any word, since every
 * word may be a name; ours skips to the next line that begins like an item of the list.
 */
import type {
  IOrAlt,
  IRecognitionException,
  IToken,
  OrMethodOpts,
  ParserMethod,
  TokenType,
} from "chevrotain";
import type { Name, StringLiteral } from "../ast.js";
import { EmbeddedActionsParser, EOF, isRecognitionException } from "../chevrotain.js";
import { diagnose } from "../diagnostics/codes.js";
import type { Diagnostic } from "../diagnostics/diagnostic.js";
import { nearest } from "../diagnostics/suggest.js";
import { stringLiteral } from "../literals.js";
import { SourceFile, type Span } from "../source.js";
import * as t from "../tokens.js";
import { meantInstead } from "./hints.js";
import { describeFound, expectations, syntaxError } from "./messages.js";

export type ListKind = "script" | "block" | "update" | "target" | "patch" | "data" | "taint";

/** A kind of list in the grammar: what may stand in it, for recovery and for messages. */
export interface ListContext {
  /** What an item is called: "a statement". */
  readonly item: string;
  /** What the list belongs to. */
  readonly kind: ListKind;
  /** Words that begin an item. */
  readonly words: ReadonlySet<TokenType>;
  /** Words with which the last item may go on. */
  readonly continuations: readonly string[];
  /** Whether `NAME(` begins an item too. */
  readonly invocations: boolean;
}

const endOfStatement = "an operator or the end of the statement";

interface OpenList {
  readonly context: ListContext;
  /** The `{`; none at top level. */
  readonly open?: IToken;
}

/** Tokens that are operands by themselves or begin one: never an operator, never a bracket. */
export const operandTypes = [
  t.Identifier,
  t.NumberLiteral,
  t.StringText,
  t.CharacterText,
  t.Sizeof,
] as const;

/** In UTF-16 units; nothing stands at the end of input. */
function lengthOf(token: IToken): number {
  return token.tokenType === EOF ? 0 : token.image.length;
}

/** How deep expressions and blocks may be nested: the parser's stack grows with them. */
const maximumDepth = 100;

/** How many operators and suffixes a statement may have: trees grow to the left with them. */
const maximumLength = 1_000;

/** Thrown through the parser where nesting or length exceeds its limit; not a RecognitionException. */
export class NestingError extends Error {
  constructor(readonly token: IToken) {
    super("nested too deeply");
  }
}

export abstract class GrammarBase extends EmbeddedActionsParser {
  protected file = new SourceFile("", "");
  /** Whether bare expressions are statements: in the REPL. */
  protected interactive = false;
  protected readonly report = (diagnostic: Diagnostic): void => {
    this.diagnostics.push(diagnostic);
  };
  #diagnostics: Diagnostic[] = [];
  #depth = 0;
  #length = 0;
  #lists: OpenList[] = [];
  #lastRejected: IToken | undefined;

  constructor(validate: boolean) {
    super(t.tokenTypes, {
      // With one token, words before names is simply the order of alternatives; what
      // needs more is a named predicate below.
      maxLookahead: 1,
      recoveryEnabled: false,
      skipValidations: !validate,
      errorMessageProvider: expectations,
    });
  }

  protected get diagnostics(): Diagnostic[] {
    return this.#diagnostics;
  }

  /** Makes ready for a file: to be called before `input` is set. */
  protected begin(file: SourceFile, interactive: boolean, diagnostics: Diagnostic[]): void {
    this.file = file;
    this.interactive = interactive;
    this.#diagnostics = diagnostics;
    this.#depth = 0;
    this.#length = 0;
    this.#lists = [];
    this.#lastRejected = undefined;
  }

  // --- spans ----------------------------------------------------------------------

  protected spanOf(token: IToken): Span {
    const start = this.#startOf(token);
    return this.file.span(start, start + lengthOf(token));
  }

  /** From the first token of a node to the token that was consumed last. */
  protected since(first: IToken): Span {
    const start = this.#startOf(first);
    const last = this.LA(0);
    return this.file.span(start, Math.max(start, this.#startOf(last) + lengthOf(last)));
  }

  /** The one place that knows of Chevrotain's NaN positions at the end of input. */
  #startOf(token: IToken): number {
    const { startOffset } = token;
    return Number.isFinite(startOffset) ? startOffset : this.file.text.trimEnd().length;
  }

  protected nameOf(token: IToken): Name {
    return { kind: "name", span: this.spanOf(token), text: token.image };
  }

  protected textOf(token: IToken): StringLiteral {
    return this.ACTION(() => stringLiteral(token.image, this.spanOf(token), this.report));
  }

  // --- rules ------------------------------------------------------------------------

  /**
   * A rule that is one choice; its alternatives are made once, not whenever it is entered. Where the next token
   * alone decides, which is for all alternatives without GATE, it is remembered what it led to.
   * @param undecided a token that may begin alternatives with and without GATE
   */
  protected choice<T>(
    name: string,
    { DEF, ...options }: OrMethodOpts<T> & { readonly DEF: readonly IOrAlt<T>[] },
    undecided?: TokenType,
  ): ParserMethod<[], T> {
    const decided = new Map<TokenType, () => T>();
    const alternatives = {
      ...options,
      DEF: DEF.map(({ ALT, ...gate }) => ({
        ...gate,
        ALT: (): T => {
          const { tokenType } = this.LA(1);
          const alone = gate.GATE === undefined && tokenType !== undecided;
          if (alone && !this.RECORDING_PHASE) decided.set(tokenType, ALT);
          return ALT();
        },
      })),
    };
    return this.RULE(name, (): T => {
      const only = decided.get(this.LA(1).tokenType);
      return only === undefined || this.RECORDING_PHASE ? this.OR<T>(alternatives) : only();
    });
  }

  // --- looking ahead ----------------------------------------------------------------

  protected isAhead(distance: number, type: TokenType): boolean {
    return t.isA(this.LA(distance), type);
  }

  /**
   * Whether a part that is mostly absent may be there, so that it need not be entered. While the grammar is
   * being recorded it always may be.
   */
  protected mayBe(type: TokenType): boolean {
    return this.RECORDING_PHASE || this.isAhead(1, type);
  }

  /** Whether no line break stands between the token at this distance and the one before it. */
  protected onSameLine(distance: number): boolean {
    const token = this.LA(distance);
    if (token.tokenType === EOF) return false;
    const before = this.LA(distance - 1);
    const from = before.tokenType === EOF ? 0 : before.startOffset + before.image.length;
    const { text } = this.file;
    for (let at = from; at < token.startOffset; at++) if (text[at] === "\n") return false;
    return true;
  }

  /** Whether the token can only be an operand by itself: never an operator, never a bracket. */
  #isOperandOnly(distance: number): boolean {
    if (this.isAhead(distance, t.In) && this.isAhead(distance + 1, t.StringText)) return false;
    const token = this.LA(distance);
    return operandTypes.some((type) => t.isA(token, type));
  }

  /**
   * Whether a word begins a clause or a statement rather than an operand: two operands
   * never stand side by side (`(a) otherwise fail`, `(a) within 5s`), and only
   * `recover` stands before a brace.
   */
  protected beginsClause(distance: number): boolean {
    if (!this.isAhead(distance, t.Identifier) || this.isAhead(distance, t.Call)) return false;
    if (this.isAhead(distance, t.Recover) && this.isAhead(distance + 1, t.LeftBrace)) return true;
    return this.onSameLine(distance + 1) && this.#isOperandOnly(distance + 1);
  }

  /** Whether the next token, first on its line, begins another item of some open list. */
  protected beginsItem(): boolean {
    const token = this.LA(1);
    if (this.onSameLine(1) || this.isAhead(1, t.Call)) return false;
    const clause = this.beginsClause(1);
    // Neither a recipe nor a built-in function is named like a statement: `print (…`. But one of the target's may
    // be called `target`, or what else begins no statement.
    if (!clause && (!this.isAhead(2, t.LeftParenthesis) || this.#wantsOperand())) return false;
    return this.#lists.some(
      ({ context }) => (clause || context.invocations) && context.words.has(token.tokenType),
    );
  }

  /**
   * Whether a bracket has just been opened, where the formatter breaks lines: a call may begin there, a statement not.
   * (After an operator it may: that is how a line looks that was left unfinished.)
   */
  #wantsOperand(): boolean {
    return [t.LeftParenthesis, t.LeftBracket, t.Comma].some((type) => this.isAhead(0, type));
  }

  // --- nesting ------------------------------------------------------------------------

  protected enter(): void {
    if (++this.#depth > maximumDepth) throw new NestingError(this.LA(1));
  }

  protected leave(): void {
    this.#depth--;
  }

  /** Counts an operator or a suffix of the statement. */
  protected grow(): void {
    if (++this.#length > maximumLength) throw new NestingError(this.LA(0));
  }

  // --- lists --------------------------------------------------------------------------

  /** `{ ITEM… }`; once a rule. `what` says what the braces belong to: "update `x`". */
  protected braced<T>(
    context: ListContext,
    item: ParserMethod<[], T>,
    what: () => string,
  ): readonly T[] {
    const open = this.CONSUME9(t.LeftBrace);
    const items = this.list(context, item, open);
    let closed = false;
    this.OPTION9(() => {
      this.CONSUME9(t.RightBrace);
      closed = true;
    });
    this.ACTION(() => {
      if (!closed) this.#reportUnclosed(open, what());
    });
    return items;
  }

  /** Items up to the closing brace or the end; reports what is none and goes on. */
  protected list<T>(context: ListContext, item: ParserMethod<[], T>, open?: IToken): readonly T[] {
    const items: T[] = [];
    const depth = this.#depth;
    const lists = this.#lists.length + 1;
    this.ACTION(() => this.#lists.push({ context, ...(open && { open }) }));
    const alternatives = {
      DEF: [
        { ALT: () => items.push(this.SUBRULE9(item)) },
        {
          ALT: () => {
            const stray = this.CONSUME9(t.AnyToken);
            this.ACTION(() => this.#rejectStray(stray, context));
          },
        },
      ],
      IGNORE_AMBIGUITIES: true,
    };
    this.MANY9({
      GATE: () => open === undefined || !(this.isAhead(1, t.RightBrace) || this.#belongsOutside()),
      DEF: () => {
        const first = this.LA(1);
        this.#length = 0;
        try {
          this.OR9(alternatives);
          if (this.mayBe(t.Semicolon)) this.MANY8(() => this.CONSUME8(t.Semicolon));
        } catch (error) {
          if (!isRecognition(error)) throw error;
          this.#depth = depth;
          this.#lists.length = lists;
          this.#reportSyntax(error, first, context);
          this.#synchronise(first, context);
        }
      },
    });
    this.ACTION(() => this.#lists.pop());
    return items;
  }

  /**
   * Whether the next token, first on its line, begins an item of an outer list and is
   * indented no further than what opened this one: then a `}` is missing before it.
   */
  #belongsOutside(): boolean {
    const token = this.LA(1);
    const here = this.#lists.at(-1);
    if (here?.open === undefined || here.context.words.has(token.tokenType)) return false;
    if (!this.#lists.some(({ context }) => context.words.has(token.tokenType))) return false;
    if (here.context.invocations && this.isAhead(2, t.LeftParenthesis)) return false;
    if (this.onSameLine(1)) return false;
    return this.#column(token) <= this.#indentation(here.open);
  }

  #column(token: IToken): number {
    return this.file.place(token.startOffset).column;
  }

  /** Column of the first character of the line on which a token stands. */
  #indentation(token: IToken): number {
    const { line } = this.file.place(token.startOffset);
    return (/\S/.exec(this.file.line(line))?.index ?? 0) + 1;
  }

  #reportUnclosed(open: IToken, what: string): void {
    const next = this.LA(1);
    if (!this.#isFresh(next)) return;
    const end = this.spanOf(this.LA(0)).end;
    this.report(
      diagnose(
        "unclosed-brace",
        this.file.span(end, end),
        { what },
        { notes: [{ message: "it is opened here", span: this.spanOf(open) }] },
      ),
    );
  }

  /** Whether nothing was said about this token yet: one mistake, one message. */
  #isFresh(token: IToken): boolean {
    const fresh = token !== this.#lastRejected && token.tokenType !== t.Unknown;
    this.#lastRejected = token;
    return fresh;
  }

  /** Says nothing more about the next token: what was just said explains it. */
  protected hushNext(): void {
    this.#lastRejected = this.LA(1);
  }

  /** A token that cannot begin an item of this list; it is consumed already. */
  #rejectStray(stray: IToken, context: ListContext): void {
    if (this.#isFresh(stray)) {
      const goesOn = this.#goesOn(0, context);
      this.report(
        t.isA(stray, t.Identifier)
          ? this.#unknownWord(stray, this.LA(1), context, goesOn)
          : this.#strayToken(stray, context, goesOn),
      );
    }
    this.#synchronise(undefined, context, t.isA(stray, t.LeftBrace) ? 1 : 0);
  }

  #reportSyntax(error: IRecognitionException, first: IToken, context: ListContext): void {
    if (!this.#isFresh(error.token)) return;
    if (error.token === first && t.isA(first, t.Identifier)) {
      this.report(this.#unknownWord(first, this.LA(2), context, this.#goesOn(1, context)));
      return;
    }
    if (error.token === first) {
      this.report(this.#strayToken(first, context, this.#goesOn(1, context)));
      return;
    }
    const previous = this.LA(0);
    this.report(
      syntaxError(error, {
        token: this.spanOf(error.token),
        previous: previous.tokenType === EOF ? undefined : this.spanOf(previous),
      }),
    );
  }

  /** Whether the token at this distance stands behind a statement on its line, as if it belonged to it. */
  #goesOn(distance: number, context: ListContext): boolean {
    if (!context.invocations || !this.onSameLine(distance)) return false;
    const before = this.LA(distance - 1).tokenType;
    return ![EOF, t.LeftBrace, t.RightBrace, t.Semicolon].includes(before);
  }

  /** An item begins with something that is no word at all. */
  #strayToken(stray: IToken, context: ListContext, goesOn: boolean): Diagnostic {
    const expected = goesOn ? endOfStatement : context.item;
    return diagnose(
      "syntax",
      this.spanOf(stray),
      { expected, found: describeFound(stray) },
      { suggestion: meantInstead(stray, goesOn ? "statement" : context.kind) },
    );
  }

  /** An item begins with a word that begins none. */
  #unknownWord(word: IToken, next: IToken, context: ListContext, goesOn: boolean): Diagnostic {
    const candidates = [
      ...context.continuations,
      ...[...context.words].map((type) => type.LABEL?.replaceAll("`", "") ?? ""),
    ];
    const near = goesOn ? undefined : nearest(word.image, candidates);
    let suggestion =
      meantInstead(word, goesOn ? "statement" : context.kind) ??
      (near === undefined ? undefined : `did you mean \`${near}\`?`);
    const changes = t.isA(next, t.Assign) || t.isA(next, t.Mutation);
    if (changes && !goesOn && context.words.has(t.SetWord)) {
      suggestion = `only \`set\` changes anything: write \`set ${word.image} = …\``;
    }
    return diagnose(
      "unknown-word",
      this.spanOf(word),
      { expected: goesOn ? endOfStatement : context.item, found: describeFound(word) },
      { suggestion },
    );
  }

  /**
   * Skips to where the list can go on: past a `;`, before its closing brace, or before
   * a token that is first on its line and begins an item. Always gets further than `first`.
   */
  #synchronise(first: IToken | undefined, context: ListContext, openBraces = 0): void {
    let depth = openBraces;
    let next = this.LA(1);
    let moved = next !== first;
    while (next.tokenType !== EOF) {
      if (depth === 0 && moved) {
        if (next.tokenType === t.Semicolon) {
          this.SKIP_TOKEN();
          return;
        }
        const statement =
          context.invocations &&
          t.isA(next, t.Identifier) &&
          [t.LeftParenthesis, t.Assign, t.Mutation].some((type) => this.isAhead(2, type));
        const known = statement || context.words.has(next.tokenType);
        if (known && !this.onSameLine(1)) return;
        if (this.#lists.length > 1 && this.#belongsOutside()) return;
      }
      if (next.tokenType === t.LeftBrace) depth++;
      else if (next.tokenType === t.RightBrace && --depth < 0) {
        if (this.#lists.at(-1)?.open !== undefined) return;
        depth = 0;
      }
      this.SKIP_TOKEN();
      moved = true;
      next = this.LA(1);
    }
  }
}

function isRecognition(error: unknown): error is IRecognitionException {
  return error instanceof Error && isRecognitionException(error);
}
