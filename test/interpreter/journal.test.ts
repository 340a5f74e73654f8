import { test } from "uvu";
import * as assert from "uvu/assert";
import { linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Journal, journalFileName, journalFolder, readJournal } from "../../interpreter/journal.js";
import type { JournalEntry } from "../../interpreter/journal.js";
import { temporaryFolder } from "./temporary_folder.js";

const end: JournalEntry = { record: "end", outcome: "applied", state: null, duration_ms: 1.5 };

test("records are appended, readable only by their owner, and valid", async () => {
  const folder = join(temporaryFolder(), "state", "polus");
  const warnings: string[] = [];
  const journal = new Journal(folder, (message) => warnings.push(message));
  journal.append(end);
  journal.append({
    record: "operation-end",
    operation: "apply",
    pids: [12, 13],
    update: "fix",
    point: null,
    result: "refused",
    functions: 0,
    stall_us_max: 0,
    error: { code: "GONE", message: 'process 12 is gone\n"quoted"' },
  });
  const path = join(folder, journalFileName(new Date()));
  assert.is(statSync(folder).mode & 0o777, 0o700);
  assert.is(statSync(path).mode & 0o777, 0o600);
  const read = await readJournal(path);
  assert.equal(read.damaged, []);
  assert.equal(
    read.records.map((record) => record.record),
    ["end", "operation-end"],
  );
  assert.ok(read.records.every((record) => record.run === journal.run));
  assert.equal(warnings, []);
});

test("several runs append to one file", async () => {
  const folder = temporaryFolder();
  for (let at = 0; at < 5; at++) new Journal(folder, assert.unreachable).append(end);
  const { records } = await readJournal(join(folder, journalFileName(new Date())));
  assert.is(new Set(records.map((record) => record.run)).size, 5);
});

test("a journal that cannot be written warns once and stops nothing", () => {
  const folder = join(temporaryFolder(), "file");
  writeFileSync(folder, "in the way");
  const warnings: string[] = [];
  const journal = new Journal(folder, (message) => warnings.push(message));
  journal.append(end);
  journal.append(end);
  assert.is(warnings.length, 1);
  assert.match(warnings[0] ?? "", "cannot be written");
});

test("links in the journal's place are not followed", () => {
  for (const makeLink of [symlinkSync, linkSync]) {
    const folder = temporaryFolder();
    const victim = join(folder, "victim");
    writeFileSync(victim, "precious\n");
    mkdirSync(join(folder, "polus"));
    makeLink(victim, join(folder, "polus", journalFileName(new Date())));
    const warnings: string[] = [];
    new Journal(join(folder, "polus"), (message) => warnings.push(message)).append(end);
    assert.is(readFileSync(victim, "utf8"), "precious\n");
    assert.is(warnings.length, 1);
  }
});

test("damaged lines are told by number and do not hide the others", async () => {
  const folder = temporaryFolder();
  new Journal(folder, assert.unreachable).append(end);
  const path = join(folder, journalFileName(new Date()));
  const good = readFileSync(path, "utf8");
  writeFileSync(path, `{"record":"end"\n${good}{"record":"unknown"}\n`);
  const { records, damaged } = await readJournal(path);
  assert.is(records.length, 1);
  assert.equal(
    damaged.map(({ line }) => line),
    [1, 3],
  );
});

test("the folder follows the XDG rules and the setting", () => {
  assert.is(journalFolder({ XDG_STATE_HOME: "/s", HOME: "/h" }), "/s/polus");
  assert.is(journalFolder({ XDG_STATE_HOME: "relative", HOME: "/h" }), "/h/.local/state/polus");
  assert.is(journalFolder({ HOME: "/h" }, "/var/log/polus"), "/var/log/polus");
});

test.run();
