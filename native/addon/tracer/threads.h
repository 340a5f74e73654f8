// What /proc says of a process's threads.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace polus {

struct ThreadInfo {
  pid_t tid;
  char state;          // R, S, D, T, t, Z, X…
  uint64_t cpu_ticks;  // user and system time so far
};

// Thread ids of a process; empty once it is gone.
std::vector<pid_t> ListThreads(pid_t process);
// The process first, then others that share its memory: their threads may write there too.
std::vector<pid_t> ProcessesOfMemory(pid_t process);
// Thread group (process) of a thread, 0 if it is gone.
pid_t ThreadGroup(pid_t tid);
// 0 once the process has ended.
pid_t ParentOf(pid_t process);
// State letter of a thread, 'X' once it is gone.
char ThreadState(pid_t process, pid_t tid);
// State 'X' once it is gone.
ThreadInfo ThreadInfoOf(pid_t process, pid_t tid);
std::vector<ThreadInfo> ListThreadStates(pid_t process);
// Stack pointer of a thread that is blocked in a system call; 0 if it runs.
uint64_t SleepingStackPointer(pid_t process, pid_t tid);
// "Seccomp:" of the thread: 0 none, 1 strict, 2 filter.
int SeccompMode(pid_t process, pid_t tid);
// True if the thread has a user shadow stack (CET).
bool HasShadowStack(pid_t process, pid_t tid);

}  // namespace polus
