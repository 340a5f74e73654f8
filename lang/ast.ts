/**
 * The syntax tree of `.polus`: what was written, nothing resolved. Every node is
 * plain data with `kind` and `span`; a tree exists only for a text without syntax
 * errors, so no node stands for something missing.
 */
import type { Span } from "./source.js";

interface Node {
  readonly span: Span;
}

/** A name where it is written: of a declaration, a member, a function of the target… */
export interface Name extends Node {
  readonly kind: "name";
  readonly text: string;
}

/** A whole file, or one input of the REPL. */
export interface Script extends Node {
  readonly kind: "script";
  readonly items: readonly Item[];
}

export type Item = Declaration | Statement;

// --- declarations ---------------------------------------------------------------

export type Declaration =
  ImportDeclaration | ConstDeclaration | RecipeDeclaration | UpdateDeclaration;

/** `import "std/counters"` or `import "mine.polus"`. */
export interface ImportDeclaration extends Node {
  readonly kind: "import";
  readonly path: StringLiteral;
}

/** `const NAME = EXPR`. */
export interface ConstDeclaration extends Node {
  readonly kind: "const";
  readonly name: Name;
  readonly value: Expression;
}

/** `recipe NAME(a, b) { … }`. */
export interface RecipeDeclaration extends Node {
  readonly kind: "recipe";
  readonly name: Name;
  readonly parameters: readonly Name[];
  readonly body: Block;
}

/** `update NAME "description" { … }`. */
export interface UpdateDeclaration extends Node {
  readonly kind: "update";
  readonly name: Name;
  readonly description?: StringLiteral;
  readonly items: readonly UpdateItem[];
  /** A patch that stands alone, an update of its own; only the REPL's mode of the parser makes it. */
  readonly bare?: true;
}

export type UpdateItem =
  TargetClause | PatchClause | RollbackPointClause | TaintClause | OnFailureClause | CompleteClause;

/** `target { exe … build_id … scope … }`. */
export interface TargetClause extends Node {
  readonly kind: "target";
  readonly items: readonly TargetItem[];
}

export type TargetItem = ExeItem | BuildIdItem | ScopeItem;

/** `exe "vsftpd"`. */
export interface ExeItem extends Node {
  readonly kind: "exe";
  readonly value: StringLiteral;
}

/** `build_id "5b0c1e4f"`. */
export interface BuildIdItem extends Node {
  readonly kind: "build-id";
  readonly value: StringLiteral;
}

/** `scope tree`; any word is accepted here, the checker knows which ones mean something. */
export interface ScopeItem extends Node {
  readonly kind: "scope";
  readonly value: Name;
}

/** `patch NAME from "x.so" after a, b { … }`. */
export interface PatchClause extends Node {
  readonly kind: "patch";
  readonly name: Name;
  readonly from?: StringLiteral;
  readonly after: readonly Name[];
  readonly items: readonly PatchItem[];
}

export type PatchItem = ReplaceItem | DataItem | InlineCItem;

/** `replace f in "a.c" with g`. */
export interface ReplaceItem extends Node {
  readonly kind: "replace";
  readonly function: Name;
  readonly place?: StringLiteral;
  readonly with?: Name;
}

/** `c { … }`: C source, compiled on the spot. */
export interface InlineCItem extends Node {
  readonly kind: "inline-c";
  /** What stands between the braces. */
  readonly text: string;
  /** Of `text`. */
  readonly textSpan: Span;
}

/** `data NAME { … }`, `data NAME in "a.c" { … }`, `data FUNCTION::NAME { … }`. */
export interface DataItem extends Node {
  readonly kind: "data";
  readonly name: Name;
  /** The function whose static variable it is. */
  readonly function?: Name;
  readonly place?: StringLiteral;
  readonly properties: readonly DataProperty[];
}

export type DataProperty = DataNameProperty | DataSizeProperty;

