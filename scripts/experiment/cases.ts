/** The cases of the experiment. */
import { httpdCase } from "../../examples/httpd/case.js";
import { opensshExecutes, opensshForks } from "../../examples/openssh/case.js";
import { vsftpdMatcher, vsftpdSeries } from "../../examples/vsftpd/case.js";
import { runCase, type CaseReport, type RunOptions } from "./run.js";
import type { Built, RunningServer, ServerCase } from "./case.js";

/** A case whose kind of server is nobody else's business. */
export interface AnyCase {
  readonly name: string;
  readonly title: string;
  readonly sources: readonly string[];
  prepare(say: (text: string) => void): Built | { readonly missing: string };
  run(built: Built, options: RunOptions): Promise<CaseReport>;
}

function anyCase<S extends RunningServer>(of: ServerCase<S>): AnyCase {
  return {
    name: of.name,
    title: of.title,
    sources: of.sources,
    prepare: (say) => of.prepare(say),
    run: (built, options) => runCase(of, built, options),
  };
}

export const cases: readonly AnyCase[] = [
  anyCase(vsftpdMatcher),
  anyCase(vsftpdSeries),
  anyCase(opensshForks),
  anyCase(opensshExecutes),
  anyCase(httpdCase("prefork")),
  anyCase(httpdCase("worker")),
  anyCase(httpdCase("event")),
];
