/**
 * The words and signs of `.polus`. Every word of the language except C's own
 * keywords is also an identifier (its token type has the category `Identifier`), so
 * `check`, `on` or `list` go on naming things of the target.
 */
import type { ILexingResult, IToken, TokenType } from "chevrotain";
import { createToken, Lexer } from "./chevrotain.js";
import { matchInlineC } from "./inline-c.js";

// --- categories -----------------------------------------------------------------

/** Every token: what the error alternative of a list accepts. */
export const AnyToken = createToken({ name: "AnyToken", pattern: Lexer.NA });
export const BinaryOperator = createToken({
  name: "BinaryOperator",
  label: "an operator",
  pattern: Lexer.NA,
});
export const UnaryOperator = createToken({
  name: "UnaryOperator",
  label: "an operator",
  pattern: Lexer.NA,
});
/** Words that can only begin or continue a type. */
export const TypeWord = createToken({ name: "TypeWord", label: "a type", pattern: Lexer.NA });

// --- literals and names ---------------------------------------------------------

export const Identifier = createToken({
  name: "Identifier",
  label: "a name",
  pattern: /[A-Za-z_$][\w$]*/,
  categories: [AnyToken],
});
/** Any run that C would take for a number; suffixes and units are looked at later, for better messages. */
export const NumberLiteral = createToken({
  name: "Number",
  label: "a number",
  pattern: /0[xXbB]\w*|(?:\d|\.\d)(?:[eE][+-](?=\d)|[\w.])*/,
  categories: [AnyToken],
});
export const StringText = createToken({
  name: "String",
  label: 'a text in "quotes"',
  pattern: /"(?:[^"\\\n]|\\[^\n])*"/,
  categories: [AnyToken],
});
export const UnclosedString = createToken({
  name: "UnclosedString",
  label: 'a text in "quotes"',
  pattern: /"(?:[^"\\\r\n]|\\[^\r\n])*\\?/,
  categories: [StringText],
});
export const CharacterText = createToken({
  name: "Character",
  label: "a character",
  pattern: /'(?:[^'\\\n]|\\[^\n])*'/,
  categories: [AnyToken],
});
export const UnclosedCharacter = createToken({
  name: "UnclosedCharacter",
  label: "a character",
  pattern: /'(?:[^'\\\r\n]|\\[^\r\n])*\\?/,
  categories: [CharacterText],
});
/** `{ … }` of C source; only after the word `c` directly inside a patch. */
export const InlineC = createToken({
  name: "InlineC",
  label: "C source in braces",
  pattern: matchInlineC,
  start_chars_hint: ["{"],
  line_breaks: true,
  categories: [AnyToken],
});

// --- signs ----------------------------------------------------------------------

function sign(name: string, text: string, ...categories: TokenType[]): TokenType {
  return createToken({
    name,
    label: `\`${text}\``,
    pattern: text,
    categories: [AnyToken, ...categories],
  });
}

export const LeftBrace = sign("LeftBrace", "{");
export const RightBrace = sign("RightBrace", "}");
export const LeftParenthesis = sign("LeftParenthesis", "(");
export const RightParenthesis = sign("RightParenthesis", ")");
export const LeftBracket = sign("LeftBracket", "[");
export const RightBracket = sign("RightBracket", "]");
export const Semicolon = sign("Semicolon", ";");
export const Comma = sign("Comma", ",");
export const Dot = sign("Dot", ".");
export const Arrow = sign("Arrow", "->");
export const DoubleColon = sign("DoubleColon", "::");
export const Colon = sign("Colon", ":");
export const Question = sign("Question", "?");
export const Assign = sign("Assign", "=");
export const Star = sign("Star", "*", BinaryOperator, UnaryOperator);
export const Minus = sign("Minus", "-", BinaryOperator, UnaryOperator);
export const Plus = sign("Plus", "+", BinaryOperator, UnaryOperator);
export const Ampersand = sign("Ampersand", "&", BinaryOperator, UnaryOperator);
const Not = sign("Not", "!", UnaryOperator);
const Tilde = sign("Tilde", "~", UnaryOperator);
const binarySigns = [
  sign("ShiftLeft", "<<", BinaryOperator),
  sign("ShiftRight", ">>", BinaryOperator),
  sign("LessEqual", "<=", BinaryOperator),
  sign("GreaterEqual", ">=", BinaryOperator),
  sign("Equal", "==", BinaryOperator),
  sign("NotEqual", "!=", BinaryOperator),
  sign("And", "&&", BinaryOperator),
  sign("Or", "||", BinaryOperator),
  sign("Less", "<", BinaryOperator),
  sign("Greater", ">", BinaryOperator),
  sign("Slash", "/", BinaryOperator),
  sign("Percent", "%", BinaryOperator),
  sign("Caret", "^", BinaryOperator),
  sign("Bar", "|", BinaryOperator),
];
/** C's `++`, `--`, `+=`…: never part of the grammar, known so that they can be named. */
export const Mutation = createToken({
  name: "Mutation",
  pattern: /\+\+|--|(?:<<|>>|[-+*/%&|^])=/,
  categories: [AnyToken],
});

