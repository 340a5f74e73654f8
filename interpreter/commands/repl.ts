/** `polus repl`: a conversation with a process. */
import { parsePid } from "../command_line.js";
import { isBad, Stop, type Outcome } from "../outcome.js";
import { journalFolder } from "../journal.js";
import { wantsColour } from "../progress/paint.js";
import { complete } from "../repl/completion.js";
import { replCommands } from "../repl/commands.js";
import { Conversation } from "../repl/conversation.js";
import { History } from "../repl/history.js";
import { LineEditor } from "../repl/line_editor.js";
import { ReplReporter } from "../repl/repl_reporter.js";
import { diagnose } from "../diagnose.js";
import { didYouMean } from "../../lang/diagnostics/suggest.js";
import type { Command } from "./command.js";

export const run: Command = async (context) => {
  const { outputs, environment, settings } = context;
  const terminal = process.stdin.isTTY && process.stdout.isTTY ? process.stdout : null;
  const colour = terminal !== null && wantsColour(environment, settings.colour);
  const remarks = terminal === null ? outputs.error : outputs.standard;
  const reporter = new ReplReporter(outputs.standard, remarks, colour);
  const conversation = new Conversation(context, reporter);
  context.beforeExit(() => conversation.detach());
  // Without a terminal nobody is there to react: the first input that fails ends the session.
  let worst: Outcome = "completed";
  const settle = (outcome: Outcome): void => {
    if (terminal !== null || !isBad(outcome)) return;
    worst = outcome;
    conversation.leave();
  };
  const pid = parsePid(context.parsed.values.get("pid")?.[0] ?? "");
  if (pid !== null) {
    const outcome = await conversation.attach(pid);
    if (isBad(outcome)) throw new Stop(outcome);
  }
  const [script] = context.parsed.operands;
  if (script !== undefined) {
    const outcome = await conversation.load(script, { statements: false });
    if (isBad(outcome)) throw new Stop(outcome);
  }
  const history = new History(journalFolder(environment, settings.journal_folder), (message) =>
    reporter.warning(message),
  );
  if (terminal !== null) history.load();
  if (terminal !== null) reporter.remark("`.help` lists what there is; Ctrl-D leaves");

  const editor = new LineEditor(
    {
      input: process.stdin,
      output: outputs.standard,
      terminal,
      colour,
      history,
      commands: [...replCommands.keys()],
    },
    {
      prompt: () => conversation.prompt,
      isIncomplete: (text) => conversation.dialogue.isIncomplete(text),
      input: async (text) => {
        settle(await conversation.input(text));
        await conversation.look();
      },
      command: async (name, rest) => {
        let inner: Outcome = "completed";
        const outer = await conversation.guarded(async () => {
          inner = (await replCommands.get(name)?.run(conversation, rest)) ?? "completed";
          return "completed";
        });
        settle(isBad(outer) ? outer : inner);
        await conversation.look();
      },
      unknownCommand: (name) => {
        reporter.diagnostic(
          diagnose({
            code: "unknown-command",
            message: `there is no command \`.${name}\``,
            suggestion: didYouMean(name, replCommands.keys()) ?? "`.help` lists them",
          }),
        );
        settle("invalid");
      },
      complete: (text) => complete(text, conversation, [...replCommands.keys()]),
      interrupt: () => conversation.interrupt("Ctrl-C"),
      hint: (text) => reporter.remark(text),
    },
  );
  conversation.leave = () => editor.close();
  // Signals: the run's own interruption is for one run; here each input has its own.
  const { abortSignal } = context.interruption;
  const stop = (): void => {
    conversation.interrupt(context.interruption.requestedBy ?? "a signal");
    editor.close();
  };
  abortSignal.addEventListener("abort", stop, { once: true });
  if (abortSignal.aborted) stop();
  await editor.left;
  editor.release();
  await conversation.detach();
  if (isBad(worst)) throw new Stop(worst);
  return "completed";
};
