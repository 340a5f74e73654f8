/** Joins the expressions of statements with the run that they belong to. */
import { diagnose } from "../diagnose.js";
import { LiveExpressions } from "../values/live_expressions.js";
import type { Expressions } from "./evaluation.js";
import type { Execution } from "./execute.js";
import { ScriptError } from "./script_error.js";
import type { StatementRunner } from "./statements.js";
import type { UndoLog } from "./undo.js";

/** Expressions for the process of one runner. */
export function liveExpressions(
  _execution: Execution,
  runner: StatementRunner,
  log: UndoLog,
): Expressions {
  const told = new Set<string>();
  return new LiveExpressions({
    inspect: () => runner.inspect(),
    recipe: (node, environment) => runner.recipe(node, environment),
    warn: (span, message) => {
      // In a loop the first time says it all.
      const key = `${span.file.path}:${span.start} ${message}`;
      if (told.has(key)) return;
      told.add(key);
      runner.context.reporter.diagnostic(
        diagnose({ severity: "warning", code: "expression-warning", message, span }),
      );
    },
    ran: (name) => log.ran(name),
    error: (error, environment) => {
      const { code, message, span, suggestion, refused } = error;
      return new ScriptError(
        { code, message, span, suggestion, kind: refused ? "refused" : "failed" },
        runner.callsOf(environment),
        runner.pid,
      );
    },
  });
}
