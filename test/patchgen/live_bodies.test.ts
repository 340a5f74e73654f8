// timeout 600s
/** Changes of what functions do, applied to the running program and rolled back. */
import { test } from "uvu";
import { testLive } from "./live_pair.js";
import { bodyPairs } from "./pairs/bodies.js";

testLive(bodyPairs);

test.run();
