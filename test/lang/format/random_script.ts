/** Random scripts as tokens, and random ways to write them down. */
import * as fc from "fast-check";

type Tokens = readonly string[];

const flatten = (parts: readonly (string | Tokens)[]): Tokens => parts.flat();

function sequence(...parts: readonly (string | fc.Arbitrary<string | Tokens>)[]) {
  const all = parts.map((part) => (typeof part === "string" ? fc.constant(part) : part));
  return fc.tuple(...all).map(flatten);
}

function separated(item: fc.Arbitrary<Tokens>, least: number, most: number, sign = ",") {
  return fc
    .array(item, { minLength: least, maxLength: most })
    .map((items) => items.flatMap((one, index) => (index === 0 ? one : [sign, ...one])));
}

function optional(...parts: readonly (string | fc.Arbitrary<string | Tokens>)[]) {
  return fc.oneof(fc.constant<Tokens>([]), sequence(...parts));
}

/** Among them words of the language, which may name something too. */
const name = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom("a", "b", "n", "counter", "a_rather_long_name_of_a_variable"),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...["call", "check", "within", "in", "recover", "set", "data", "c", "patch", "with", "on"],
      ...["from", "target", "update", "after", "print", "rollback", "size", "new", "NULL", "true"],
    ),
  },
);

const literal = fc.constantFrom(
  ...["0", "1", "0x1fUL", "1.5", "1e3f", "250ms", "5s", "4KiB", "'c'", "'\\n'", '"text"'],
  ...[
    '"a { // b"',
    '"/* no comment */"',
    '"\\"quoted\\""',
    '"a text that takes up a good part of a line"',
  ],
);

const typeName = fc.oneof(
  sequence("struct", name),
  sequence("struct", name, "*"),
  sequence("const", "char", "*", "const", "*"),
  sequence("unsigned", "long"),
  sequence("int"),
  sequence(name, "*"),
);

// A type, not an interface: fast-check wants an index signature.
type Expressions = {
  readonly expression: Tokens;
  readonly operators: Tokens;
  readonly unary: Tokens;
  readonly postfix: Tokens;
};

const { expression, postfix } = fc.letrec<Expressions>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, depthIdentifier: "expression" },
    { weight: 6, arbitrary: tie("operators") },
    {
      weight: 1,
      arbitrary: sequence(tie("operators"), "?", tie("expression"), ":", tie("expression")),
    },
  ),
  operators: fc
    .tuple(
      tie("unary"),
      fc.array(
        fc.tuple(
          fc.constantFrom(
            "-",
            "+",
            "*",
            "&",
            "&&",
            "||",
            "==",
            "<",
            "<<",
            "%",
            "|",
            "^",
            "/",
            "!=",
          ),
          tie("unary"),
        ),
        { maxLength: 4 },
      ),
    )
    .map(([first, rest]) => [...first, ...rest.flatMap(([sign, operand]) => [sign, ...operand])]),
  unary: fc.oneof(
    { maxDepth: 4, depthIdentifier: "expression" },
    { weight: 6, arbitrary: tie("postfix") },
    { weight: 2, arbitrary: sequence(fc.constantFrom("-", "+", "*", "&", "!", "~"), tie("unary")) },
    { weight: 1, arbitrary: sequence("sizeof", tie("unary")) },
    { weight: 1, arbitrary: sequence("sizeof", "(", typeName, ")") },
    { weight: 1, arbitrary: sequence("(", typeName, ")", tie("unary")) },
    { weight: 2, arbitrary: sequence("(", name, ")", tie("unary")) },
    {
      weight: 1,
      arbitrary: sequence("call", tie("postfix"), "(", separated(tie("expression"), 0, 3), ")"),
    },
  ),
  postfix: fc.oneof(
    { maxDepth: 4, depthIdentifier: "expression" },
    { weight: 8, arbitrary: sequence(name) },
    { weight: 4, arbitrary: sequence(literal) },
    { weight: 3, arbitrary: sequence("(", name, ")") },
    { weight: 1, arbitrary: sequence("(", tie("expression"), ")") },
    { weight: 1, arbitrary: sequence(name, "::", name) },
    { weight: 1, arbitrary: sequence(name, "in", '"a.c"') },
    { weight: 1, arbitrary: sequence(tie("postfix"), fc.constantFrom(".", "->"), name) },
    { weight: 1, arbitrary: sequence(tie("postfix"), "[", tie("expression"), "]") },
    { weight: 2, arbitrary: sequence(name, "(", separated(tie("expression"), 0, 4), ")") },
  ),
}));

type Statements = {
  readonly statement: Tokens;
  readonly block: Tokens;
  readonly rest: Tokens;
};

const { statement, block } = fc.letrec<Statements>((tie) => ({
  block: sequence("{", separated(tie("statement"), 0, 3, ";"), "}"),
  rest: fc.oneof(
    { maxDepth: 2, depthIdentifier: "statement" },
    fc.constant<Tokens>([]),
    sequence("else", tie("block")),
    sequence("else", "if", "(", expression, ")", tie("block"), tie("rest")),
  ),
  statement: fc.oneof(
    { maxDepth: 2, depthIdentifier: "statement" },
    sequence("set", postfix, "=", expression),
    sequence("let", name, "=", expression),
    sequence("print", separated(expression, 1, 4)),
    sequence("assert", expression, optional(",", '"must hold"')),
    sequence("wait", "until", expression, "within", expression),
    sequence("sleep", expression),
    sequence("call", name, "(", separated(expression, 0, 3), ")"),
    sequence("clamp", "(", separated(expression, 0, 3), ")"),
    sequence("return", optional(expression)),
    sequence(fc.constantFrom("break", "continue")),
    sequence("apply", name),
    sequence("rollback", "to", name, ".", name),
    sequence(fc.constantFrom("fail", "warn"), '"a message"'),
    sequence("if", "(", expression, ")", tie("block"), tie("rest")),
    sequence("while", "(", expression, ")", tie("block")),
    sequence("for", name, "in", expression, tie("block")),
  ),
}));