/** A property whose value is a function or object of the patch or the target. */
export interface DataNameProperty extends Node {
  readonly kind: "new" | "forward" | "backward" | "each" | "on-new" | "on-free";
  readonly value: Name;
  /** A static function of one file among several: `on new alloc in "pool.c"`. */
  readonly place?: StringLiteral;
}

/** `size OLD, NEW`. */
export interface DataSizeProperty extends Node {
  readonly kind: "size";
  readonly old: Expression;
  readonly new: Expression;
}

/** `rollback point NAME before PATCH`. */
export interface RollbackPointClause extends Node {
  readonly kind: "rollback-point";
  readonly name: Name;
  readonly position: "before" | "after";
  readonly patch: Name;
}

/** `taint NAME before PATCH { check … recover { … } otherwise … }`. */
export interface TaintClause extends Node {
  readonly kind: "taint";
  readonly name: Name;
  readonly when: TaintTime;
  readonly items: readonly TaintItem[];
}

export type TaintTime =
  | { readonly kind: "before" | "after"; readonly patch: Name; readonly span: Span }
  | { readonly kind: "always"; readonly span: Span };

export type TaintItem = CheckItem | RecoverItem | OtherwiseItem;

/** `check EXPR`; `check call f()` is a check whose expression is a `CallExpression`. */
export interface CheckItem extends Node {
  readonly kind: "check";
  readonly condition: Expression;
}

/** `recover { … }`. */
export interface RecoverItem extends Node {
  readonly kind: "recover";
  readonly body: Block;
}

/** `otherwise fail "…"`. */
export interface OtherwiseItem extends Node {
  readonly kind: "otherwise";
  readonly action: "fail" | "warn";
  readonly message: StringLiteral;
}

/** `on failure rollback [to NAME]` or `on failure keep`. */
export interface OnFailureClause extends Node {
  readonly kind: "on-failure";
  readonly action: "rollback" | "keep";
  /** Only with `rollback`; none means `start`. */
  readonly point?: Name;
}

/** `complete within 30s`. */
export interface CompleteClause extends Node {
  readonly kind: "complete";
  readonly within: Expression;
}

// --- statements -----------------------------------------------------------------

export type Statement =
  | SetStatement
  | LetStatement
  | PrintStatement
  | AssertStatement
  | IfStatement
  | WhileStatement
  | ForStatement
  | BreakStatement
  | ContinueStatement
  | SleepStatement
  | WaitStatement
  | CallStatement
  | RecipeStatement
  | ReturnStatement
  | ApplyStatement
  | RollbackStatement
  | MessageStatement
  | ExpressionStatement;

/** `{ … }` with its braces. */
export interface Block extends Node {
  readonly kind: "block";
  readonly statements: readonly Statement[];
}

/** `set LVALUE = EXPR`: a variable of the target, or of the script. */
export interface SetStatement extends Node {
  readonly kind: "set";
  readonly place: Expression;
  readonly value: Expression;
}

/** `let NAME = EXPR`. */
export interface LetStatement extends Node {
  readonly kind: "let";
  readonly name: Name;
  readonly value: Expression;
}

/** `print EXPR, …`. */
export interface PrintStatement extends Node {
  readonly kind: "print";
  readonly values: readonly Expression[];
}

/** `assert EXPR, "message"`. */
export interface AssertStatement extends Node {
  readonly kind: "assert";
  readonly condition: Expression;
  readonly message?: StringLiteral;
}

/** `if (EXPR) { … } else …`. */
export interface IfStatement extends Node {
  readonly kind: "if";
  readonly condition: Expression;
  readonly whenTrue: Block;
  readonly whenFalse?: Block | IfStatement;
}

/** `while (EXPR) { … }`. */
export interface WhileStatement extends Node {
  readonly kind: "while";
  readonly condition: Expression;
  readonly body: Block;
}

/** `for NAME in EXPR { … }`. */
export interface ForStatement extends Node {
  readonly kind: "for";
  readonly name: Name;
  readonly iterable: Expression;
  readonly body: Block;
}

export interface BreakStatement extends Node {
  readonly kind: "break";
}

