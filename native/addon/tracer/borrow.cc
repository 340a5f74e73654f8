#include "borrow.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "../arch/x86_64/signal_frame.h"
#include "borrowed_thread.h"
#include "borrower_process.h"
#include "fault.h"
#include "seccomp_filter.h"
#include "threads.h"

namespace polus {

namespace {

// A borrowed thread is held for some tens of microseconds a call; this is the point at
// which something is very wrong.
constexpr uint64_t kBorrowLimitNs = 500'000'000;
constexpr uint64_t kStopLimitNs = 50'000'000;

constexpr uint8_t kSyscallReturn[] = {0x0f, 0x05, 0xc3};
constexpr uint8_t kSigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};

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

// A thread that waits for its vfork child to execute something sleeps uninterruptibly, for microseconds
// as a rule: a process that shows no other thread is looked at again.
constexpr uint64_t kUninterruptibleLimitNs = 50'000'000;
constexpr uint64_t kLookAgainNs = 500'000;

std::vector<pid_t> AwaitCandidates(const Target &target, const std::vector<Mapping> &maps) {
  uint64_t deadline = MonotonicNanoseconds() + kUninterruptibleLimitNs;
  for (;;) {
    std::vector<pid_t> tids = Candidates(target.pid(), maps);
    if (!tids.empty() || !target.Alive() || MonotonicNanoseconds() > deadline) return tids;
    struct timespec pause = {0, static_cast<long>(kLookAgainNs)};
    nanosleep(&pause, nullptr);
  }
}

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
  bool readable = false;
  std::vector<uint8_t> chunk;
  for (const Mapping &m : maps) {
    if (!m.execute || !m.read || m.path == "[vsyscall]") continue;
    constexpr size_t kChunk = size_t{1} << 20;
    for (uint64_t at = m.start; at < m.end; at += kChunk) {
      size_t want = static_cast<size_t>(std::min<uint64_t>(kChunk + sizeof kSigreturn, m.end - at));
      chunk.resize(want);
      size_t got = target.ReadSome(TargetAddress{at}, chunk.data(), want);
      readable = readable || got > 0;
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
  // Who ends gives its memory up first.
  if (!readable || !target.Alive()) throw Failure("TARGET_GONE", "process " + std::to_string(target.pid()) + " has ended");
  throw Failure("NO_BORROWABLE_THREAD",
                    "the program holds no code that makes a system call and none that returns from a signal");
}

BorrowResult Borrow(const Target &target, const Gadgets &gadgets, const std::vector<RemoteCall> &calls,
                    TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline, const BorrowOptions &borrow_options) {
  pid_t process = target.pid();
  std::vector<Mapping> maps = ReadMaps(process);
  bool followed = table.Followed(process);
  long options = table.OptionsFor(process);
  std::string last = "it has no thread that can be stopped";
  const char *last_code = "NO_BORROWABLE_THREAD";
  for (pid_t tid : AwaitCandidates(target, maps)) {
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
