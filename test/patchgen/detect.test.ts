// timeout 400s
/** Detection over the pairs: what differs is named, and nothing else. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Detection, Tree } from "../../patchgen/model.js";
import { bodyPairs } from "./pairs/bodies.js";
import { contextPairs } from "./pairs/contexts.js";
import { cosmeticPairs } from "./pairs/cosmetic.js";
import { objectPairs } from "./pairs/objects.js";
import { mainText, newText, type Pair } from "./pairs/pair.js";
import { typePairs } from "./pairs/types.js";
import { baseFolder, compareTrees, treeWith } from "./source_trees.js";

const mainFile = join(baseFolder, "main.c");
writeFileSync(mainFile, mainText);
const pairs: readonly Pair[] = [
  ...bodyPairs,
  ...objectPairs,
  ...typePairs,
  ...contextPairs,
  ...cosmeticPairs,
];

function told(detection: Detection): Required<Pick<Pair, "functions" | "data" | "types">> {
  const named = (name: string, owner: string | null): string =>
    owner === null ? name : `${owner}.${name}`;
  return {
    functions: detection.units.flatMap((unit) =>
      unit.functions.map((one) => `${one.name} ${one.reasons.map(({ kind }) => kind).join(",")}`),
    ),
    data: detection.units.flatMap((unit) =>
      unit.data.map((one) => `${named(one.name, one.function)} ${one.how}`),
    ),
    types: detection.types.map((type) => type.name),
  };
}

function answer(tree: Tree, number: number): number {
  const program = join(tree.root, "program");
  const built = spawnSync("gcc", ["-O1", "-w", "-o", program, "unit.c", mainFile], {
    cwd: tree.root,
  });
  assert.is(built.status, 0, String(built.stderr));
  const run = spawnSync(program, { input: `${number}\n`, timeout: 10_000 });
  return Number(String(run.stdout).trim());
}

for (const pair of pairs) {
  test(`${pair.name}: detected`, async () => {
    const old = treeWith({ "unit.c": pair.text });
    const now = treeWith({ "unit.c": newText(pair) });
    const detection = await compareTrees(old, now);
    const { functions, data = [], types = [] } = pair;
    const [number, before, after] = pair.asks;
    assert.equal(
      { ...told(detection), answers: [answer(old, number), answer(now, number)] },
      { functions, data, types, answers: [before, after] },
    );
  });
}

test.run();
