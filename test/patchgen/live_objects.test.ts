// timeout 600s
/** Changes of objects of static storage duration, applied to the running program and rolled back. */
import { test } from "uvu";
import { testLive } from "./live_pair.js";
import { objectPairs } from "./pairs/objects.js";

testLive(objectPairs);

test.run();
