#include "tracee.h"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <mutex>

#include "watchdog_process.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace polus {

namespace {

// Calls that report EINTR for any wake-up and that may be restarted with unchanged
// arguments. Others (close above all) must never be run twice.
constexpr std::array<int, 35> kRestartable = {
    SYS_read,         SYS_write,       SYS_readv,          SYS_writev,         SYS_poll,
    SYS_ppoll,        SYS_select,      SYS_pselect6,       SYS_epoll_wait,     SYS_epoll_pwait,
    441 /* epoll_pwait2 */,            SYS_rt_sigtimedwait, SYS_semop,         SYS_semtimedop,
    SYS_io_getevents, SYS_io_pgetevents, SYS_recvfrom,     SYS_recvmsg,        SYS_recvmmsg,
    SYS_sendto,       SYS_sendmsg,     SYS_sendmmsg,       SYS_accept,         SYS_accept4,
    SYS_futex,        SYS_msgrcv,      SYS_msgsnd,         SYS_mq_timedreceive, SYS_mq_timedsend,
    SYS_wait4,        SYS_waitid,      SYS_rt_sigsuspend,  SYS_connect,       426 /* io_uring_enter */,
    449 /* futex_waitv */};

pid_t TracerOf(pid_t process, pid_t tid) {
  std::ifstream in("/proc/" + std::to_string(process) + "/task/" + std::to_string(tid) + "/status");
  std::string key;
  while (in >> key) {
    if (key == "TracerPid:") {
      pid_t tracer = 0;
      in >> tracer;
      return tracer;
    }
    in.ignore(4096, '\n');
  }
  return 0;
}

void OnWake(int) {}

}  // namespace

int WaitTimer::Signal() { return SIGRTMIN + 11; }

void WaitTimer::InstallHandler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_handler = OnWake;  // no SA_RESTART: waits must come back
    ::sigaction(Signal(), &action, nullptr);
  });
}

WaitTimer::WaitTimer() {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = Signal();
  event.sigev_notify_thread_id = static_cast<pid_t>(::syscall(SYS_gettid));
  if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) {
    throw SystemError("TRACER", "no timer for the tracer thread");
  }
}

WaitTimer::~WaitTimer() { ::timer_delete(timer_); }

void WaitTimer::Arm(uint64_t at_ns) {
  itimerspec spec{};
  spec.it_value.tv_sec = static_cast<time_t>(at_ns / 1000000000u);
  spec.it_value.tv_nsec = static_cast<long>(at_ns % 1000000000u);
  spec.it_interval.tv_nsec = 2000000;
  ::timer_settime(timer_, TIMER_ABSTIME, &spec, nullptr);
}

void WaitTimer::Disarm() {
  itimerspec spec{};
  ::timer_settime(timer_, 0, &spec, nullptr);
}

long Tracee::Request(int request, uintptr_t address, uintptr_t data) const {
  return ::ptrace(static_cast<__ptrace_request>(request), tid_, reinterpret_cast<void *>(address),
                  reinterpret_cast<void *>(data));
}

Tracee Tracee::Seize(pid_t process, pid_t tid, long options) {
  Tracee t(process, tid);
  if (t.Request(PTRACE_SEIZE, 0, static_cast<uintptr_t>(options)) == 0) return t;
  int error = errno;
  if (error == ESRCH) throw Failure("NO_SUCH_THREAD", "thread " + std::to_string(tid) + " has ended");
  pid_t tracer = TracerOf(process, tid);
  if (tracer != 0) {
    throw Failure("ALREADY_TRACED", "process " + std::to_string(process) + " is traced by process " +
                                            std::to_string(tracer));
  }
  throw SystemError("PERMISSION", "thread " + std::to_string(tid) + " of process " + std::to_string(process) +
                                      " cannot be seized", error);
}

void Tracee::Interrupt() {
  if (Request(PTRACE_INTERRUPT, 0, 0) != 0 && errno == ESRCH) {
    // Dying: the wait will tell.
  }
}

StopKind Tracee::Wait(uint64_t deadline_ns) {
  if (StandsStill()) return StopKind::kInterrupt;
  for (;;) {
    int status = 0;
    pid_t got = ::waitpid(tid_, &status, __WALL);
    if (got == tid_) return Take(status);
    if (got < 0 && errno == EINTR) {
      if (MonotonicNanoseconds() >= deadline_ns) return StopKind::kTimeout;
      continue;
    }
    gone_ = true;
    stopped_ = false;
    return StopKind::kGone;
  }
}

