/** Which processes a process has started. */
import { listPids, listThreads, readStat, readTaskFile } from "./proc.js";

/** Of a process with more threads, a pass over all of /proc takes no longer than one over its threads. */
const mostThreads = 32;
const attempts = 4;

/** Children of every process, by one pass over /proc. */
function childrenByParent(): ReadonlyMap<number, readonly number[]> {
  const children = new Map<number, number[]>();
  for (const pid of listPids()) {
    const stat = readStat(pid);
    if (stat === null) continue;
    const list = children.get(stat.parent);
    if (list === undefined) children.set(stat.parent, [pid]);
    else list.push(pid);
  }
  return children;
}

/** What the threads of a process say of its children; `null` if it has ended, or where the kernel does not tell. */
function childrenByThread(pid: number): ReadonlyMap<number, string> | null {
  const threads = listThreads(pid);
  if (threads.length === 0 || threads.length > mostThreads) return null;
  const told = new Map<number, string>();
  for (const tid of threads) {
    const children = readTaskFile(pid, tid, "children");
    if (children === null) return null;
    told.set(tid, children);
  }
  return told;
}

/**
 * A list of proc_pid_children(5) may lack a child only if one that it does name has been reaped meanwhile (the
 * kernel goes on from the last that it has named, or else by their number), and a thread that ends hands its
 * children on to another: two equal readings lack none.
 */
function childrenByItself(pid: number): readonly number[] | null {
  let before = childrenByThread(pid);
  for (let attempt = 0; attempt < attempts && before !== null; attempt++) {
    const now = childrenByThread(pid);
    if (now !== null && isSame(before, now))
      return [...now.values()].flatMap((list) => list.split(" ").filter(Boolean).map(Number));
    before = now;
  }
  return null;
}

function isSame(a: ReadonlyMap<number, string>, b: ReadonlyMap<number, string>): boolean {
  return a.size === b.size && [...a].every(([tid, children]) => b.get(tid) === children);
}

/** Children of a process, also those that have ended and that it has not waited for; none of one that has ended. */
export function childrenOf(pid: number): readonly number[] {
  return childrenByItself(pid) ?? childrenByParent().get(pid) ?? [];
}

/** A process and all that descend from it, parents before children. */
export function familyOf(pid: number): number[] {
  // It grows while it is gone through; a child that is reparented meanwhile stays where it was first.
  const found = new Set([pid]);
  for (const one of found) for (const child of childrenOf(one)) found.add(child);
  return [...found];
}

/** Descendants, parents before children; zombies left out. */
export function descendantsOf(pid: number): number[] {
  return familyOf(pid)
    .slice(1)
    .filter((one) => readStat(one)?.state !== "Z");
}
