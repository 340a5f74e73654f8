#include "watchdog_process.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <new>
#include <string>

#include "../memory/error.h"
#include "helper_program.h"

namespace polus {

namespace {

// Descriptor numbers in the child.
constexpr int kTracerFd = 3;
constexpr int kSharedFd = 4;

}  // namespace

uint64_t MonotonicNanoseconds() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

WatchdogProcess::WatchdogProcess() {
  Descriptor shared(static_cast<int>(::syscall(SYS_memfd_create, "polus-hold", MFD_CLOEXEC)));
  if (!shared.IsOpen() || ::ftruncate(shared.Get(), sizeof(HoldDeadline)) != 0) {
    throw SystemError("WATCHDOG", "no memory to share with the watchdog");
  }
  void *page = ::mmap(nullptr, sizeof(HoldDeadline), PROT_READ | PROT_WRITE, MAP_SHARED, shared.Get(), 0);
  if (page == MAP_FAILED) throw SystemError("WATCHDOG", "no memory to share with the watchdog");
  deadline_ = new (page) HoldDeadline{};

  Descriptor self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!self.IsOpen()) throw SystemError("WATCHDOG", "no pidfd of our own process");

  pid_ = StartHelper({"polus_watchdog",
                      {std::to_string(kTracerFd), std::to_string(kSharedFd), std::to_string(::getpid())},
                      {{self.Get(), kTracerFd}, {shared.Get(), kSharedFd}}},
                     "WATCHDOG");
}

WatchdogProcess::~WatchdogProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    AwaitHelper(pid_);
  }
  if (deadline_ != nullptr) ::munmap(deadline_, sizeof(HoldDeadline));
}

HoldPermit::HoldPermit(HoldDeadline *deadline, uint64_t limit_ns) : deadline_(deadline) {
  outermost_ = deadline_->until_ns.load(std::memory_order_relaxed) == 0;
  if (!outermost_) return;
  deadline_->until_ns.store(MonotonicNanoseconds() + limit_ns, std::memory_order_release);
  urgency_.emplace();
}

HoldPermit::~HoldPermit() {
  if (outermost_) deadline_->until_ns.store(0, std::memory_order_release);
}

}  // namespace polus