StopKind Tracee::Take(int status) {
  signal_ = 0;
  group_stop_ = false;
  born_ = 0;
  if (!WIFSTOPPED(status)) {
    gone_ = true;
    stopped_ = false;
    return StopKind::kGone;
  }
  stopped_ = true;
  int signal = WSTOPSIG(status);
  int event = status >> 16;
  switch (event) {
    case PTRACE_EVENT_STOP:
      if (signal == SIGTRAP) return StopKind::kInterrupt;
      group_stop_ = true;
      return StopKind::kGroupStop;
    case PTRACE_EVENT_CLONE:
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK: {
      unsigned long message = 0;
      Request(PTRACE_GETEVENTMSG, 0, reinterpret_cast<uintptr_t>(&message));
      born_ = static_cast<pid_t>(message);
      born_is_process_ = event != PTRACE_EVENT_CLONE;
      return StopKind::kClone;
    }
    case PTRACE_EVENT_EXEC:
      return StopKind::kExec;
    default:
      break;
  }
  if (signal == (SIGTRAP | 0x80)) return StopKind::kSyscall;
  signal_ = signal;
  return StopKind::kSignal;
}

user_regs_struct Tracee::Registers() const {
  user_regs_struct registers{};
  if (Request(PTRACE_GETREGS, 0, reinterpret_cast<uintptr_t>(&registers)) != 0) {
    throw SystemError("TRACER", "registers of thread " + std::to_string(tid_) + " cannot be read");
  }
  return registers;
}

void Tracee::SetRegisters(const user_regs_struct &registers) const {
  if (Request(PTRACE_SETREGS, 0, reinterpret_cast<uintptr_t>(&registers)) != 0) {
    throw SystemError("TRACER", "registers of thread " + std::to_string(tid_) + " cannot be written");
  }
}

std::vector<uint8_t> Tracee::ExtendedState() const {
  std::vector<uint8_t> state(16384);
  iovec iov{state.data(), state.size()};
  if (Request(PTRACE_GETREGSET, NT_X86_XSTATE, reinterpret_cast<uintptr_t>(&iov)) != 0) {
    throw SystemError("TRACER", "extended state of thread " + std::to_string(tid_) + " cannot be read");
  }
  state.resize(iov.iov_len);
  return state;
}

void Tracee::SetExtendedState(const std::vector<uint8_t> &state) const {
  iovec iov{const_cast<uint8_t *>(state.data()), state.size()};
  if (Request(PTRACE_SETREGSET, NT_X86_XSTATE, reinterpret_cast<uintptr_t>(&iov)) != 0) {
    throw SystemError("TRACER", "extended state of thread " + std::to_string(tid_) + " cannot be written");
  }
}

uint64_t Tracee::SignalMask() const {
  uint64_t mask = 0;
  if (Request(PTRACE_GETSIGMASK, sizeof mask, reinterpret_cast<uintptr_t>(&mask)) != 0) {
    throw SystemError("TRACER", "signal mask of thread " + std::to_string(tid_) + " cannot be read");
  }
  return mask;
}

void Tracee::SetSignalMask(uint64_t mask) const {
  if (Request(PTRACE_SETSIGMASK, sizeof mask, reinterpret_cast<uintptr_t>(&mask)) != 0) {
    throw SystemError("TRACER", "signal mask of thread " + std::to_string(tid_) + " cannot be written");
  }
}

void Tracee::Continue() {
  stopped_ = false;
  if (group_stop_) {
    Request(PTRACE_LISTEN, 0, 0);
  } else {
    Request(stops_at_calls_ ? PTRACE_SYSCALL : PTRACE_CONT, 0, static_cast<uintptr_t>(signal_));
  }
  signal_ = 0;
}

void Tracee::ContinueToSyscall() {
  stopped_ = false;
  Request(PTRACE_SYSCALL, 0, 0);
}

void Tracee::DeliverToSyscall() {
  stopped_ = false;
  Request(PTRACE_SYSCALL, 0, static_cast<uintptr_t>(signal_));
  signal_ = 0;
}

void Tracee::Detach() {
  stopped_ = false;
  gone_ = true;
  Request(PTRACE_DETACH, 0, static_cast<uintptr_t>(signal_));
  signal_ = 0;
}

bool Tracee::HideInterruption(user_regs_struct &registers) {
  auto call = static_cast<long long>(registers.orig_rax);
  if (call < 0 || static_cast<long long>(registers.rax) != -EINTR) return false;
  if (std::find(kRestartable.begin(), kRestartable.end(), static_cast<int>(call)) == kRestartable.end()) return false;
  // -ERESTARTNOHAND: the kernel restarts the call unless a handler is run, for which it
  // reports EINTR as it would have without us (arch/x86/kernel/signal.c).
  registers.rax = static_cast<unsigned long long>(kErestartnohand);
  return true;
}

bool Tracee::InterruptedCall(const user_regs_struct &registers) {
  auto call = static_cast<long long>(registers.orig_rax);
  auto result = static_cast<long long>(registers.rax);
  if (call < 0) return false;
  return result == kErestartRestartblock || (result <= kErestartsys && result >= kErestartnohand);
}

}  // namespace polus
