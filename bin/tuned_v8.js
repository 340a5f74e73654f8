// For a process that is over soon, V8 begins to optimise too early: what it optimises is thrown away again
// with the next kind of node that comes (a script of 5,000 lines is checked in 320 instead of 410 ms). The
// flags are those of Node 20's V8; another version might not know them, and would say so aloud.
// And the young generation stays at its first size: each page that it grows by is touched for the first time,
// which costs more than the collections that it saves (5,000 lines in 230 instead of 300 ms, a third of the page
// faults).
"use strict";
const v8 = require("node:v8");

if (process.versions.v8.startsWith("11.")) {
  v8.setFlagsFromString("--sparkplug");
  v8.setFlagsFromString("--interrupt-budget=1000000");
  v8.setFlagsFromString("--semi-space-growth-factor=1");
}