const place = optional("in", '"a.c"');

const patchItem = fc.oneof(
  sequence("replace", name, place, optional("with", name)),
  sequence(
    "data",
    name,
    place,
    "{",
    separated(
      fc.oneof(
        sequence(fc.constantFrom("new", "forward", "backward", "each"), name, place),
        sequence("on", fc.constantFrom("new", "free"), name),
        sequence("size", expression, ",", expression),
      ),
      0,
      3,
      ";",
    ),
    "}",
  ),
  sequence(
    "c",
    fc.constantFrom(
      "{}",
      "{ int f(void) { return '}'; } }",
      '{\n#define OPEN "{" // }\n  int\tx;  \n\n\n     /* } */ }',
    ),
  ),
);

const updateItem = fc.oneof(
  sequence(
    "target",
    "{",
    separated(fc.oneof(sequence("exe", '"server"'), sequence("scope", name)), 0, 3, ";"),
    "}",
  ),
  sequence(
    "patch",
    name,
    optional("from", '"a.so"'),
    optional(
      "after",
      separated(
        name.map((one) => [one]),
        1,
        3,
      ),
    ),
    "{",
    separated(patchItem, 0, 3, ";"),
    "}",
  ),
  sequence("rollback", "point", name, fc.constantFrom("before", "after"), name),
  sequence(
    "taint",
    name,
    fc.oneof(sequence("always"), sequence(fc.constantFrom("before", "after"), name)),
    "{",
    separated(
      fc.oneof(
        sequence("check", expression),
        sequence("recover", block),
        sequence("otherwise", fc.constantFrom("fail", "warn"), '"beyond repair"'),
      ),
      0,
      3,
      ";",
    ),
    "}",
  ),
  sequence("on", "failure", fc.oneof(sequence("keep"), sequence("rollback", optional("to", name)))),
  sequence("complete", "within", expression),
);

const item = fc.oneof(
  { weight: 6, arbitrary: statement },
  { weight: 1, arbitrary: sequence("import", '"std/counters"') },
  { weight: 1, arbitrary: sequence("const", name, "=", expression) },
  {
    weight: 1,
    arbitrary: sequence(
      "recipe",
      name,
      "(",
      separated(
        name.map((one) => [one]),
        0,
        3,
      ),
      ")",
      block,
    ),
  },
  {
    weight: 4,
    arbitrary: sequence(
      "update",
      name,
      optional('"what it is for"'),
      "{",
      separated(updateItem, 0, 4, ";"),
      "}",
    ),
  },
);

/** Tokens of a script; `;` stands between all items. */
export const scriptTokens: fc.Arbitrary<Tokens> = separated(item, 1, 4, ";");

const comment = fc.constantFrom(
  ...["/* a */", "/**/", "/* two\n   lines */", "/*\n * like\n   * this\n */", "/* { \" ' */"],
  ...[
    "// b\n",
    "//\n",
    "  // c  \n\n",
    "/* d */ // e\n",
    "\n// f\n",
    "\n\n// g\n\n\n",
    "\n/* h */\n",
  ],
  ...["\n/* i */ ", " /* j */\n", "/* k *//* l */", "// prettier-ignored\n"],
);

const blank = fc.constantFrom(" ", " ", " ", " ", "  ", "\n", "\n\n\n", "\t", "\r\n");

/** How tokens may be written down: `gaps[i]` stands before the token with index i modulo their number. */
export interface Writing {
  readonly gaps: readonly string[];
  /** How many of ten `;` are written; the others become line breaks. */
  readonly semicolons: number;
}

const plainGap = fc.oneof(
  { weight: 12, arbitrary: fc.constant(" ") },
  { weight: 1, arbitrary: blank },
);
const wildGap = fc.oneof(
  { weight: 5, arbitrary: blank },
  { weight: 1, arbitrary: fc.tuple(blank, comment, blank).map((parts) => parts.join("")) },
);
const rareComments = fc.oneof(
  { weight: 9, arbitrary: plainGap },
  { weight: 1, arbitrary: wildGap },
);

export const writing: fc.Arbitrary<Writing> = fc.record({
  gaps: fc.oneof(
    fc.array(plainGap, { minLength: 7, maxLength: 60 }),
    fc.array(rareComments, { minLength: 7, maxLength: 60 }),
    fc.array(wildGap, { minLength: 7, maxLength: 60 }),
  ),
  semicolons: fc.nat({ max: 10 }),
});

/** Tokens as a text. */
export function writeDown(tokens: Tokens, { gaps, semicolons }: Writing): string {
  let text = "";
  tokens.forEach((token, index) => {
    text += gaps[index % gaps.length] ?? " ";
    text += token === ";" && (index * 7) % 10 >= semicolons ? "\n" : token;
  });
  return text + (gaps[tokens.length % gaps.length] ?? "");
}
