#include "end_call.h"

#include <sys/syscall.h>

#include <cerrno>

#include "borrowed_thread.h"
#include "fault.h"
#include "threads.h"

namespace polus {

namespace {

constexpr uint64_t kStopLimitNs = 50'000'000;

// epoll_wait(2) is not restarted by the kernel in any case.
bool Interrupted(const user_regs_struct &r) {
  return Tracee::InterruptedCall(r) ||
         (static_cast<long long>(r.orig_rax) >= 0 && static_cast<long long>(r.rax) == -EINTR);
}

}  // namespace

bool EndBlockedCall(const Target &target, const Gadgets &gadgets, pid_t tid, uint64_t number, uint64_t sp,
                    TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline) {
  pid_t process = target.pid();
  bool ended = false;
  try {
    Tracee &tracee = table.Attach(process, tid, table.OptionsFor(process));
    HoldPermit permit(deadline, 2 * kStopLimitNs);
    uint64_t until = MonotonicNanoseconds() + kStopLimitNs;
    timer.Arm(until);
    BorrowedThread thread(table, tracee, gadgets, until);
    if (thread.Stop()) {
      user_regs_struct r = tracee.Registers();
      bool same = r.orig_rax == number || r.orig_rax == SYS_restart_syscall;
      ended = same && r.rsp == sp && Interrupted(r);
      if (ended) {
        r.rax = static_cast<unsigned long long>(-EINTR);
        r.orig_rax = ~0ull;  // nothing to be restarted
        tracee.SetRegisters(r);
        FaultPoint();
      } else if (Tracee::HideInterruption(r)) {
        tracee.SetRegisters(r);
      }
    }
  } catch (const Failure &e) {
    timer.Disarm();
    if (!Is(e, "NO_SUCH_THREAD")) throw;
  }
  timer.Disarm();
  return ended;
}

}  // namespace polus
