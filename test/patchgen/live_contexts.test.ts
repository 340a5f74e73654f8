// timeout 600s
/** Changes of what the text of the changed function does not show, applied to the running program and rolled back. */
import { test } from "uvu";
import { testLive } from "./live_pair.js";
import { contextPairs } from "./pairs/contexts.js";

testLive(contextPairs);

test.run();
