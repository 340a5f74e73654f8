/** The machine that figures were taken on, in a line. */
import { cpus, release, totalmem, version } from "node:os";
import { readFileSync } from "node:fs";

function distribution(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
  } catch {
    return "Linux";
  }
}

export function describeMachine(): string {
  const processors = cpus();
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  const kernel = version().includes("Debian") ? `${release()} of Debian` : release();
  return (
    `${processors.length} processors (${processors[0]?.model.trim() ?? "unknown"}), ${memory} GiB of memory, ` +
    `${distribution()}, kernel ${kernel}, Node ${process.version}`
  );
}
