// timeout 240s
/** Every statement on a live, multithreaded process, through the command itself. */
import * as assert from "uvu/assert";
import { test } from "../support/engine_test.js";
import { withState } from "./live_state.js";

test("set writes every kind of place, and the program sees it", () =>
  withState(async (state) => {
    await state.prints(`
      set conf.limits[0].most = 11
      set conf.limits[2].most = conf.limits[0].most * 2 + 1
      set conf.name = "second"
      set conf.current = &conf.limits[2]
      set conf.mood = ANGRY
      set conf.flags = VERBOSE | DRY
      set conf.level = -8
      set conf.stamp = (1 << 20) - 1
      set conf.open = true
      set tiny = -128
      set small = 'A'
      set narrow = narrow - 1
      set wide = 0x7fffffffffffffff
      set ratio = 0.1
      set precise = ratio * 2
      set chosen = VERBOSE | TRACE
      set shared_name in "state_other.c" = 22
      set shared_name in "state.c" = 21
      set head->value = 77
      set *&plain_number = 99
    `);
    const shown = await state.show();
    const expected = {
      name: "second",
      limits: [11, 20, 23],
      current: 2,
      mood: 7,
      flags: 5,
      level: -8,
      stamp: 1048575,
      open: 1,
      tiny: -128,
      small: 65,
      narrow: -8,
      wide: 9223372036854776000,
      ratio: 0.1,
      precise: 0.2,
      chosen: 3,
      shared: [21, 22],
      first_node: 77,
      plain_number: 99,
      contested: 1,
    };
    assert.equal(shown, expected);
    assert.equal(
      await state.prints("print conf.name, conf.mood, conf.flags, conf.level, chosen, wide"),
      ['"second" ANGRY 5 -8 (VERBOSE | TRACE) 9223372036854775807'],
    );
  }));

test("what set shows of an array of characters is what print shows of it, before and after", () =>
  withState(async (state) => {
    const run = await state.run('set conf.name = "ab"\nset conf.name = "first"');
    assert.is(run.done.outcome, "completed", run.finished.stderr);
    assert.equal(
      run.lines.flatMap((line) => (line.event === "set" ? [[line.before, line.after]] : [])),
      [
        // The rest of the array is left as it is.
        ['"first"', '"ab\\000st"'],
        ['"ab\\000st"', '"first"'],
      ],
    );
  }));

test("set refuses what does not fit, before a byte is written", () =>
  withState(async (state) => {
    await state.fails("set tiny = 128", "value-out-of-range@1:12");
    await state.fails("set small = -1", "value-out-of-range@1:13");
    await state.fails("set conf.flags = 8", "value-out-of-range@1:18");
    await state.fails("set conf.level = 8", "value-out-of-range@1:18");
    await state.fails("set conf.stamp = 1 << 20", "value-out-of-range@1:18");
    await state.fails("set narrow = 1e9", "value-out-of-range@1:14");
    const long = await state.fails('set conf.name = "too long"', "text-too-long@1:17");
    assert.match(long.diagnostics[0]?.message ?? "", /room for 8 bytes, the text needs 9/);
    await state.fails('set greeting = "text"', "wrong-operand@1:16");
    await state.fails("set conf.current = 4096", "wrong-operand@1:20");
    await state.fails("set plain_number = greeting", "wrong-operand@1:20");
    await state.fails("set conf = conf.limits[0]", "wrong-operand@1:12");
    const member = await state.fails("set conf.limits[0].mos = 2", "unknown-member@1:20");
    assert.match(member.diagnostics[0]?.suggestion ?? "", "most");
    // The text's closing zero has its place.
    await state.prints('set conf.name = "1234567"');
    assert.is((await state.show())["name"], "1234567");
  }));

test("structs and arrays are set as a whole, NULL and pointers as pointers", () =>
  withState(async (state) => {
    const lines = await state.prints(`
      set conf.limits[0] = conf.limits[2]
      set conf.current = NULL
      print conf.limits[0].factor, conf.current == NULL
      let saved = conf
      set conf.mood = BUSY
      print saved.mood, conf.mood
      set conf = saved
      print conf.mood
    `);
    assert.equal(lines, ["2.5 1", "CALM BUSY", "CALM"]);
    assert.equal((await state.show())["limits"], [300, 20, 300]);
    await state.prints("set conf.current = &conf.limits[1]");
  }));

test("thread-local variables of a chosen thread", () =>
  withState(async (state) => {
    const lines = await state.prints(`
      for t in threads() {
        if (t.name == "worker-1") {
          print t::turns_here, t::limits_here.least
          set t::turns_here = 5
          set t::limits_here.factor = 0.5
        }
      }
      for t in threads() {
        if (t.name == "worker-0" || t.name == "worker-1") {
          print t.name, t::turns_here, t::limits_here.factor
        }
      }
    `);
    assert.equal(lines, ["2000 6", "worker-0 1000 7.5", "worker-1 5 0.5"]);
    const alone = await state.fails("print turns_here", "thread-local@1:7");
    assert.match(alone.diagnostics[0]?.suggestion ?? "", "t::turns_here");
    await state.fails("for t in threads() { print t::plain_number }", "wrong-operand@1:28");
  }));

