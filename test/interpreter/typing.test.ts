// timeout 180s
/** `polus check --exe`: what a program's names and types say against statements and taints. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { repositoryRoot, targetSource } from "../support/repository.js";
import { build, scratchFolder } from "../support/toolchain.js";

const zoo = build({
  name: "typing_zoo",
  sources: [targetSource("types/zoo.c")],
  flags: ["-g", "-O0", "-w"],
});
const folder = scratchFolder();

interface Told {
  readonly code: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly suggestion?: string;
}

function check(text: string, exe = zoo): { status: number | null; told: readonly Told[] } {
  const script = join(folder, "script.polus");
  writeFileSync(script, text);
  const polus = join(repositoryRoot, "bin/polus");
  const run = spawnSync(polus, ["check", script, "--exe", exe, "--json"], { encoding: "utf8" });
  const events = run.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Told & { event: string });
  return { status: run.status, told: events.filter((event) => event.event === "diagnostic") };
}

/** Scripts that must pass: nothing may be told of what a running process could well allow. */
const right: readonly string[] = [
  'set i = 7  set u.i = -1  set o.many[1].at.x = 3  set bits.a = 7  set text = "short"',
  "print o.next->next->next->first.at.x, *o.next, &o, sizeof(struct outer), (count_t)i",
  'print i in "zoo.c", next_ticket::ticket, GREEN, color == BLUE',
  "print i / s, i % s, 100 / l, ui << uc",
  "let n = 0 for t in threads() { set n = n + 1 print t.tid, t.name, t::per_thread_point.x } print n",
  "let last = NULL for s in list(o.next, next) { if (last != NULL) { print last->left } set last = s }",
  "for f in files() { print f.fd, f.path } for m in maps() { print m.start, m.path, m.writable }",
  "for m in maps() { for b in bytes(m.start, 4) { print b } print bytes(m.start, n)[3] } const n = 8",
  "recipe twice(x) { return x + x } print twice(i) + 1, twice(d) let y = twice(p.x) print y * 2",
  "recipe fix(place, most) { if (place > most) { set place = most } } fix(i, 5) fix(bits.a, 3)",
  "recipe down(x) { if (x > 0) { return down(x - 1) } return 0 } print down(3)",
  "recipe walk(head, link, part) { for s in list(head, link) { print s->link->part } } walk(o.next, next, left)",
  "recipe deep(s, part) { print s.part.y } deep(o, first.at) recipe all(s, p) { deep(s, p) } all(o, first.at)",
  "const n = 3 recipe f(s, left) { print s.left + left } f(o, n) let m = 4 f(o, m)",
  'call next_ticket()  let t = call next_ticket()  print t + 1  call strlen("text")',
  'wait until i == 5 within 5s  sleep 10ms  assert text == "hello", "changed"',
  'let x = 1 set x = "text" print x',
  "print memory().resident > 1MiB, children()[0].pid, stack(threads()[0])[0].function",
  "set pointer = &i  set pointer = NULL  set null_string = (char *)0  set op = 0",
  "while (i < 5) { set i = i + 1 if (i == 3) { break } }",
];

right.forEach((text, index) => {
  test(`nothing is told of right script ${index + 1}: ${text.slice(0, 40)}`, () => {
    const { status, told } = check(text);
    assert.equal(told, []);
    assert.is(status, 0);
  });
});

