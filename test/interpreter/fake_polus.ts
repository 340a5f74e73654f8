/** The command with the fake engine in place of the native one: what tests run as a child process. */
import { main, systemHost } from "../../interpreter/main.js";
import { FakeEngine } from "./fake_engine.js";

const world = process.env["POLUS_TEST_WORLD"];
if (world === undefined) throw new Error("POLUS_TEST_WORLD names no file");

const host = systemHost(() => Promise.resolve(FakeEngine.fromFile(world)));
process.exit(await main(process.argv.slice(2), host));
