// timeout 300s
/** Versions that mean the same: the constructor says so and writes nothing. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PairPlace, Refused } from "./live_pair.js";
import { cosmeticPairs } from "./pairs/cosmetic.js";

for (const pair of cosmeticPairs) {
  test(`${pair.name}: nothing to do`, async () => {
    const place = new PairPlace(pair);
    try {
      await place.patch();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      assert.match(error.message, /do not differ in what a patch could change/);
      assert.not(place.hasPatch());
      return;
    }
    assert.unreachable("a patch was constructed");
  });
}

test("at least twenty pairs without a change in meaning", () => {
  assert.ok(cosmeticPairs.length >= 20);
});

test.run();