export interface ContinueStatement extends Node {
  readonly kind: "continue";
}

/** `sleep 5s`. */
export interface SleepStatement extends Node {
  readonly kind: "sleep";
  readonly duration: Expression;
}

/** `wait until EXPR within 5s`. */
export interface WaitStatement extends Node {
  readonly kind: "wait";
  readonly condition: Expression;
  readonly within: Expression;
}

/** `call f(x)` whose result is not used. */
export interface CallStatement extends Node {
  readonly kind: "call-statement";
  readonly call: CallExpression;
}

/** `NAME(ARGS)`: runs a recipe. */
export interface RecipeStatement extends Node {
  readonly kind: "recipe-statement";
  readonly invocation: InvocationExpression;
}

/** `return EXPR`, in a recipe. */
export interface ReturnStatement extends Node {
  readonly kind: "return";
  readonly value?: Expression;
}

/** `apply UPDATE`. */
export interface ApplyStatement extends Node {
  readonly kind: "apply";
  readonly update: Name;
}

/** `rollback to UPDATE.POINT`. */
export interface RollbackStatement extends Node {
  readonly kind: "rollback";
  readonly update: Name;
  readonly point: Name;
}

/** `fail "message"` and `warn "message"`. */
export interface MessageStatement extends Node {
  readonly kind: "fail" | "warn";
  readonly message: StringLiteral;
}

/** A bare expression; only the REPL's mode of the parser makes it. */
export interface ExpressionStatement extends Node {
  readonly kind: "expression-statement";
  readonly expression: Expression;
}

// --- expressions ----------------------------------------------------------------

export type Expression =
  | Literal
  | VariableExpression
  | ParenthesizedExpression
  | MemberExpression
  | IndexExpression
  | UnaryExpression
  | BinaryExpression
  | ConditionalExpression
  | CastExpression
  | SizeofExpression
  | CallExpression
  | InvocationExpression
  | OperatorChain;

export type Literal =
  | IntegerLiteral
  | FloatLiteral
  | DurationLiteral
  | SizeLiteral
  | CharacterLiteral
  | StringLiteral
  | BooleanLiteral
  | NullLiteral;

/** An integer's type as C (LP64) names it. */
export type IntegerType =
  "int" | "unsigned int" | "long" | "unsigned long" | "long long" | "unsigned long long";

/** `10`, `0x1fUL`, `017`, `0b11`; `type` follows C's rules for value, base and suffix. */
export interface IntegerLiteral extends Node {
  readonly kind: "integer";
  readonly value: bigint;
  readonly type: IntegerType;
}

/** `1.5`, `1e3f`. */
export interface FloatLiteral extends Node {
  readonly kind: "float";
  readonly value: number;
  readonly type: "float" | "double" | "long double";
}

/** `250us 250ms 5s 2m 1h`. */
export interface DurationLiteral extends Node {
  readonly kind: "duration";
  readonly nanoseconds: bigint;
}

/** `4KiB 1MiB 2GiB`. */
export interface SizeLiteral extends Node {
  readonly kind: "size";
  readonly bytes: bigint;
}

/** `'c'`: an int, as in C; `'\xff'` is -1. */
export interface CharacterLiteral extends Node {
  readonly kind: "character";
  readonly value: number;
}

/** `"text"` with C's escapes. */
export interface StringLiteral extends Node {
  readonly kind: "string";
  /** As text: what does not decode as UTF-8 is U+FFFD. */
  readonly value: string;
  /** Its bytes, exactly, without a closing zero, if there are escapes in it; else they are `value` in UTF-8. */
  readonly escaped?: Uint8Array;
}

export interface BooleanLiteral extends Node {
  readonly kind: "boolean";
  readonly value: boolean;
}

/** `NULL`. */
export interface NullLiteral extends Node {
  readonly kind: "null";
}

/** A variable, enum constant or function of the target, or a name of the script. */
export interface VariableExpression extends Node {
  readonly kind: "variable";
  readonly name: Name;
  /** `f` of `f::x`. */
  readonly function?: Name;
  /** `"a.c"` of `x in "a.c"`. */
  readonly place?: StringLiteral;
}

