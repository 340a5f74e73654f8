#include "borrow.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "../arch/x86_64/signal_frame.h"
#include "borrower_process.h"
#include "fault.h"
#include "seccomp_filter.h"
#include "threads.h"
#include "urgency.h"

namespace polus {

namespace {

constexpr uint64_t kRedZone = 128;
constexpr uint64_t kStackMargin = 4096;
// A borrowed thread is held for some tens of microseconds a call; this is the point at
// which something is very wrong.
constexpr uint64_t kBorrowLimitNs = 500'000'000;
constexpr uint64_t kStopLimitNs = 50'000'000;

constexpr uint8_t kSyscallReturn[] = {0x0f, 0x05, 0xc3};
constexpr uint8_t kSigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};

const Mapping *MappingOf(const std::vector<Mapping> &maps, uint64_t address) {
  auto after = std::upper_bound(maps.begin(), maps.end(), address,
                                [](uint64_t a, const Mapping &m) { return a < m.start; });
  if (after == maps.begin()) return nullptr;
  const Mapping &m = *(after - 1);
  return address < m.end ? &m : nullptr;
}

// True if `sp` lies on the thread's own stack with room for the frame: a frame on a
// coroutine's small heap stack would overwrite its neighbour.
bool RoomOnOwnStack(const std::vector<Mapping> &maps, pid_t process, pid_t tid, uint64_t sp, uint64_t fs_base,
                    size_t space) {
  const Mapping *m = MappingOf(maps, sp - 1);
  if (m == nullptr || !m->write || m->shared) return false;
  bool own = false;
  if (m->path == "[stack]") {
    own = tid == process;
  } else if (m->path.empty()) {
    // glibc and musl put a thread's control block at the top of the stack they made for it.
    own = fs_base > sp && fs_base < m->end;
  }
  return own && sp >= m->start + kRedZone + space + kStackMargin;
}

// True if the thread was stopped inside a restartable sequence (rseq(2)): with other
// registers in it the kernel would forget the sequence, and it would go on unrestarted.
bool InRestartableSequence(const Target &target, const Tracee &tracee, const user_regs_struct &registers) {
  struct {
    uint64_t area;
    uint32_t size, signature, flags, padding;
  } configuration{};
  constexpr int kGetRseqConfiguration = 0x420f;
  if (::ptrace(static_cast<__ptrace_request>(kGetRseqConfiguration), tracee.tid(),
               reinterpret_cast<void *>(sizeof configuration), &configuration) < 0 ||
      configuration.area == 0) {
    return false;
  }
  uint64_t section = 0;  // struct rseq.rseq_cs
  if (target.ReadSome(TargetAddress{configuration.area + 8}, &section, sizeof section) != sizeof section || section == 0) {
    return false;
  }
  struct {
    uint32_t version, flags;
    uint64_t start, length, abort;
  } cs{};
  if (target.ReadSome(TargetAddress{section}, &cs, sizeof cs) != sizeof cs) return true;
  return registers.rip - cs.start < cs.length;
}

// Sleeping threads first, the main one before others: they lose nothing by being borrowed.
std::vector<pid_t> Candidates(pid_t process, const std::vector<Mapping> &maps) {
  std::vector<std::pair<int, pid_t>> ranked;
  for (const ThreadInfo &t : ListThreadStates(process)) {
    int rank = 0;
    switch (t.state) {
      case 'S': case 'I': rank = t.tid == process ? 0 : 1; break;
      case 'R': rank = 3; break;
      case 'T': rank = 4; break;
      case 't': rank = 5; break;
      default: continue;
    }
    if (rank <= 1) {
      uint64_t sp = SleepingStackPointer(process, t.tid);
      const Mapping *m = sp == 0 ? nullptr : MappingOf(maps, sp - 1);
      if (m != nullptr && m->path == "[heap]") rank = 6;
    }
    ranked.emplace_back(rank, t.tid);
  }
  std::stable_sort(ranked.begin(), ranked.end());
  std::vector<pid_t> tids;
  for (const auto &r : ranked) tids.push_back(r.second);
  return tids;
}

// One thread in our hands, and the order in which its parts are put back.
class BorrowedThread {
 public:
  BorrowedThread(TraceeTable &table, Tracee &tracee, const Gadgets &gadgets, uint64_t deadline_ns)
      : table_(table), tracee_(&tracee), gadgets_(gadgets), deadline_ns_(deadline_ns) {}
  ~BorrowedThread() {
    // Whatever happened: a stopped thread goes on. With our registers in it, it goes on
    // into rt_sigreturn and so into its own.
    if (tracee_ == nullptr || tracee_->gone() || !tracee_->stopped()) return;
    // The thread is held: its process cannot have been replaced by another of that number.
    if (owed_stop_) ::kill(tracee_->process(), SIGSTOP);
    table_.Release(*tracee_);
  }
  BorrowedThread(const BorrowedThread &) = delete;
  BorrowedThread &operator=(const BorrowedThread &) = delete;

