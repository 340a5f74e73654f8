/** What this machine allows a live updater, for `polus doctor`. */
import { readFileSync, readdirSync } from "node:fs";
import type { Finding } from "../engine.js";
import { readStatus } from "./proc.js";

const capability = { sysPtrace: 19n, sysAdmin: 21n } as const;

function sysctl(path: string): string | null {
  try {
    return readFileSync(`/proc/sys/${path}`, "latin1").trim();
  } catch {
    return null;
  }
}

function hasCapability(bit: bigint): boolean {
  const effective = BigInt(`0x${readStatus(process.pid).get("CapEff") ?? "0"}`);
  return ((effective >> bit) & 1n) === 1n;
}

/** The kernel's release as numbers. */
function kernelRelease(): readonly [number, number] {
  const match = /^([0-9]+)\.([0-9]+)/.exec(sysctl("kernel/osrelease") ?? "0.0");
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

export function examineMachine(): Finding[] {
  const findings: Finding[] = [];
  const [major, minor] = kernelRelease();
  const atLeast = (a: number, b: number): boolean => major > a || (major === a && minor >= b);
  findings.push(
    atLeast(5, 3)
      ? { topic: "kernel", verdict: "ok", text: `Linux ${sysctl("kernel/osrelease") ?? "?"}` }
      : {
          topic: "kernel",
          verdict: "missing",
          text: `Linux ${major}.${minor} has no pidfd_open`,
          help: "Linux 5.3 or later is needed",
        },
  );
  const anyTarget = hasCapability(capability.sysPtrace);
  findings.push(
    anyTarget
      ? { topic: "ptrace", verdict: "ok", text: "any process can be traced (CAP_SYS_PTRACE)" }
      : {
          topic: "ptrace",
          verdict: "limited",
          text: "only your own processes can be traced",
          help: "run as root, or give polus CAP_SYS_PTRACE",
        },
  );
  const scope = sysctl("kernel/yama/ptrace_scope");
  if (scope === "3")
    findings.push({
      topic: "yama",
      verdict: "missing",
      text: "ptrace is switched off until the next boot (ptrace_scope 3)",
    });
  else if (scope !== null && scope !== "0" && !anyTarget) {
    findings.push({
      topic: "yama",
      verdict: "missing",
      text: `ptrace_scope ${scope} forbids tracing running processes`,
      help: "sysctl kernel.yama.ptrace_scope=0, or run as root",
    });
  }
  findings.push(
    hasCapability(capability.sysAdmin)
      ? {
          topic: "seccomp",
          verdict: "ok",
          text: "filters of targets can be read and suspended (CAP_SYS_ADMIN)",
        }
      : {
          topic: "seccomp",
          verdict: "limited",
          text: "targets under a seccomp filter are refused",
          help: "run with CAP_SYS_ADMIN",
        },
  );
  let mapFiles = true;
  try {
    readdirSync("/proc/self/map_files");
  } catch {
    mapFiles = false;
  }
  if (!mapFiles)
    findings.push({
      topic: "deleted files",
      verdict: "limited",
      text: "libraries that were replaced on disk cannot be read",
    });
  return findings;
}