test("let, print, if, while, for, break and continue", () =>
  withState(async (state) => {
    const lines = await state.prints(`
      let sum = 0
      for node in list(head, next) {
        if (node->value == 20) { continue }
        set sum = sum + node->value
        print node->value, sum
      }
      for node in list(ring, next) { set sum = sum + 1 }
      print sum
      let turns = 0
      while (true) {
        set turns = turns + 1
        if (turns < 3) { continue } else if (turns == 5) { break } else { print "turn", turns }
      }
      for limit in conf.limits { print limit.most, limit.factor }
      if (conf.current == NULL) { print "none" } else { print conf.current->most }
      print head->next->next->value, *head->next, &conf.limits[1] - conf.limits, greeting
      print check + on + list + in
    `);
    assert.equal(lines, [
      "10 10",
      "30 40",
      "43",
      "turn 3",
      "turn 4",
      "1 0.5",
      "20 1.5",
      "300 2.5",
      "20",
      lines[9],
      "130",
    ]);
    assert.match(lines[9] ?? "", /^30 \{value = 20, next = 0x[0-9a-f]+\} 1 0x[0-9a-f]+ "hello"$/);
  }));

test("for over what the process is and has", () =>
  withState(
    async (state) => {
      const lines = await state.prints(`
        let workers = 0
        for t in threads() { if (t.name == "worker-0" || t.name == "worker-1") { set workers = workers + 1 } }
        print workers, threads().length
        for child in children() { print child.pid > 1, child.threads, child.exe }
        for file in files() { if (file.fd == 0) { print file.kind, file.path != "" } }
        for map in maps() { if (map.executable && map.offset != 0 && map.path == children()[0].exe) { print "code", map.size } }
        for frame in stack(threads()[0]) { if (frame.function == "target_serve") { print "serving" } }
        print memory().resident > 64KiB, bytes(&greeting, 8).length
      `);
      const { program } = state.target;
      assert.is(lines[0], "2 4");
      assert.equal(lines.slice(1, 3), [`1 1 ${program}`, `1 1 ${program}`]);
      assert.ok(
        lines.some((line) => /^code [0-9.]+KiB$/.test(line)),
        lines.join("\n"),
      );
      assert.ok(lines.includes("serving"), lines.join("\n"));
      assert.is(lines.at(-1), "1 8");
    },
    { args: ["--workers=2", "--children=2"] },
  ));

test("a loop without end is given up; damaged lists and pointers say where", () =>
  withState(async (state) => {
    const cycle = await state.fails(
      "for n in list(broken, next) { print n->value }",
      "list-cycle@1:10",
    );
    assert.match(cycle.diagnostics[0]?.message ?? "", /element 2 leads back to element 1 \(0x/);
    const text = "let x = 1\nprint head->next->next->next->value";
    const end = await state.fails(text, "null-pointer@2:7");
    assert.match(end.diagnostics[0]?.message ?? "", "`head->next->next->next` is NULL");
    const wild = await state.fails("print wild->value", "wild-pointer@1:7");
    assert.match(wild.diagnostics[0]?.message ?? "", "`wild->value` lies at 0x7654321000");
    await state.fails("print *(int *)0xffff800000001000", "wild-pointer@1:8");
    await state.fails("print *nothing", "null-pointer@1:8");
    await state.fails("print plain_number / (on - 32)", "division-by-zero@1:7");
  }));

test("an error inside recipes names the chain of callers, at run time", () =>
  withState(async (state) => {
    const script = `recipe value_of(node) {
  return node->value
}
recipe raise(place, amount) {
  set place = place + amount
  print value_of(nothing)
}
print value_of(head)
raise(conf.limits[1].most, 5)
`;
    const failed = await state.run(script);
    assert.equal(failed.places, ["null-pointer@2:10"]);
    assert.is(failed.code, 3);
    assert.is(failed.done.state, "unchanged");
    const person = await state.place.polus(
      "run",
      state.place.file("s.polus", script),
      "--pid",
      String(state.pid),
    );
    const lines = person.stderr.split("\n").filter((line) => /s\.polus:\d/.test(line));
    assert.equal(
      lines.map((line) => line.replace(/.*s\.polus:/, "")),
      [
        "2:10: error null-pointer: `node` is NULL: it has no member `value`",
        "6:9: in recipe `value_of`, called here",
        "9:1: in recipe `raise`, called here",
      ],
    );
    assert.equal((await state.show())["limits"], [1, 20, 300]);
    // By name: the caller's place was set, and put back.
    assert.match(person.stderr, "conf.limits[1].most");
  }));

test.run();
