/** `polus watch`: keeps every process that a script's target matches updated, from its first instruction on. */
import { diagnose } from "../diagnose.js";
import { Stop } from "../outcome.js";
import { loadPatches } from "../patches/load.js";
import { buildPlan, type Plan } from "../plan/plan.js";
import { Watcher } from "../run/watcher.js";
import { fileTrust, readScript } from "../script.js";
import type { Command, CommandContext } from "./command.js";

export const run: Command = async (context) => {
  const trust = fileTrust(context);
  const script = await readScript(context, trust);
  const plan = buildPlan(script);
  checkThatProgramsAreNamed(context, plan);
  const loaded = await loadPatches(context, plan, trust);
  context.journal.append({
    record: "script",
    path: script.path,
    digest: script.digest,
    files: script.files.map(({ path, digest }) => ({ path, digest })),
  });
  const watcher = new Watcher(context, plan, loaded.requests, await context.engine());
  context.beforeExit(() => watcher.close());
  return watcher.run();
};

/** Without a name there is nothing to watch for. */
function checkThatProgramsAreNamed(context: CommandContext, plan: Plan): void {
  const lacking = plan.updates.filter((update) => update.checked.target?.exe === undefined);
  for (const update of lacking) {
    context.reporter.diagnostic(
      diagnose({
        code: "target-needed",
        message: `update \`${update.name}\` names no executable to watch for`,
        span: update.checked.target?.span ?? update.checked.span,
        suggestion: 'write `target { exe "NAME" }`',
      }),
    );
  }
  if (plan.updates.length === 0) {
    const [first] = plan.script.statements;
    context.reporter.diagnostic(
      diagnose({
        code: "target-needed",
        message: "the script applies no update, so that it names no executable to watch for",
        span: first?.span,
        suggestion: "`polus run SCRIPT --pid N` runs statements alone",
      }),
    );
  }
  if (lacking.length > 0 || plan.updates.length === 0) throw new Stop("invalid");
}
