/** Precedence, casts, literals, places: what a text means as a tree. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { settleCasts } from "../../../lang/casts.js";
import { parseExpression } from "../../../lang/parse.js";
import { stringBytes } from "../../../lang/literals.js";
import { SourceFile } from "../../../lang/source.js";
import { notate } from "../notation.js";

const test = suite("expressions");

function tree(text: string, types?: readonly string[]): string {
  const { expression, diagnostics } = parseExpression(new SourceFile("test", text), 0);
  assert.equal(
    diagnostics.map(({ message }) => message),
    [],
    text,
  );
  if (expression === null) throw new Error(`no expression: ${text}`);
  return notate(
    types === undefined ? expression : settleCasts(expression, (name) => types.includes(name)),
  );
}

const precedence: readonly (readonly [string, string])[] = [
  ["a || b && c", "(|| a (&& b c))"],
  ["a && b | c", "(&& a (| b c))"],
  ["a | b ^ c", "(| a (^ b c))"],
  ["a ^ b & c", "(^ a (& b c))"],
  ["a & b == c", "(& a (== b c))"],
  ["a == b < c", "(== a (< b c))"],
  ["a != b >= c", "(!= a (>= b c))"],
  ["a < b << c", "(< a (<< b c))"],
  ["a >> b + c", "(>> a (+ b c))"],
  ["a + b * c", "(+ a (* b c))"],
  ["a * b + c", "(+ (* a b) c)"],
  ["a - b - c", "(- (- a b) c)"],
  ["a / b % c * d", "(* (% (/ a b) c) d)"],
  ["a || b || c", "(|| (|| a b) c)"],
  ["a * -b", "(* a (- b))"],
  ["-a * b", "(* (- a) b)"],
  ["a - -b", "(- a (- b))"],
  ["!a == b", "(== (! a) b)"],
  ["~a & b", "(& (~ a) b)"],
  ["*p + 1", "(+ (* p) 1)"],
  ["&a == &b", "(== (& a) (& b))"],
  ["*p->q", "(* (-> p q))"],
  ["&x[1].y", "(& (. (at x 1) y))"],
  ["*head->next", "(* (-> head next))"],
  ["conf.limits[2].max", "(. (at (. conf limits) 2) max)"],
  ["a ? b : c ? d : e", "(? a b (? c d e))"],
  ["a ? b ? c : d : e", "(? a (? b c d) e)"],
  ["a || b ? c : d + 1", "(? (|| a b) c (+ d 1))"],
  ["a ? f::x : g::y", "(? a f::x g::y)"],
  ["sizeof a + b", "(+ (sizeof a) b)"],
  ["sizeof(a) - b", "(- (sizeof [a]) b)"],
  ["sizeof(a) * b", "(* (sizeof [a]) b)"],
  ["(a + b) * c", "(* [(+ a b)] c)"],
  [
    "1 + 2 * 3 - 4 << 5 < 6 == 7 & 8 ^ 9 | 10 && 11 || 12",
    "(|| (&& (| (^ (& (== (< (<< (- (+ 1 (* 2 3)) 4) 5) 6) 7) 8) 9) 10) 11) 12)",
  ],
];

for (const [text, expected] of precedence) {
  test(text, () => assert.is(tree(text), expected));
}

test("a bare name in parentheses is a cast or not, once types are known", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["(a) - b", "(- [a] b)", "(cast <a> (- b))"],
    ["(a) + b * c", "(+ [a] (* b c))", "(* (cast <a> (+ b)) c)"],
    ["(a) * b * c", "(* (* [a] b) c)", "(* (cast <a> (* b)) c)"],
    ["(a) & b == c", "(& [a] (== b c))", "(== (cast <a> (& b)) c)"],
    ["-(a) - b", "(- (- [a]) b)", "(- (cast <a> (- b)))"],
    ["x + (a) - b", "(- (+ x [a]) b)", "(+ x (cast <a> (- b)))"],
    ["(a) - (a) - b", "(- (- [a] [a]) b)", "(cast <a> (- (cast <a> (- b))))"],
    ["(x) - (a) - b", "(- (- [x] [a]) b)", "(- [x] (cast <a> (- b)))"],
    ["((a) - b)", "[(- [a] b)]", "[(cast <a> (- b))]"],
    ["call f((a) - b)", "(call f (- [a] b))", "(call f (cast <a> (- b)))"],
    ["(a) / b", "(/ [a] b)", "(/ [a] b)"],
    ["(a)\n- b", "(- [a] b)", "(- [a] b)"],
    ["sizeof(a) - b", "(- (sizeof [a]) b)", "(- (sizeof [a]) b)"],
    ["(a).x - b", "(- (. [a] x) b)", "(- (. [a] x) b)"],
  ];
  for (const [text, plain, cast] of cases) {
    assert.is(tree(text, []), plain, text);
    assert.is(tree(text, ["a"]), cast, text);
  }
});

test("casts that no name decides", () => {
  assert.is(tree("(a *) b"), "(cast <a*> b)");
  assert.is(tree("(a **) b.c"), "(cast <a**> (. b c))");
  assert.is(tree("(struct s *) p"), "(cast <struct s*> p)");
  assert.is(tree("(enum e) 1 + 2"), "(+ (cast <enum e> 1) 2)");
  assert.is(tree("(unsigned long long int) -1"), "(cast <unsigned long long> (- 1))");
  assert.is(tree("(const volatile char *const *) p"), "(cast <char**> p)");
  assert.is(tree("(a) b"), "(cast? <a> b)");
  assert.is(tree("(a)(b)"), "(cast? <a> [b])");
  assert.is(tree("(a)(b) - c", ["b"]), "(cast? <a> (cast <b> (- c)))");
  assert.is(tree("(a) !b"), "(cast? <a> (! b))");
  assert.is(tree('(a) "text"'), '(cast? <a> "text")');
  assert.is(tree("(int)\n1"), "(cast <int> 1)");
});

test("sizeof of types and expressions", () => {
  assert.is(tree("sizeof(struct session)"), "(sizeof <struct session>)");
  assert.is(tree("sizeof(a *)"), "(sizeof <a*>)");
  assert.is(tree("sizeof(int[4])"), "(sizeof <int[4]>)");
  assert.is(tree("sizeof(a)"), "(sizeof [a])");
  assert.is(tree("sizeof *p"), "(sizeof (* p))");
  assert.is(tree("sizeof(a).b"), "(sizeof (. [a] b))");
});

test("places belong to the variable that an expression starts from", () => {
  assert.is(tree('counter in "a.c"'), "counter@a.c");
  assert.is(tree('&counter in "a.c" + 1'), "(+ (& counter@a.c) 1)");
  assert.is(tree('conf.limits[1] in "a.c"'), "(at (. conf@a.c limits) 1)");
  assert.is(tree('f::counter in "a.c"'), "f::counter@a.c");
  assert.is(tree('table in "libfoo.so".x'), "(. table@libfoo.so x)");
  assert.is(tree('in in "in.c"'), "in@in.c");
});

test("calls", () => {
  assert.is(tree("call f()"), "(call f)");
  assert.is(tree("call f(1, g(2))"), "(call f 1 (g 2)!)");
  assert.is(tree('call f in "a.c"(1)'), "(call f@a.c 1)");
  assert.is(tree('call f(1) in "a.c"'), "(call f@a.c 1)");
  assert.is(tree("call conf.handler(x)"), "(call (. conf handler) x)");
  assert.is(tree("call (*fp)(x)"), "(call [(* fp)] x)");
  assert.is(tree("call f(1)->next.x"), "(. (-> (call f 1) next) x)");
  assert.is(tree("call f(1) + call g(2)"), "(+ (call f 1) (call g 2))");
  assert.is(tree("call"), "call");
  assert.is(tree("call + 1"), "(+ call 1)");
  assert.is(tree("call.x"), "(. call x)");
  assert.is(tree('call in "a.c"'), "call@a.c");
});

test("numbers", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["0", "0"],
    ["017", "15"],
    ["0x1F", "31"],
    ["0b101", "5"],
    ["10u", "10"],
    ["0xffffffffffffffffULL", "18446744073709551615"],
    ["1.5", "1.5f"],
    [".5", "0.5f"],
    ["5.", "5f"],
    ["1e3", "1000f"],
    ["1e-2f", `${Math.fround(0.01)}f`],
    ["250us", "250000ns"],
    ["250ms", "250000000ns"],
    ["5s", "5000000000ns"],
    ["1.5s", "1500000000ns"],
    ["2m", "120000000000ns"],
    ["1h", "3600000000000ns"],
    ["4KiB", "4096B"],
    ["1MiB", "1048576B"],
    ["0.5GiB", "536870912B"],
    ["0xe+1", "(+ 14 1)"],
    ["5m-1s", "(- 300000000000ns 1000000000ns)"],
  ];
  for (const [text, expected] of cases) assert.is(tree(text), expected, text);
});

test("the type of an integer literal follows C", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["2147483647", "int"],
    ["2147483648", "long"],
    ["0x7fffffff", "int"],
    ["0x80000000", "unsigned int"],
    ["0xffffffff", "unsigned int"],
    ["0x100000000", "long"],
    ["0x8000000000000000", "unsigned long"],
    ["4294967295u", "unsigned int"],
    ["4294967296U", "unsigned long"],
    ["1l", "long"],
    ["1ul", "unsigned long"],
    ["1LU", "unsigned long"],
    ["1ll", "long long"],
    ["1ull", "unsigned long long"],
  ];
  for (const [text, type] of cases) {
    const { expression } = parseExpression(new SourceFile("test", text), 0);
    assert.is(expression?.kind === "integer" ? expression.type : "?", type, text);
  }
});

test("characters and texts", () => {
  assert.is(tree("'a'"), "'97'");
  assert.is(tree("'\\n'"), "'10'");
  assert.is(tree("'\\''"), "'39'");
  assert.is(tree("'\\xff'"), "'-1'");
  assert.is(tree("'\\0'"), "'0'");
  assert.is(tree('"a\\tb\\"c\\\\"'), JSON.stringify('a\tb"c\\'));
  assert.is(tree('"\\u00e9\\U0001f642"'), JSON.stringify("é🙂"));
  const { expression } = parseExpression(new SourceFile("test", '"\\xff\\377é"'), 0);
  if (expression?.kind !== "string") throw new Error("no string");
  assert.equal([...stringBytes(expression)], [255, 255, 0xc3, 0xa9]);
});

test("values with names", () => {
  assert.is(tree("NULL"), "NULL");
  assert.is(tree("true != false"), "(!= true false)");
  assert.is(tree("a.NULL"), "(. a NULL)");
  assert.is(tree("f::true"), "f::true");
});

test.run();
