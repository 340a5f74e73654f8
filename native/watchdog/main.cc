// polus_watchdog: kills a tracer that holds a target's threads for too long.
//
// polus itself may be stopped (SIGSTOP, terminal flow control) or swapped out while it
// holds threads; the kernel then holds the target for ever. This small process looks at a
// shared page in which the tracer writes, before it holds anything, until when it may.
// Killing the tracer is safe: at every instant the target can go on without it.
//
// A tracer that is stopped is killed as soon as the time is up; one that runs, and is merely
// late on a busy machine, lets go by itself and is given some grace.
//
//   polus_watchdog PIDFD MEMFD PID    (descriptors inherited from polus, and its pid)
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>

#include "hold_deadline.h"

namespace {

// While somebody may be held for a short time only, and else.
constexpr int kTickMilliseconds = 4;
constexpr int kIdleTickMilliseconds = 20;
constexpr uint64_t kShortNanoseconds = 200'000'000;
constexpr uint64_t kGraceNanoseconds = 2'000'000'000;

// True if the process is stopped by a signal or a debugger (proc(5), state T or t).
bool IsStopped(int stat) {
  char text[1024];
  ssize_t n = ::pread(stat, text, sizeof text - 1, 0);
  if (n <= 0) return false;
  text[n] = '\0';
  const char *close = std::strrchr(text, ')');
  return close != nullptr && (close[2] == 'T' || close[2] == 't');
}

uint64_t Now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int tracer = std::atoi(argv[1]);
  int shared = std::atoi(argv[2]);
  // A Ctrl-C is for the tracer; we go when it goes.
  ::setsid();
  for (int s : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP}) ::signal(s, SIG_IGN);
  void *page = ::mmap(nullptr, sizeof(polus::HoldDeadline), PROT_READ, MAP_SHARED, shared, 0);
  if (page == MAP_FAILED) return 2;
  const auto *hold = static_cast<const polus::HoldDeadline *>(page);
  int stat = ::open((std::string("/proc/") + argv[3] + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  int tick = kTickMilliseconds;
  for (;;) {
    pollfd p{tracer, POLLIN, 0};
    int n = ::poll(&p, 1, tick);
    if (n > 0) return 0;  // the tracer has ended
    uint64_t until = hold->until_ns.load(std::memory_order_acquire);
    uint64_t now = Now();
    if (until != 0 && now > until && (now > until + kGraceNanoseconds || IsStopped(stat))) {
      ::syscall(SYS_pidfd_send_signal, tracer, SIGKILL, nullptr, 0);
    }
    tick = until == 0 || until > now + kShortNanoseconds ? kIdleTickMilliseconds : kTickMilliseconds;
  }
}
