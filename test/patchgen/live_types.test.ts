// timeout 600s
/** Changes of types, applied to the running program and rolled back. */
import { test } from "uvu";
import { testLive } from "./live_pair.js";
import { typePairs } from "./pairs/types.js";

testLive(typePairs);

test.run();
