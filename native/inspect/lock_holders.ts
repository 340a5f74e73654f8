/** Which threads may be borrowed for a call, by what their stacks say of locks. */
import { addon, type CallCandidate, type TracerHandle } from "../addon/addon.js";
import { readStat } from "../process/proc.js";
import { onMember, type TargetProcess } from "../session/target_process.js";

const mostStack = 1 << 20;
const mostFrames = 256;

/** Words of user_regs_struct. */
const originalRaxAt = 15 * 8;
const ripAt = 16 * 8;
const rspAt = 19 * 8;
/** What the kernel makes of a sleep that was interrupted: tells nothing of the program's own call. */
const restartSyscall = 219;
const futexSyscall = 202;

/**
 * Functions of the C library and the loader inside which a thread may hold a lock that a called
 * function takes too. Waiting for a condition, a semaphore or a thread holds none.
 */
const holders = [
  /^(__libc_|__)?(malloc|calloc|realloc|reallocarray|free|cfree|memalign|aligned_alloc|posix_memalign|valloc|pvalloc)$/,
  /^(_int_|sysmalloc|systrim|malloc_|arena_get|tcache_|ptmalloc|__malloc)/,
  /^(_dl_|__dl|dl(open|mopen|sym|vsym|close|addr|info|iterate_phdr|error)$|__tls_get_addr|_dlerror)/,
  /^(_IO_|__v?f?printf|v?f?d?s?n?printf|f?puts|f?putc|putchar|f(read|write|flush|close|open|gets|getc|seek|tell)|getline|getdelim|perror|syslog|__?vsyslog|__overflow|__underflow|__uflow)/,
  /^(__?pthread_(mutex|rwlock|spin|create|once|exit|cancel|atfork|key)|pthread_(mutex|rwlock|spin|create|once|exit|cancel|atfork|key)|___pthread_mutex|__lll_lock|__fork|fork$|__run_exit_handlers|exit$|abort$|__cxa_)/,
  /^(__?tz|tzset|localtime|mktime|strftime|setlocale|getenv|setenv|unsetenv|putenv|gethostby|getaddrinfo|getpw|getgr)/,
];

function mayHoldLock(name: string): boolean {
  return holders.some((pattern) => pattern.test(name));
}

export interface Borrowable {
  readonly candidate: CallCandidate;
  /** Empty: none is held as far as the stack tells. */
  readonly locks: readonly string[];
  /**
   * Sleeps in a system call that is no futex(2): programs seldom do so with a lock of their own. Or the
   * program has not begun.
   */
  readonly atRest: boolean;
}

/** Threads of a process, those first that sleep in a system call and hold no lock that is known. */
export async function borrowable(
  tracer: TracerHandle,
  target: TargetProcess,
): Promise<readonly Borrowable[]> {
  const begins = standsAtEntry(target.pid);
  const { threads } = await onMember(target, () =>
    addon.tracerSnapshot(tracer, target.handle, mostStack),
  );
  const modules = target.unwindModules;
  const ranked = threads.map((thread) => {
    const { frames, incomplete } = addon.unwind(target.pid, modules, thread, mostFrames);
    const locks = new Set<string>();
    for (const { pc } of frames) {
      const module = target.modules.find((m) => pc >= m.info.start && pc < m.info.end);
      const name = module === undefined ? undefined : addon.symbolAt(module.handle, pc)?.name;
      if (name !== undefined && mayHoldLock(name)) locks.add(name);
    }
    if (incomplete !== null && frames.length < 2 && !begins) {
      locks.add("a stack that cannot be unwound");
    }
    const call = Number(thread.registers.readBigInt64LE(originalRaxAt));
    const inCall = call >= 0;
    return {
      rank: (locks.size > 0 ? 4 : 0) + (inCall ? 0 : 2) + (thread.tid === target.pid ? 0 : 1),
      locks: [...locks],
      atRest: (begins || (inCall && call !== futexSyscall)) && locks.size === 0,
      candidate: {
        tid: thread.tid,
        pc: thread.registers.readBigUInt64LE(ripAt),
        sp: thread.registers.readBigUInt64LE(rspAt),
        call: inCall && call !== restartSyscall ? call : 0,
      },
    };
  });
  return ranked.sort((a, b) => a.rank - b.rank);
}

/** True for a process that a watch holds at its program's entry point: nothing else keeps one stopped. */
function standsAtEntry(pid: number): boolean {
  return readStat(pid)?.state === "t";
}

/** True for a process that job control has stopped. */
export function isStopped(pid: number): boolean {
  return readStat(pid)?.state === "T";
}
