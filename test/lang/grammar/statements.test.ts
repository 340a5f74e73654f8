/** Statements, declarations and what makes words keywords. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Expression, Script, Statement } from "../../../lang/ast.js";
import { PolusParser } from "../../../lang/grammar/parser.js";
import { statementWords } from "../../../lang/grammar/statements.js";
import { statementKeywords } from "../../../lang/keywords.js";
import { parse } from "../../../lang/parse.js";
import { SourceFile, textOf, type Span } from "../../../lang/source.js";
import { polusLexer, tokenTypes } from "../../../lang/tokens.js";
import { notate } from "../notation.js";

const test = suite("statements");

function script(text: string, interactive = false): Script {
  const result = parse(new SourceFile("test", text), { interactive });
  assert.equal(
    result.diagnostics.map(({ message }) => message),
    [],
    text,
  );
  if (result.script === null) throw new Error("no script");
  return result.script;
}

function kinds(text: string): readonly string[] {
  return script(text).items.map(({ kind }) => kind);
}

function first(text: string): Statement {
  const item = script(text).items[0];
  if (item === undefined || ["import", "const", "recipe", "update"].includes(item.kind)) {
    throw new Error("no statement");
  }
  return item as Statement;
}

const contract = readFileSync(
  new URL("../../../../test/lang/contract.polus", import.meta.url),
  "utf8",
);

test("the grammar has no mistakes that Chevrotain can find", () => {
  assert.not.throws(() => new PolusParser(true));
  assert.equal(polusLexer().lexerDefinitionErrors, []);
  assert.ok(tokenTypes.length > 100);
});

test("the words of statements are the same for the grammar and the checker", () => {
  const fromGrammar = statementWords.map((type) => type.LABEL?.replaceAll("`", ""));
  assert.equal(new Set(fromGrammar), statementKeywords);
});

test("every statement", () => {
  const statements = [
    ["set a.b[1] = c + 1", "set"],
    ["let x = call f(1)", "let"],
    ['print a, "b", 1 + 2', "print"],
    ['assert a == 1, "message"', "assert"],
    ['if (a) { set b = 1 } else if (c) { } else { fail "x" }', "if"],
    ["while (a) { break; continue; }", "while"],
    ["for x in list(head, next) { print x }", "for"],
    ["sleep 5s", "sleep"],
    ["wait until a > b within 5s", "wait"],
    ["call f(1, 2)", "call-statement"],
    ["clamp(a, b)", "recipe-statement"],
    ["apply fix", "apply"],
    ["rollback to fix.start", "rollback"],
    ['fail "message"', "fail"],
    ['warn "message"', "warn"],
  ] as const;
  for (const [text, kind] of statements) assert.equal(kinds(text), [kind], text);
  const all = statements.map(([text]) => text);
  const every = statements.map(([, kind]) => kind);
  assert.equal(kinds(all.join("\n")), every, "each on its line");
  assert.equal(kinds(all.join("; ")), every, "separated by semicolons");
  assert.equal(kinds(all.join(" ")), every, "on one line");
});

test("newlines are white space", () => {
  const text = 'print\n1\n+\n2\n,\n"x"\nset\na\n=\nb\nif\n(\na\n)\n{\n}\nelse\n{\n}';
  assert.equal(kinds(text), ["print", "set", "if"]);
});

test("a statement ends where nothing can go on", () => {
  assert.equal(kinds("print a clamp(b)"), ["print", "recipe-statement"]);
  assert.equal(kinds("print (a)\nclamp(b)"), ["print", "recipe-statement"]);
  assert.equal(kinds("set x = (a)\nset y = b"), ["set", "set"]);
  assert.equal(kinds("set x = (a) set y = b"), ["set", "set"]);
  assert.equal(kinds("wait until (a) within 5s"), ["wait"]);
  assert.equal(kinds("sleep t\nprint x"), ["sleep", "print"]);
  assert.equal(kinds("set x = call\nset y = call"), ["set", "set"]);
});

test("return takes a value on its line only", () => {
  const recipe = script("recipe r() { return\nset a = 1 }").items[0];
  if (recipe?.kind !== "recipe") throw new Error("no recipe");
  assert.equal(
    recipe.body.statements.map(({ kind }) => kind),
    ["return", "set"],
  );
  const valued = script("recipe r() { return a + 1 }").items[0];
  if (valued?.kind !== "recipe") throw new Error("no recipe");
  const [statement] = valued.body.statements;
  assert.is(statement?.kind === "return" && statement.value && notate(statement.value), "(+ a 1)");
});

const words = `
  import recipe update target patch from after before replace in with data each size forward
  backward on new free c rollback point to taint always check recover otherwise fail warn
  failure keep complete within exe build_id scope set let print assert sleep wait until call
  apply list tree process
`
  .trim()
  .split(/\s+/);

for (const word of words) {
  test(`\`${word}\` also names what is the target's`, () => {
    const value = first(`set ${word} = ${word}.${word} + ${word}->${word}[${word}]`);
    if (value.kind !== "set") throw new Error("no set");
    assert.is(notate(value.place), word);
    assert.is(notate(value.value), `(+ (. ${word} ${word}) (at (-> ${word} ${word}) ${word}))`);
    assert.equal(kinds(`print ${word}, ${word}\nprint ${word}::${word}`), ["print", "print"]);
    assert.equal(kinds(`set x = ${word}\nset y = ${word}\nlet ${word} = 1`), ["set", "set", "let"]);
    assert.equal(kinds(`for ${word} in ${word} { print ${word} }`), ["for"]);
    assert.equal(kinds(`while (${word}) { } if (${word}) { }`), ["while", "if"]);
    const update = script(
      `update ${word} {
        patch ${word} from "a.so" after ${word}, ${word} {
          replace ${word} in "a.c" with ${word}
          replace ${word}
          data ${word} { new ${word} forward ${word} backward ${word} }
          replace ${word} with ${word}
        }
        rollback point ${word} before ${word}
        taint ${word} after ${word} { check ${word} recover { } otherwise fail "x" }
        on failure rollback to ${word}
        complete within ${word}
      }
      apply ${word}
      rollback to ${word}.${word}
      recipe ${word}(${word}) { }
      const ${word} = ${word}`,
    );
    assert.equal(
      update.items.map(({ kind }) => kind),
      ["update", "apply", "rollback", "recipe", "const"],
    );
    const [declaration] = update.items;
    if (declaration?.kind !== "update") throw new Error("no update");
    assert.is(declaration.items.length, 5);
    const [patch] = declaration.items;
    assert.equal(patch?.kind === "patch" && patch.items.map(({ kind }) => kind), [
      "replace",
      "replace",
      "data",
      "replace",
    ]);
  });
}

test("C source is taken whole", () => {
  const source = `
    #define OPEN "{" // }
    static int f(void) { char c = '}'; /* } */ return g("\\"}") + '\\''; } @ $ \\
    // a line comment that goes on \\
       } still
  `;
  const item = script(`update u { patch p { c {${source}} replace f } patch c from "x" { c { } } }`)
    .items[0];
  if (item?.kind !== "update") throw new Error("no update");
  const [patch] = item.items;
  if (patch?.kind !== "patch") throw new Error("no patch");
  assert.equal(
    patch.items.map(({ kind }) => kind),
    ["inline-c", "replace"],
  );
  const [inline] = patch.items;
  if (inline?.kind !== "inline-c") throw new Error("no C");
  assert.is(inline.text, source);
  assert.is(textOf(inline.textSpan), source);
});

test("`check patch recover {` opens no patch", () => {
  const text = `update u { patch p from "a" { replace f }
    taint t before p { check patch recover { for x in b->c { print x } } } }`;
  assert.equal(kinds(text), ["update"]);
  assert.equal(kinds("update u { patch recover { c { int f; } replace f } }"), ["update"]);
});

test("a function that is called like a clause may stand first on its line", () => {
  const text = "update u { taint t always { check a recover {\nset a = (\ntarget() - b)\n} } }";
  assert.equal(parse(new SourceFile("test", text)).diagnostics, []);
});

test("what is called like a statement may stand first on its line where a bracket has just been opened", () => {
  for (const text of ["if (\nset() - b\n) { }", "print f(a,\nprint(b))", "print a[\nset(b)]"])
    assert.equal(parse(new SourceFile("test", text)).diagnostics, [], text);
});

test("`c {` is C source in a patch only", () => {
  assert.equal(kinds("for x in c { print x } while (c) { }"), ["for", "while"]);
  assert.equal(kinds('update c { patch c from "a" after c { data c { new c } } }'), ["update"]);
});

test("the script of the language's own page parses", () => {
  assert.equal(
    script(contract).items.map(({ kind }) => kind),
    ["import", "const", "recipe", "update"],
  );
});

test("the REPL prints bare expressions", () => {
  const items = script("conf.limit + 1\nset a = b\nlist(a, b)\n", true).items;
  assert.equal(
    items.map(({ kind }) => kind),
    ["expression-statement", "set", "expression-statement"],
  );
});

test("a text that ends too early is told from a wrong one", () => {
  const incomplete = (text: string) =>
    parse(new SourceFile("test", text), { interactive: true }).incomplete;
  for (const text of ["if (a) {", "print 1 +", "print (", "/* open", "update u {\n patch p {"]) {
    assert.is(incomplete(text), true, text);
  }
  for (const text of ["print 1", "print )", "if a {", "print 1 + )", 'print "open']) {
    assert.is(incomplete(text), false, text);
  }
});

interface Spanned {
  readonly kind: string;
  readonly span: Span;
}

function isSpanned(value: unknown): value is Spanned {
  return (
    typeof value === "object" &&
    value !== null &&
    "kind" in value &&
    typeof value.kind === "string" &&
    "span" in value
  );
}

function* nodes(value: unknown): Generator<Spanned> {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  if (isSpanned(value)) yield value;
  for (const [key, part] of Object.entries(value)) {
    if (key !== "span" && key !== "operatorSpan" && key !== "textSpan") yield* nodes(part);
  }
}

test("every span covers its text, and the text of its parts", () => {
  const text = `${contract}
    set a.b = -(x) + call f(1, "é🙂")->q[2] * (struct s *) p ? sizeof(int) : now()
    if (a) { print 'c', 0x1f, 5s } else if (b in "a.c") { fail "x" } else { }
    for x in list(head, next) { assert x::y == 4KiB, "m" }`;
  const tree = script(text);
  let count = 0;
  for (const node of nodes(tree)) {
    count++;
    const covered = textOf(node.span);
    assert.is(
      covered,
      covered.trim() === "" ? covered : node.kind === "script" ? text : covered.trim(),
    );
    if (node.kind === "name" && "text" in node) assert.is(covered, node.text);
    if (node.kind === "string") assert.match(covered, /^"[^]*"$/);
    for (const part of nodes({ ...node, kind: undefined })) {
      assert.ok(part.span.start >= node.span.start && part.span.end <= node.span.end, covered);
    }
  }
  assert.ok(count > 150);
});

test("an expression parses to the same tree when its own text is parsed again", () => {
  const tree = script("print a + b * -c[1].d, (a) - 1, call f(x ? 1 : 2), sizeof(struct s)");
  const [statement] = tree.items;
  if (statement?.kind !== "print") throw new Error("no print");
  for (const value of statement.values) {
    const again = first(`print ${textOf(value.span)}`);
    const [copy]: readonly (Expression | undefined)[] = again.kind === "print" ? again.values : [];
    assert.is(copy && notate(copy), notate(value));
  }
});

test.run();