  // Brings the thread to a stop of our own. False: not in time (it is let go when it stops).
  bool Stop() {
    tracee_->Interrupt();
    for (;;) {
      switch (tracee_->Wait(deadline_ns_)) {
        case StopKind::kInterrupt:
        case StopKind::kGroupStop:
          return true;
        case StopKind::kTimeout:
          return false;
        case StopKind::kGone:
          Lost();
          throw Failure("NO_SUCH_THREAD", "the borrowed thread has ended");
        case StopKind::kClone:
          table_.NoteBirth(*tracee_);
          tracee_->Continue();
          break;
        case StopKind::kSignal: {
          user_regs_struct registers = tracee_->Registers();
          if (Tracee::HideInterruption(registers)) tracee_->SetRegisters(registers);
          tracee_->Continue();
          break;
        }
        default:
          tracee_->Continue();
          break;
      }
    }
  }

  // Lays the frame and points the thread at it. Afterwards the thread is ours.
  void Infect(const Target &target) {
    own_ = tracee_->Registers();
    // At once: should we die, the program is not to see an EINTR of ours.
    if (Tracee::HideInterruption(own_)) tracee_->SetRegisters(own_);
    mask_ = tracee_->SignalMask();
    std::vector<uint8_t> xstate = tracee_->ExtendedState();

    // What the kernel is to put back if we are not there to do it: an interrupted call is
    // run again from its own instruction (time-outs start anew, which the tracer's way,
    // below in Cure, avoids).
    user_regs_struct alone = own_;
    if (Tracee::InterruptedCall(alone)) {
      alone.rax = alone.orig_rax;
      alone.rip -= 2;
    }
    SignalFrame frame = BuildSignalFrame(own_.rsp - kRedZone, alone, xstate, mask_, gadgets_.sigreturn);
    frame_ = frame.address;
    FaultPoint();
    target.Write(TargetAddress{frame_}, frame.bytes.data(), frame.bytes.size());
    FaultPoint();
    // First the registers, then the mask: if we die in between, the frame restores both.
    tracee_->SetRegisters(Harmless());
    infected_ = true;
    FaultPoint();
    tracee_->SetSignalMask(~uint64_t{0});
    FaultPoint();
  }

  int64_t Run(const RemoteCall &call) {
    // Until the kernel has entered a call, the one that would run without us is rt_sigreturn.
    tracee_->SetRegisters(Harmless());
    tracee_->ContinueToSyscall();
    AwaitSyscallStop();
    FaultPoint();
    user_regs_struct r = tracee_->Registers();
    r.orig_rax = static_cast<unsigned long long>(call.number);
    r.rsp = frame_;
    r.rdi = call.arguments[0];
    r.rsi = call.arguments[1];
    r.rdx = call.arguments[2];
    r.r10 = call.arguments[3];
    r.r8 = call.arguments[4];
    r.r9 = call.arguments[5];
    tracee_->SetRegisters(r);
    FaultPoint();
    tracee_->ContinueToSyscall();
    FaultPoint();
    AwaitSyscallStop();
    FaultPoint();
    return static_cast<int64_t>(tracee_->Registers().rax);
  }

  // Puts everything back through a stop at which the kernel still looks at restarts.
  void Cure() {
    if (!infected_) return;
    tracee_->Interrupt();
    tracee_->SetRegisters(Harmless());
    tracee_->Continue();
    for (;;) {
      StopKind kind = tracee_->Wait(deadline_ns_);
      if (kind == StopKind::kInterrupt || kind == StopKind::kGroupStop) break;
      if (kind == StopKind::kGone) {
        Lost();
        throw Failure("TARGET_GONE", "the borrowed thread has ended");
      }
      if (kind == StopKind::kTimeout) throw Failure("CANNOT_STOP", "the borrowed thread did not come back");
      tracee_->Continue();
    }
    FaultPoint();
    tracee_->SetSignalMask(mask_);
    FaultPoint();
    tracee_->SetRegisters(own_);
    infected_ = false;
    FaultPoint();
  }


