// One thread of a target under ptrace. Every function here must be called by the thread
// that seized (ptrace(2): requests from another thread get ESRCH).
#pragma once

#include <signal.h>
#include <sys/types.h>
#include <sys/user.h>
#include <time.h>

#include <cstdint>
#include <vector>

#include "../memory/target.h"

namespace polus {

// Kernel-internal results of a system call that was interrupted (include/linux/errno.h); ptrace shows them in rax.
constexpr long long kErestartsys = -512;
constexpr long long kErestartnohand = -514;
constexpr long long kErestartRestartblock = -516;

// Lets a blocking waitpid of this thread return with EINTR once a time has passed.
class WaitTimer {
 public:
  WaitTimer();
  ~WaitTimer();
  WaitTimer(const WaitTimer &) = delete;
  WaitTimer &operator=(const WaitTimer &) = delete;
  // Fires at `at_ns` (CLOCK_MONOTONIC) and then every 2 ms until disarmed, so that a
  // signal that comes just before the wait is not lost.
  void Arm(uint64_t at_ns);
  void Disarm();
  // The signal that wakes; also used to wake an idle tracer for new work.
  static int Signal();
  // Makes the signal harmless for this process; before the first one is sent.
  static void InstallHandler();

 private:
  timer_t timer_{};
};

enum class StopKind {
  kInterrupt,   // PTRACE_EVENT_STOP of ours, or a new thread's or child's first stop
  kGroupStop,   // the program's job control
  kSignal,      // about to receive a signal
  kSyscall,     // entry or exit of a system call
  kClone,       // made a thread or a process
  kExec,
  kGone,        // ended
  kTimeout,     // did not stop in time
};

class Tracee {
 public:
  // Does not stop the thread. Throws NO_SUCH_THREAD (ended meanwhile), ALREADY_TRACED, PERMISSION.
  static Tracee Seize(pid_t process, pid_t tid, long options);
  // For one that the kernel attached (PTRACE_O_TRACECLONE and relatives).
  static Tracee Adopt(pid_t process, pid_t tid) { return Tracee(process, tid); }

  pid_t tid() const { return tid_; }
  pid_t process() const { return process_; }
  bool stopped() const { return stopped_; }
  bool gone() const { return gone_; }
  // Started by a kClone stop.
  pid_t born() const { return born_; }
  bool born_is_process() const { return born_is_process_; }
  int signal() const { return signal_; }

  void Interrupt();
  // Interrupts it unless it stands still already; Wait then returns at once.
  void AskToStop() {
    if (!StandsStill()) Interrupt();
  }
  // A stopped thread that stands still stays stopped whenever somebody is done with it.
  void StandStill() { stands_still_ = true; }
  void EndStandingStill() { stands_still_ = false; }
  bool StandsStill() const { return stands_still_ && stopped_; }
  // From now on it goes on to the next entry or exit of a system call only, or does not any more.
  void StopAtCalls(bool at_calls) { stops_at_calls_ = at_calls; }
  // Waits for the next stop of this thread, at most until the timer's deadline.
  StopKind Wait(uint64_t deadline_ns);
  // Takes a wait status that a general wait has returned for this thread.
  StopKind Take(int status);

  user_regs_struct Registers() const;
  void SetRegisters(const user_regs_struct &registers) const;
  std::vector<uint8_t> ExtendedState() const;
  // As ExtendedState has given it.
  void SetExtendedState(const std::vector<uint8_t> &state) const;
  uint64_t SignalMask() const;
  void SetSignalMask(uint64_t mask) const;

  // The signal that it stopped for is not delivered.
  void Swallow() { signal_ = 0; }
  // To the next system call, with the signal that it has stopped for.
  void DeliverToSyscall();
  // Goes on, delivering what it stopped for; a job-control stop stays one (PTRACE_LISTEN).
  void Continue();
  // To the next entry or exit of a system call. Never from a signal stop.
  void ContinueToSyscall();
  // Lets go for good. Only when stopped.
  void Detach();

  // Where the stop made a system call return EINTR that nothing but our interruption
  // caused, lets the kernel restart it, unless a handler runs first. Returns true if changed.
  static bool HideInterruption(user_regs_struct &registers);

  // True for a stop inside a system call that the kernel is about to restart or fail.
  static bool InterruptedCall(const user_regs_struct &registers);

 private:
  Tracee(pid_t process, pid_t tid) : process_(process), tid_(tid) {}
  long Request(int request, uintptr_t address, uintptr_t data) const;

  pid_t process_;
  pid_t tid_;
  bool stopped_ = false;
  bool gone_ = false;
  bool group_stop_ = false;
  bool stands_still_ = false;
  bool stops_at_calls_ = false;
  int signal_ = 0;
  pid_t born_ = 0;
  bool born_is_process_ = false;
};

}  // namespace polus
