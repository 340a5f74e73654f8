import { test } from "uvu";
import * as assert from "uvu/assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadSettings, settingsPaths } from "../../interpreter/settings.js";
import { temporaryFolder } from "./temporary_folder.js";

function file(text: string): string {
  const path = join(temporaryFolder(), "settings.json");
  writeFileSync(path, text);
  return path;
}

test("no file, no settings, no problem", async () => {
  assert.equal(await loadSettings({}, ["/nonexistent/settings.json"]), {
    settings: {},
    problems: [],
  });
});

test("the person's settings go over the system's", async () => {
  const loaded = await loadSettings({}, [
    file('{"colour":"never","compile_deadline_s":10}'),
    file('{"compile_deadline_s":20}'),
  ]);
  assert.equal(loaded, { settings: { colour: "never", compile_deadline_s: 20 }, problems: [] });
});

test("what is wrong is told and counts as absent", async () => {
  const wrong = [
    "not json",
    "[]",
    '{"colour":"blue"}',
    '{"compile_deadline_s":0}',
    '{"journal_folder":"relative"}',
    '{"unknown_setting":1}',
  ];
  for (const text of wrong) {
    const path = file(text);
    const { settings, problems } = await loadSettings({}, [path]);
    assert.equal(settings, {}, text);
    assert.is(problems.length, 1, text);
    assert.is(problems[0]?.path, path);
  }
});

test("places follow the XDG rules", () => {
  assert.equal(settingsPaths({ XDG_CONFIG_HOME: "/c", HOME: "/h" }), [
    "/etc/polus/settings.json",
    "/c/polus/settings.json",
  ]);
  assert.equal(settingsPaths({ HOME: "/h" })[1], "/h/.config/polus/settings.json");
});

test.run();
