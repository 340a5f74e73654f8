// polus_watchdog: kills a tracer that holds a target's threads for too long.
//
// polus itself may be stopped (SIGSTOP, terminal flow control) or swapped out while it
// holds threads; the kernel then holds the target for ever. This small process looks at a
// shared page in which the tracer writes, before it holds anything, until when it may.
// Killing the tracer is safe: at every instant the target can go on without it.
//
//   polus_watchdog PIDFD MEMFD     (descriptors inherited from polus)
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>

#include "hold_deadline.h"

namespace {

constexpr int kTickMilliseconds = 4;

uint64_t Now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int tracer = std::atoi(argv[1]);
  int shared = std::atoi(argv[2]);
  // A Ctrl-C is for the tracer; we go when it goes.
  ::setsid();
  for (int s : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP}) ::signal(s, SIG_IGN);
  void *page = ::mmap(nullptr, sizeof(polus::HoldDeadline), PROT_READ, MAP_SHARED, shared, 0);
  if (page == MAP_FAILED) return 2;
  const auto *hold = static_cast<const polus::HoldDeadline *>(page);
  for (;;) {
    pollfd p{tracer, POLLIN, 0};
    int n = ::poll(&p, 1, kTickMilliseconds);
    if (n > 0) return 0;  // the tracer has ended
    uint64_t until = hold->until_ns.load(std::memory_order_acquire);
    if (until != 0 && Now() > until) {
      ::syscall(SYS_pidfd_send_signal, tracer, SIGKILL, nullptr, 0);
    }
  }
}
