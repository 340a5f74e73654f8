/** Two builds of a version of OpenSSH, and the update between them as `polus patchgen` constructs it. */
import { dirname, join } from "node:path";
import type { Built, PrepareOptions } from "../../scripts/experiment/case.js";
import { constructUpdates } from "../../scripts/experiment/construct.js";
import { runBuild } from "../../scripts/experiment/processes.js";

/**
 * Builds `PREFIX-before-NAME` and `PREFIX-after-NAME` (see scripts/build-server), and constructs the update; or says
 * why that cannot be done.
 */
export function prepareStep(
  options: PrepareOptions,
  prefix: string,
  name: string,
): Built | { readonly missing: string } {
  if (process.getuid?.() !== 0) return { missing: "sshd separates privileges, which needs root" };
  options.say("openssh: getting the sources and building them (minutes, the first time)");
  const before = runBuild("scripts/build-server", `${prefix}-before-${name}`);
  if ("missing" in before) return before;
  const after = runBuild("scripts/build-server", `${prefix}-after-${name}`);
  if ("missing" in after) return after;
  const binary = join(before.folder, "sshd");
  return {
    oldVersion: binary,
    newVersion: join(after.folder, "sshd"),
    updates: constructUpdates({
      ...options,
      base: before.folder,
      binary,
      steps: [{ name: name.replaceAll("-", "_"), version: after.folder }],
      folder: join(dirname(before.folder), `openssh-${name}`),
    }),
  };
}
