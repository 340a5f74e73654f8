#include "watchdog_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <new>
#include <string>

#include "../memory/error.h"
#include "beside_addon.h"

extern char **environ;

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
  if (!shared.valid() || ::ftruncate(shared.get(), sizeof(HoldDeadline)) != 0) {
    throw SystemError("WATCHDOG", "no memory to share with the watchdog");
  }
  void *page = ::mmap(nullptr, sizeof(HoldDeadline), PROT_READ | PROT_WRITE, MAP_SHARED, shared.get(), 0);
  if (page == MAP_FAILED) throw SystemError("WATCHDOG", "no memory to share with the watchdog");
  deadline_ = new (page) HoldDeadline{};

  Descriptor self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!self.valid()) throw SystemError("WATCHDOG", "no pidfd of our own process");

  // dup2 onto the same number would keep close-on-exec: move both out of the way first.
  Descriptor tracer_high(::fcntl(self.get(), F_DUPFD_CLOEXEC, 64));
  Descriptor shared_high(::fcntl(shared.get(), F_DUPFD_CLOEXEC, 64));
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (int fd : {0, 1, 2}) ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&actions, tracer_high.get(), kTracerFd);
  ::posix_spawn_file_actions_adddup2(&actions, shared_high.get(), kSharedFd);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);

  std::string path = BesideAddon("polus_watchdog");
  std::string tracer_fd = std::to_string(kTracerFd);
  std::string shared_fd = std::to_string(kSharedFd);
  std::string own_pid = std::to_string(::getpid());
  char *argv[] = {path.data(), tracer_fd.data(), shared_fd.data(), own_pid.data(), nullptr};
  int error = ::posix_spawn(&pid_, path.c_str(), &actions, &attributes, argv, environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw SystemError("WATCHDOG", "the watchdog " + path + " cannot be started", error);
}

WatchdogProcess::~WatchdogProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (deadline_ != nullptr) ::munmap(deadline_, sizeof(HoldDeadline));
}

HoldPermit::HoldPermit(HoldDeadline *deadline, uint64_t limit_ns) : deadline_(deadline) {
  outermost_ = deadline_->until_ns.load(std::memory_order_relaxed) == 0;
  if (outermost_) deadline_->until_ns.store(MonotonicNanoseconds() + limit_ns, std::memory_order_release);
}

HoldPermit::~HoldPermit() {
  if (outermost_) deadline_->until_ns.store(0, std::memory_order_release);
}

}  // namespace polus