/** Script, then what is told: code, line:column, part of the message, suggestion where there is one. */
const wrong: readonly (readonly [string, string, string, RegExp, RegExp?])[] = [
  ["print counterr", "unknown-name", "1:7", /no counterr/],
  ["print poinst", "unknown-name", "1:7", /no poinst/, /did you mean.*point/],
  ['print hidden in "other.c"', "unknown-name", "1:7", /"other\.c" has no hidden/],
  ["print p.z", "unknown-member", "1:9", /`point` has no member `z`/],
  ["print o.frist", "unknown-member", "1:9", /no member `frist`/, /first/],
  [
    "recipe f(s, l) { print s.l } f(o, lefft)",
    "unknown-member",
    "1:35",
    /no member `lefft`/,
    /left/,
  ],
  [
    "recipe f(s, left) { print s.left } f(o, nextt)",
    "unknown-member",
    "1:41",
    /no member `nextt`/,
    /next/,
  ],
  [
    "print list(o.next, label)",
    "wrong-argument",
    "1:20",
    /does not lead to the next `struct outer`/,
  ],
  ["print list(o.next, nexxt)", "unknown-member", "1:20", /no member `nexxt`/, /next/],
  ["print o.next.left", "wrong-operand", "1:7", /is a pointer/, /o\.next->left/],
  ["print i.x", "wrong-operand", "1:7", /has no members/],
  ["print *generic", "wrong-operand", "1:8", /nothing says what it leads to/, /cast/],
  ["print *i", "wrong-operand", "1:8", /not a pointer/],
  ['set i = "text"', "wrong-operand", "1:9", /cannot be put into a `int`/],
  ["set bits.a = 8", "value-out-of-range", "1:14", /3 bits/],
  ["set i = 4294967296", "value-out-of-range", "1:9", /does not fit into `i`/],
  ["const big = 300  set uc = big", "value-out-of-range", "1:27", /300 does not fit/],
  ['set full = "five!"', "text-too-long", "1:12", /room for 4 bytes/],
  ["set pointer = i", "wrong-operand", "1:15", /cannot be put into a pointer/, /cast it/],
  ["set next_ticket = 2", "not-assignable", "1:5", /cannot be set/],
  ["print (struct pointt *)0", "unknown-type", "1:8", /no type `struct pointt`/],
  ["print sizeof(struct opaque)", "incomplete-type", "1:7", /size of `struct opaque`/],
  ["call next_ticket(1)", "wrong-argument", "1:1", /takes 0 arguments, not 1/],
  ["call i()", "wrong-operand", "1:6", /not a function/],
  ["print per_thread + 1, p + 1", "wrong-operand", "1:23", /not a number/],
  ["for x in i { print x }", "wrong-operand", "1:10", /goes over lists and arrays/],
  ["for s in list(o.next, nxt) { print s }", "unknown-member", "1:23", /no member `nxt`/, /next/],
  [
    "for t in threads() { print t.tod }",
    "unknown-member",
    "1:30",
    /thread has no member `tod`/,
    /tid/,
  ],
  ["let n = 3\nsleep n", "wrong-operand", "2:7", /not a duration/, /unit/],
  ["if (p) { print 1 }", "wrong-operand", "1:5", /not a number or pointer/],
  ["recipe bad(x) {\n  print x.z\n}\nbad(p)", "unknown-member", "2:11", /no member `z`/],
  [
    "if (i == 1) {} else {\n  while (i) { print p.q }\n}",
    "unknown-member",
    "2:23",
    /no member `q`/,
  ],
];

for (const [text, code, place, message, suggestion] of wrong) {
  test(`told: ${text.replaceAll("\n", " ").slice(0, 60)}`, () => {
    const { status, told } = check(text);
    assert.is(told.length, 1, JSON.stringify(told));
    const [first] = told;
    assert.is(first?.code, code, JSON.stringify(told));
    assert.is(`${first?.line}:${first?.column}`, place);
    assert.match(first?.message ?? "", message);
    if (suggestion !== undefined) assert.match(first?.suggestion ?? "", suggestion);
    assert.is(status, 2);
  });
}

test("every fault is told once, what follows from one is not", () => {
  const { told } = check(
    `let a = nowhere
     print a, a + 1
     recipe r(x) { print x.z }
     r(p)
     for t in threads() { r(p) print t.bad }
     print p.y, p.w`,
  );
  assert.equal(
    told.map(({ code, line }) => `${code} ${line}`),
    [
      "unknown-name 1",
      "unknown-member 3",
      "unknown-member 3",
      "unknown-member 5",
      "unknown-member 6",
    ],
  );
});

test("taints are looked at with the names of their update's patches", () => {
  writeFileSync(
    join(folder, "fix.c"),
    "int spare = 3; int ok(void) { return 1; } int next_ticket(void) { return 9; }",
  );
  const taint = (checked: string): string => `update fix {
  patch tickets from "fix.c" { replace next_ticket }
  taint first before tickets { check ${checked} recover { set i = spare } }
}`;
  assert.equal(check(taint("i == spare")).told, []);
  assert.equal(check(taint("call ok()")).told, []);
  const { status, told } = check(taint("i == spar"));
  assert.is(status, 2);
  assert.is(told[0]?.code, "unknown-name");
  assert.is(told[0]?.line, 3);
});

test("without debug information a cast of the address says what it is", () => {
  const bare = build({
    name: "typing_bare",
    sources: [targetSource("types/zoo.c")],
    flags: ["-O0", "-w"],
  });
  assert.equal(check("print *(int *)&i", bare).told, []);
  const { told } = check("print i + 1", bare);
  assert.is(told[0]?.code, "untyped");
  assert.match(told[0]?.suggestion ?? "", /\*\(.* \*\)&i/);
});

test.run();