/** What no script may contain; the parser sees it, so that one mistake is one message. */
export const Unknown = createToken({
  name: "Unknown",
  pattern: /[^\t-~]+|[^]/,
  line_breaks: true,
  categories: [AnyToken],
});

// --- words ----------------------------------------------------------------------

function titled(text: string): string {
  return text.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The token type of each word. To the lexer they are identifiers: one pattern instead of one for each. */
const typesOfWords = new Map<string, TokenType>();

/** A token type of one word or of several. */
function typeOfWords(
  texts: readonly string[],
  config: { readonly name: string; readonly label?: string; readonly categories: TokenType[] },
): TokenType {
  const type = createToken({ ...config, pattern: Lexer.NA });
  for (const text of texts) typesOfWords.set(text, type);
  return type;
}

function word(text: string): TokenType {
  return typeOfWords([text], {
    name: titled(text),
    label: `\`${text}\``,
    categories: [Identifier],
  });
}

export const Import = word("import");
export const Recipe = word("recipe");
export const Update = word("update");
export const Target = word("target");
export const Patch = word("patch");
export const From = word("from");
export const After = word("after");
export const Before = word("before");
export const Replace = word("replace");
export const In = word("in");
export const With = word("with");
export const Data = word("data");
export const Each = word("each");
export const Size = word("size");
export const Forward = word("forward");
export const Backward = word("backward");
export const On = word("on");
export const New = word("new");
export const Free = word("free");
export const C = word("c");
export const Rollback = word("rollback");
export const Point = word("point");
export const To = word("to");
export const Taint = word("taint");
export const Always = word("always");
export const Check = word("check");
export const Recover = word("recover");
export const Otherwise = word("otherwise");
export const Fail = word("fail");
export const Warn = word("warn");
export const Failure = word("failure");
export const Keep = word("keep");
export const Complete = word("complete");
export const Within = word("within");
export const Exe = word("exe");
export const BuildId = word("build_id");
export const Scope = word("scope");
export const SetWord = word("set");
export const Let = word("let");
export const Print = word("print");
export const Assert = word("assert");
export const Sleep = word("sleep");
export const Wait = word("wait");
export const Until = word("until");
export const Call = word("call");
export const Apply = word("apply");

const words = [
  Import,
  Recipe,
  Update,
  Target,
  Patch,
  From,
  After,
  Before,
  Replace,
  In,
  With,
  Data,
  Each,
  Size,
  Forward,
  Backward,
  On,
  New,
  Free,
  C,
  Rollback,
  Point,
  To,
  Taint,
  Always,
  Check,
  Recover,
  Otherwise,
  Fail,
  Warn,
  Failure,
  Keep,
  Complete,
  Within,
  Exe,
  BuildId,
  Scope,
  SetWord,
  Let,
  Print,
  Assert,
  Sleep,
  Wait,
  Until,
  Call,
  Apply,
];

/** A keyword of C: it can name nothing. */
function keyword(text: string, ...categories: TokenType[]): TokenType {
  return typeOfWords([text], {
    name: `C_${text}`,
    label: `\`${text}\``,
    categories: [AnyToken, ...categories],
  });
}

export const Const = keyword("const", TypeWord);
export const Volatile = keyword("volatile", TypeWord);
export const Struct = keyword("struct", TypeWord);
export const Union = keyword("union", TypeWord);
export const Enum = keyword("enum", TypeWord);
export const If = keyword("if");
export const Else = keyword("else");
export const While = keyword("while");
export const For = keyword("for");
export const Break = keyword("break");
export const Continue = keyword("continue");
export const Return = keyword("return");
export const Sizeof = keyword("sizeof");
/** `int`, `unsigned`…: the words that C's own types are made of. */
export const BasicType = typeOfWords(
  [
    ...["void", "char", "short", "int", "long", "float", "double"],
    ...["signed", "unsigned", "_Bool"],
  ],
  { name: "BasicType", label: "a type", categories: [AnyToken, TypeWord] },
);
/** C's keywords that mean nothing here. */
export const Reserved = typeOfWords(
  [
    ...["auto", "case", "default", "do", "extern", "goto", "inline"],
    ...["register", "restrict", "static", "switch", "typedef"],
  ],
  { name: "Reserved", categories: [AnyToken] },
);

const keywords = [
  Const,
  Volatile,
  Struct,
  Union,
  Enum,
  If,
  Else,
  While,
  For,
  Break,
  Continue,
  Return,
  Sizeof,
  BasicType,
  Reserved,
];

// --- what is not seen by the grammar --------------------------------------------

const WhiteSpace = createToken({
  name: "WhiteSpace",
  pattern: /[ \t\r\n\f\v]+/,
  group: Lexer.SKIPPED,
  line_breaks: true,
});
const LineComment = createToken({
  name: "LineComment",
  pattern: /\/\/[^\n]*/,
  group: "comments",
});
const BlockComment = createToken({
  name: "BlockComment",
  pattern: /\/\*[^]*?\*\//,
  group: "comments",
  line_breaks: true,
});
const UnclosedComment = createToken({
  name: "UnclosedComment",
  pattern: /\/\*[^]*/,
  group: "unclosedComments",
  line_breaks: true,
});

/** In the order in which the lexer tries them: the longer sign first. */
export const tokenTypes: TokenType[] = [
  WhiteSpace,
  LineComment,
  BlockComment,
  UnclosedComment,
  ...words,
  ...keywords,
  Identifier,
  NumberLiteral,
  StringText,
  UnclosedString,
  CharacterText,
  UnclosedCharacter,
  InlineC,
  Arrow,
  Mutation,
  ...binarySigns,
  LeftBrace,
  RightBrace,
  LeftParenthesis,
  RightParenthesis,
  LeftBracket,
  RightBracket,
  Semicolon,
  Comma,
  Dot,
  DoubleColon,
  Colon,
  Question,
  Assign,
  Star,
  Minus,
  Plus,
  Ampersand,
  Not,
  Tilde,
  Unknown,
  AnyToken,
  BinaryOperator,
  UnaryOperator,
  TypeWord,
];

/** Whether a token is of a type, or of one that has it as its category. */
export function isA(token: IToken, type: TokenType): boolean {
  return (
    token.tokenType === type ||
    type.categoryMatchesMap?.[token.tokenType.tokenTypeIdx ?? -1] === true
  );
}

const wordTypes = new Set(words);

/** Whether a token type is a word of the language that may also name something. */
export function isWord(type: TokenType): boolean {
  return wordTypes.has(type);
}

let lexer: InstanceType<typeof Lexer> | undefined;

/** The lexer, made on first use; it takes words for identifiers. */
export function polusLexer(): InstanceType<typeof Lexer> {
  lexer ??= new Lexer(tokenTypes, { positionTracking: "onlyOffset", skipValidations: true });
  return lexer;
}

/** What a text consists of. */
export interface Lexed extends ILexingResult {
  /** Those of its tokens that are broken off, or no part of the language. */
  readonly broken: readonly IToken[];
}

const brokenTypes = new Set([Unknown, UnclosedString, UnclosedCharacter]);

/** The tokens of a text. They carry offsets only; lines come from `SourceFile`. */
export function tokenize(text: string): Lexed {
  const result = polusLexer().tokenize(text);
  const broken: IToken[] = [];
  result.tokens.forEach((token) => {
    if (token.tokenType !== Identifier) {
      if (brokenTypes.has(token.tokenType)) broken.push(token);
      return;
    }
    const type = typesOfWords.get(token.image);
    if (type?.tokenTypeIdx === undefined) return;
    token.tokenType = type;
    token.tokenTypeIdx = type.tokenTypeIdx;
  });
  return { ...result, broken };
}