  // Lets go of the thread for another tracer.
  void Abandon() { table_.Abandon(*std::exchange(tracee_, nullptr)); }

 private:
  void Lost() { table_.Release(*std::exchange(tracee_, nullptr)); }

  // About to call rt_sigreturn on the frame: what the thread does if it is let go.
  user_regs_struct Harmless() const {
    user_regs_struct r = own_;
    r.rip = gadgets_.syscall_return;
    r.rax = SYS_rt_sigreturn;
    r.orig_rax = ~0ull;
    r.rsp = frame_ + 8;
    r.eflags &= ~0x100ull;  // no single step
    return r;
  }

  void AwaitSyscallStop() {
    for (;;) {
      switch (tracee_->Wait(deadline_ns_)) {
        case StopKind::kSyscall:
          return;
        case StopKind::kGone:
          Lost();
          throw Failure("TARGET_GONE", "the borrowed thread has ended");
        case StopKind::kTimeout:
          throw Failure("CANNOT_STOP", "a borrowed call did not return in time");
        case StopKind::kSignal:
          // All others are masked: somebody stops the process. Not in the middle of our call.
          if (tracee_->signal() == SIGSTOP) owed_stop_ = true;
          tracee_->ContinueToSyscall();
          break;
        default:
          tracee_->ContinueToSyscall();
          break;
      }
    }
  }

  TraceeTable &table_;
  Tracee *tracee_;  // none once it has ended or was given to another tracer
  const Gadgets &gadgets_;
  uint64_t deadline_ns_;
  user_regs_struct own_{};
  uint64_t mask_ = 0;
  uint64_t frame_ = 0;
  bool infected_ = false;
  bool owed_stop_ = false;  // a SIGSTOP that came during a borrowed call
};

enum class FilterVerdict { kPermitted, kMustSuspend };

// Decides whether the calls can run under the thread's own filters. What must run without us
// (rt_sigreturn) has to be permitted in any case.
FilterVerdict AskFilters(const Tracee &tracee, pid_t process, const Gadgets &gadgets,
                         const std::vector<RemoteCall> &calls) {
  int mode = SeccompMode(process, tracee.tid());
  if (mode == 0) return FilterVerdict::kPermitted;
  SeccompFilters filters = SeccompFilters::Of(tracee, mode);
  if (!filters.Permits(SYS_rt_sigreturn, gadgets.syscall_return + 2, {}) ||
      !filters.Permits(SYS_rt_sigreturn, gadgets.sigreturn + sizeof kSigreturn, {})) {
    throw Failure("SECCOMP_DENIES", "the seccomp filter of process " + std::to_string(process) +
                                        " denies rt_sigreturn, without which no thread can be borrowed safely");
  }
  bool all = std::all_of(calls.begin(), calls.end(), [&](const RemoteCall &c) {
    return filters.Permits(c.number, gadgets.syscall_return + 2, c.arguments);
  });
  return all ? FilterVerdict::kPermitted : FilterVerdict::kMustSuspend;
}

void SuspendFilters(const Tracee &tracee, pid_t process, long options) {
  if (::ptrace(PTRACE_SETOPTIONS, tracee.tid(), nullptr,
               reinterpret_cast<void *>(options | PTRACE_O_SUSPEND_SECCOMP)) != 0) {
    throw SystemError("SECCOMP_DENIES", "the seccomp filter of process " + std::to_string(process) +
                                            " denies the calls that loading needs, and cannot be suspended");
  }
}

}  // namespace

Gadgets FindGadgets(const Target &target, const std::vector<Mapping> &maps) {
  Gadgets gadgets;
  std::vector<uint8_t> chunk;
  for (const Mapping &m : maps) {
    if (!m.execute || !m.read || m.path == "[vsyscall]") continue;
    constexpr size_t kChunk = size_t{1} << 20;
    for (uint64_t at = m.start; at < m.end; at += kChunk) {
      size_t want = static_cast<size_t>(std::min<uint64_t>(kChunk + sizeof kSigreturn, m.end - at));
      chunk.resize(want);
      size_t got = target.ReadSome(TargetAddress{at}, chunk.data(), want);
      auto look = [&](const uint8_t *pattern, size_t size, uint64_t &found) {
        if (found != 0) return;
        auto hit = std::search(chunk.begin(), chunk.begin() + static_cast<ptrdiff_t>(got), pattern, pattern + size);
        if (hit != chunk.begin() + static_cast<ptrdiff_t>(got)) found = at + static_cast<uint64_t>(hit - chunk.begin());
      };
      look(kSyscallReturn, sizeof kSyscallReturn, gadgets.syscall_return);
      look(kSigreturn, sizeof kSigreturn, gadgets.sigreturn);
      if (gadgets.syscall_return != 0 && gadgets.sigreturn != 0) return gadgets;
    }
  }
  throw Failure("NO_BORROWABLE_THREAD",
                    "the program holds no code that makes a system call and none that returns from a signal");
}

