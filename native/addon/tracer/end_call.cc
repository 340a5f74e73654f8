#include "end_call.h"

#include <sys/syscall.h>

#include <cerrno>

#include "../arch/x86_64/signal_frame.h"
#include "borrowed_thread.h"
#include "fault.h"
#include "threads.h"

namespace polus {

namespace {

constexpr uint64_t kStopLimitNs = 50'000'000;
// Besides a signal frame, for a store that is caught meanwhile.
constexpr size_t kRuntimeStack = 16 << 10;

// epoll_wait(2) is not restarted by the kernel in any case, other calls not with a time-out (SO_RCVTIMEO).
bool Interrupted(const user_regs_struct &r) {
  return Tracee::InterruptedCall(r) ||
         (static_cast<long long>(r.orig_rax) >= 0 && static_cast<long long>(r.rax) == -EINTR);
}

// Stops a thread; `change` is given its registers if it was in that call, and returns false to leave it alone.
template <typename Change>
bool WhileBlocked(const Target &target, const Gadgets &gadgets, pid_t tid, uint64_t number, uint64_t sp,
                  TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline, Change change) {
  pid_t process = target.pid();
  bool changed = false;
  try {
    Tracee &tracee = table.Attach(process, tid, table.OptionsFor(process));
    HoldPermit permit(deadline, 2 * kStopLimitNs);
    uint64_t until = MonotonicNanoseconds() + kStopLimitNs;
    timer.Arm(until);
    BorrowedThread thread(table, tracee, gadgets, until);
    if (thread.Stop()) {
      user_regs_struct r = tracee.Registers();
      bool same = r.orig_rax == number || r.orig_rax == SYS_restart_syscall;
      changed = same && r.rsp == sp && Interrupted(r) && change(tracee, r);
      if (changed) {
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
  return changed;
}

}  // namespace

bool EndBlockedCall(const Target &target, const Gadgets &gadgets, pid_t tid, uint64_t number, uint64_t sp,
                    TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline) {
  return WhileBlocked(target, gadgets, tid, number, sp, table, timer, deadline,
                      [](const Tracee &, user_regs_struct &r) {
                        r.rax = static_cast<unsigned long long>(-EINTR);
                        r.orig_rax = ~0ull;  // nothing to be restarted
                        return true;
                      });
}

bool MoveBlockedCall(const Target &target, const Gadgets &gadgets, pid_t tid, uint64_t number, uint64_t sp,
                     uint64_t runtime, TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline) {
  std::vector<Mapping> maps = ReadMaps(target.pid());
  return WhileBlocked(target, gadgets, tid, number, sp, table, timer, deadline,
                      [&](const Tracee &tracee, user_regs_struct &r) {
                        size_t space = SignalFrameSpace(tracee.ExtendedState().size()) + kRuntimeStack;
                        if (r.orig_rax != number ||
                            !RoomOnOwnStack(maps, target.pid(), tid, r.rsp, r.fs_base, space)) {
                          return false;
                        }
                        // The kernel restarts it, or lets a handler interrupt it, as it would have without us.
                        (void)Tracee::HideInterruption(r);
                        r.rcx = r.rip;
                        r.rip = runtime;
                        return true;
                      });
}

}  // namespace polus
