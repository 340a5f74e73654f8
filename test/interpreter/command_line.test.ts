import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  commandNames,
  helpText,
  parseCommandLine,
  parsePid,
  parsePoint,
  parseVariable,
  type CommandLine,
} from "../../interpreter/command_line.js";

function parse(line: string): CommandLine {
  return parseCommandLine(line.split(" ").filter((word) => word !== ""));
}

function invalid(line: string): { message: string; suggestion: string | null } {
  const result = parse(line);
  if (result.kind !== "invalid") throw new Error(`accepted: ${line}`);
  return result;
}

test("options may stand anywhere, with = or as the next word, and repeat where allowed", () => {
  const result = parse("run --pid 12 a.polus --json --pid=13 --var a=b=c --yes");
  if (result.kind !== "command") throw new Error("not accepted");
  const { command, operands, flags, values } = result.parsed;
  assert.is(command, "run");
  assert.equal(operands, ["a.polus"]);
  assert.equal([...flags].sort(), ["json", "yes"]);
  assert.equal(values.get("pid"), ["12", "13"]);
  assert.equal(values.get("var"), ["a=b=c"]);
});

test("after -- everything is an operand", () => {
  const result = parse("check -- --json");
  if (result.kind !== "command") throw new Error("not accepted");
  assert.equal(result.parsed.operands, ["--json"]);
  assert.is(result.parsed.flags.size, 0);
});

test("no command, --help and help show the help; each command has its own", () => {
  assert.equal(parse(""), { kind: "help", command: null });
  assert.equal(parse("--help"), { kind: "help", command: null });
  assert.equal(parse("help run"), { kind: "help", command: "run" });
  assert.equal(parse("rollback -h"), { kind: "help", command: "rollback" });
  assert.equal(parse("rollback --pid 3 --help"), { kind: "help", command: "rollback" });
  for (const name of commandNames) {
    assert.match(helpText(null), name);
    assert.match(helpText(name), `usage: polus ${name}`);
  }
});

test("help wins over what is missing, so that `polus run --help` works", () => {
  assert.equal(parse("run --help"), { kind: "help", command: "run" });
});

test("wrong command lines are told with a suggestion", () => {
  assert.match(invalid("rn a.polus").suggestion ?? "", "did you mean `run`?");
  assert.match(invalid("run a.polus --jsno").suggestion ?? "", "did you mean `--json`?");
  assert.match(invalid("run a.polus --dryrun").suggestion ?? "", "did you mean `--dry-run`?");
  assert.match(invalid("run").message, "SCRIPT is missing");
  assert.match(invalid("run a b").message, "unexpected `b`");
  assert.match(invalid("rollback").message, "`--pid N` is missing");
  assert.match(invalid("rollback --pid").message, "needs a value");
  assert.match(invalid("rollback --pid --json").message, "needs a value");
  assert.match(invalid("rollback --pid 1 --pid 2").message, "given twice");
  assert.match(invalid("rollback --pid 1 --to nopoint").message, "UPDATE.POINT");
  assert.match(invalid("run a.polus --json=yes").message, "takes no value");
  assert.match(invalid("run a.polus --var novalue").message, "NAME=VALUE");
  assert.match(invalid("check a --pid 1 --exe b").message, "exclude each other");
  assert.match(invalid("--jsn").message, "no option");
});

test("`constructor` and the like are no options", () => {
  assert.match(invalid("run a --constructor x").message, "has no option");
  assert.match(invalid("run a --__proto__").message, "has no option");
});

test("a pid is a positive number that a kernel can have given", () => {
  assert.is(parsePid("1"), 1);
  assert.is(parsePid("4194304"), 4194304);
  for (const text of ["0", "-1", "1.5", "", "0x10", "abc", "99999999999", "4294967296", " 1"]) {
    assert.is(parsePid(text), null, text);
    if (text.trim() !== "" && !text.includes(" ")) {
      assert.match(invalid(`status --pid=${text}`).message, "no process id");
    }
  }
});

test("variables and points are split at the first = and the dot", () => {
  assert.equal(parseVariable("a=b=c"), { name: "a", value: "b=c" });
  assert.equal(parseVariable("a="), { name: "a", value: "" });
  assert.is(parseVariable("=b"), null);
  assert.equal(parsePoint("fix.start"), { update: "fix", point: "start" });
  for (const text of ["fix", "fix.", ".start", "a.b.c", "a b.c"]) assert.is(parsePoint(text), null);
});

test.run();