BorrowResult Borrow(const Target &target, const Gadgets &gadgets, const std::vector<RemoteCall> &calls,
                    TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline, const BorrowOptions &borrow_options) {
  pid_t process = target.pid();
  std::vector<Mapping> maps = ReadMaps(process);
  bool followed = table.Followed(process);
  long options = followed ? FollowOptions() : static_cast<long>(PTRACE_O_TRACESYSGOOD);
  std::string last = "it has no thread that can be stopped";
  const char *last_code = "NO_BORROWABLE_THREAD";
  for (pid_t tid : Candidates(process, maps)) {
    if (borrow_options.only != 0 && tid != borrow_options.only) continue;
    if (HasShadowStack(process, tid)) {
      throw Failure("SHADOW_STACK", "process " + std::to_string(process) + " runs with a shadow stack");
    }
    Tracee *tracee = nullptr;
    try {
      tracee = &table.Attach(process, tid, options);
    } catch (const Failure &e) {
      if (Is(e, "NO_SUCH_THREAD")) continue;
      throw;
    }
    if (!target.Alive()) {
      table.Release(*tracee);
      throw Failure("TARGET_GONE", "process " + std::to_string(process) + " has ended");
    }
    auto permit = std::make_unique<HoldPermit>(deadline, kStopLimitNs);
    Urgency urgency;
    uint64_t begun = MonotonicNanoseconds();
    timer.Arm(begun + kStopLimitNs);
    try {
      BorrowedThread borrowed(table, *tracee, gadgets, begun + kBorrowLimitNs - 50'000'000);
      if (!borrowed.Stop()) {
        last = "thread " + std::to_string(tid) + " did not stop";
        last_code = "CANNOT_STOP";
        continue;
      }
      user_regs_struct registers = tracee->Registers();
      if (registers.cs != 0x33) {
        throw Failure("WRONG_ARCHITECTURE", "thread " + std::to_string(tid) + " runs 32-bit code");
      }
      if (InRestartableSequence(target, *tracee, registers)) {
        last = "its threads were inside restartable sequences";
        continue;
      }
      size_t space = SignalFrameSpace(tracee->ExtendedState().size());
      if (!RoomOnOwnStack(maps, process, tid, registers.rsp, registers.fs_base, space)) {
        last = "no thread stands on a stack of its own with room for a signal frame";
        user_regs_struct hidden = registers;
        if (Tracee::HideInterruption(hidden)) tracee->SetRegisters(hidden);
        continue;
      }
      if (AskFilters(*tracee, process, gadgets, calls) == FilterVerdict::kMustSuspend) {
        if (!borrow_options.may_suspend_seccomp) {
          user_regs_struct hidden = registers;
          if (Tracee::HideInterruption(hidden)) tracee->SetRegisters(hidden);
          borrowed.Abandon();
          timer.Disarm();
          permit.reset();
          FaultPoint();
          BorrowResult result = BorrowInOwnProcess(target, tid, calls);
          FaultPoint();
          if (followed && ThreadState(process, tid) != 'X') table.Attach(process, tid, options);
          return result;
        }
        SuspendFilters(*tracee, process, options);
      }
      BorrowResult result;
      result.tid = tid;
      borrowed.Infect(target);
      for (const RemoteCall &call : calls) result.results.push_back(borrowed.Run(call));
      borrowed.Cure();
      result.held_us = (MonotonicNanoseconds() - begun) / 1000;
      timer.Disarm();
      return result;
    } catch (const Failure &e) {
      timer.Disarm();
      if (Is(e, "NO_SUCH_THREAD")) continue;
      throw;
    }
  }
  timer.Disarm();
  if (!target.Alive()) throw Failure("TARGET_GONE", "process " + std::to_string(process) + " has ended");
  throw Failure(last_code, "no thread of process " + std::to_string(process) + " can be borrowed: " + last);
}

}  // namespace polus
