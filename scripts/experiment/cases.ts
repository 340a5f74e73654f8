/** The cases of the experiment. */
import { httpdCase, httpdConstructed, httpdShared } from "../../examples/httpd/case.js";
import { opensshConstructed } from "../../examples/openssh/constructed.js";
import { opensshIpqos } from "../../examples/openssh/ipqos.js";
import { opensshMaxStartups } from "../../examples/openssh/max_startups.js";
import { opensshStrictKex } from "../../examples/openssh/strict_kex.js";
import { opensshExecutes, opensshForks } from "../../examples/openssh/case.js";
import { vsftpdMatcher, vsftpdSeries } from "../../examples/vsftpd/case.js";
import { vsftpdSteps } from "../../examples/vsftpd/steps.js";
import { runCase, type CaseReport, type RunOptions } from "./run.js";
import type { Built, PrepareOptions, RunningServer, ServerCase } from "./case.js";

/** A case whose kind of server is nobody else's business. */
export interface AnyCase {
  readonly name: string;
  readonly title: string;
  prepare(options: PrepareOptions): Built | { readonly missing: string };
  run(built: Built, options: RunOptions): Promise<CaseReport>;
}

function anyCase<S extends RunningServer>(of: ServerCase<S>): AnyCase {
  return {
    name: of.name,
    title: of.title,
    prepare: (options) => of.prepare(options),
    run: (built, options) => runCase(of, built, options),
  };
}

export const cases: readonly AnyCase[] = [
  anyCase(vsftpdMatcher),
  anyCase(vsftpdSeries),
  anyCase(vsftpdSteps),
  anyCase(opensshConstructed),
  anyCase(opensshForks),
  anyCase(opensshExecutes),
  anyCase(opensshMaxStartups),
  anyCase(opensshStrictKex),
  anyCase(opensshIpqos),
  anyCase(httpdConstructed("event")),
  anyCase(httpdCase("prefork")),
  anyCase(httpdCase("worker")),
  anyCase(httpdCase("event")),
  anyCase(httpdShared),
];