/** `( … )`; kept since a parenthesised name may turn out to be a type. */
export interface ParenthesizedExpression extends Node {
  readonly kind: "parenthesized";
  readonly expression: Expression;
}

/** `object.member` and `object->member`. */
export interface MemberExpression extends Node {
  readonly kind: "member";
  readonly object: Expression;
  readonly operator: "." | "->";
  readonly member: Name;
}

/** `object[index]`. */
export interface IndexExpression extends Node {
  readonly kind: "index";
  readonly object: Expression;
  readonly index: Expression;
}

export type UnaryOperator = "-" | "+" | "!" | "~" | "*" | "&";

export interface UnaryExpression extends Node {
  readonly kind: "unary";
  readonly operator: UnaryOperator;
  readonly operatorSpan: Span;
  readonly operand: Expression;
}

export type BinaryOperator =
  | "*"
  | "/"
  | "%"
  | "+"
  | "-"
  | "<<"
  | ">>"
  | "<"
  | ">"
  | "<="
  | ">="
  | "=="
  | "!="
  | "&"
  | "^"
  | "|"
  | "&&"
  | "||";

export interface BinaryExpression extends Node {
  readonly kind: "binary";
  readonly operator: BinaryOperator;
  readonly operatorSpan: Span;
  readonly left: Expression;
  readonly right: Expression;
}

/** `a ? b : c`. */
export interface ConditionalExpression extends Node {
  readonly kind: "conditional";
  readonly condition: Expression;
  readonly whenTrue: Expression;
  readonly whenFalse: Expression;
}

/**
 * `(TYPE) x`. `certain` is false for `(NAME) x` with a bare name: it is a cast
 * only if NAME is a type, and an error otherwise.
 */
export interface CastExpression extends Node {
  readonly kind: "cast";
  readonly type: TypeName;
  readonly certain: boolean;
  readonly operand: Expression;
}

/** `sizeof(TYPE)`, `sizeof x`; `sizeof(NAME)` has the operand `(NAME)`, which may be a type. */
export interface SizeofExpression extends Node {
  readonly kind: "sizeof";
  readonly operand: TypeName | Expression;
}

/** `call f(x)`: a function of the target (or one that a pointer leads to) runs there. */
export interface CallExpression extends Node {
  readonly kind: "call";
  readonly callee: Expression;
  readonly arguments: readonly Expression[];
}

/** `NAME(ARGS)`: a built-in or a recipe. */
export interface InvocationExpression extends Node {
  readonly kind: "invocation";
  readonly name: Name;
  readonly arguments: readonly Expression[];
}

/**
 * `a - (n) - b`: operands and binary operators in the order of the text, where a
 * `(NAME)` stands before `-`, `+`, `*` or `&` on its line. If NAME is a type, that
 * operator is a prefix of what follows and the whole is cast; else it is binary.
 * Only `settleCasts` of `lang/casts.ts`, given which names are types, makes the tree.
 */
export interface OperatorChain extends Node {
  readonly kind: "operator-chain";
  /** One more than there are operators. */
  readonly operands: readonly Expression[];
  readonly operators: readonly ChainOperator[];
}

export interface ChainOperator extends Node {
  readonly operator: BinaryOperator;
}

/** A type as written in a cast or `sizeof`. */
export interface TypeName extends Node {
  readonly kind: "type-name";
  readonly base: BaseType;
  /** How many `*`. */
  readonly pointers: number;
  /** `[n]…`, outermost first; only in `sizeof`. */
  readonly dimensions: readonly Expression[];
}

export type BaseType =
  | { readonly kind: "struct" | "union" | "enum"; readonly tag: Name }
  /** C's own types by their usual full name: `unsigned long`, `char`, `long double`. */
  | { readonly kind: "basic"; readonly name: string }
  | { readonly kind: "named"; readonly name: Name };
