// One thread of the target in our hands: what is checked before, and the order in which its
// parts are changed and put back.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "borrow.h"
#include "tracee_table.h"

namespace polus {

// Below a stack pointer, the program's own (System V ABI).
constexpr uint64_t kRedZone = 128;

// The mapping that holds an address, none if nothing is mapped there.
const Mapping *MappingOf(const std::vector<Mapping> &maps, uint64_t address);

// True if `sp` lies on the thread's own stack with room for `space` bytes: a frame on a
// coroutine's small heap stack would overwrite its neighbour.
bool RoomOnOwnStack(const std::vector<Mapping> &maps, pid_t process, pid_t tid, uint64_t sp, uint64_t fs_base,
                    size_t space);

// True if the thread was stopped inside a restartable sequence (rseq(2)): with other
// registers in it the kernel would forget the sequence, and it would go on unrestarted.
bool InRestartableSequence(const Target &target, const Tracee &tracee, const user_regs_struct &registers);

class BorrowedThread {
 public:
  BorrowedThread(TraceeTable &table, Tracee &tracee, const Gadgets &gadgets, uint64_t deadline_ns)
      : table_(table), tracee_(&tracee), gadgets_(gadgets), deadline_ns_(deadline_ns) {}
  // Whatever happened: a stopped thread goes on. With our registers in it, it goes on into
  // rt_sigreturn and so into its own.
  ~BorrowedThread();
  BorrowedThread(const BorrowedThread &) = delete;
  BorrowedThread &operator=(const BorrowedThread &) = delete;

  // Brings the thread to a stop of our own. False: not in time (it is let go when it stops).
  bool Stop();
  // Lays the frame and points the thread at it, with the signals in `blocked` blocked. Afterwards
  // the thread is ours. `known_call`: number of the system call that it was seen in before, for
  // when it is found in restart_syscall(2).
  void Infect(const Target &target, uint64_t blocked = ~uint64_t{0}, uint64_t known_call = 0);
  // One system call.
  int64_t Run(const RemoteCall &call);
  // Puts everything back through a stop at which the kernel still looks at restarts. With
  // `run_again` an interrupted call is begun anew instead, as the frame has it: for when the
  // kernel does not remember any more how to go on with it.
  void Cure(bool run_again = false);
  // Lets go of the thread for another tracer.
  void Abandon() { table_.Abandon(*std::exchange(tracee_, nullptr)); }

  // What the thread is to go on with.
  const user_regs_struct &own() const { return own_; }
  uint64_t frame() const { return frame_; }
  Tracee &tracee() const { return *tracee_; }
  void SetDeadline(uint64_t deadline_ns) { deadline_ns_ = deadline_ns; }
  // A SIGSTOP that came meanwhile is sent again when the thread is let go.
  void OweStop() { owed_stop_ = true; }
  // The thread has ended: takes note and throws TARGET_GONE.
  [[noreturn]] void Ended();
  // The thread has left for good what it was borrowed for; nothing is put back but the mask.
  void Forget();

 private:
  void Lost() { table_.Release(*std::exchange(tracee_, nullptr)); }
  user_regs_struct Harmless() const;
  user_regs_struct Alone() const;
  void AwaitSyscallStop();

  TraceeTable &table_;
  Tracee *tracee_;  // none once it has ended or was given to another tracer
  const Gadgets &gadgets_;
  uint64_t deadline_ns_;
  user_regs_struct own_{};
  std::vector<uint8_t> xstate_;
  uint64_t mask_ = 0;
  uint64_t frame_ = 0;
  uint64_t call_ = 0;  // number of the interrupted system call, as the program made it
  bool infected_ = false;
  bool owed_stop_ = false;  // a SIGSTOP that came during a borrowed call
};

}  // namespace polus
