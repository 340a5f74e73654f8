#include "move_call.h"

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

// The kernel begins it anew, or lets a handler interrupt it, as it would have without us.
void Move(user_regs_struct &r, uint64_t number, uint64_t to) {
  (void)Tracee::HideInterruption(r);
  // restart_syscall(2) would go on with the call that the kernel remembers, whoever asks.
  if (static_cast<long long>(r.rax) == kErestartRestartblock) r.rax = static_cast<unsigned long long>(kErestartnohand);
  r.orig_rax = number;
  r.rcx = r.rip;
  r.rip = to;
}

}  // namespace

bool MoveBlockedCall(const Target &target, const Gadgets &gadgets, pid_t tid, uint64_t number, uint64_t sp,
                     uint64_t runtime, TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline) {
  pid_t process = target.pid();
  std::vector<Mapping> maps = ReadMaps(process);
  bool moved = false;
  try {
    Tracee &tracee = table.Attach(process, tid, table.OptionsFor(process));
    HoldPermit permit(deadline, 2 * kStopLimitNs);
    uint64_t until = MonotonicNanoseconds() + kStopLimitNs;
    timer.Arm(until);
    BorrowedThread thread(table, tracee, gadgets, until);
    if (thread.Stop()) {
      user_regs_struct r = tracee.Registers();
      size_t space = SignalFrameSpace(tracee.ExtendedState().size()) + kRuntimeStack;
      bool same = r.orig_rax == number || r.orig_rax == SYS_restart_syscall;
      moved = same && r.rsp == sp && Interrupted(r) && RoomOnOwnStack(maps, process, tid, r.rsp, r.fs_base, space);
      if (moved) {
        Move(r, number, runtime);
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
  return moved;
}

}  // namespace polus
