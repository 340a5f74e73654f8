#include "snapshot.h"

#include <sys/ptrace.h>

#include <algorithm>

#include "threads.h"

namespace polus {

namespace {

constexpr uint64_t kStopLimitNs = 20'000'000;
constexpr uint64_t kLateLimitNs = 200'000'000;
constexpr uint64_t kRedZone = 128;

// A thread that was asked to stop and did not in time. It is not left to stop later: should we be
// killed before it does, nobody would keep its system call from failing with EINTR.
void AwaitLate(Tracee &tracee, TraceeTable &table, WaitTimer &timer) {
  uint64_t until = MonotonicNanoseconds() + kLateLimitNs;
  timer.Arm(until);
  StopKind kind = tracee.Wait(until);
  timer.Disarm();
  if (kind != StopKind::kTimeout) table.Settle(tracee, kind);
}

}  // namespace

std::vector<ThreadCopy> SnapshotThreads(const Target &target, TraceeTable &table, WaitTimer &timer,
                                        HoldDeadline *deadline, size_t most_stack, uint64_t unblock,
                                        std::vector<pid_t> &missed) {
  std::vector<ThreadCopy> copies;
  pid_t process = target.pid();
  std::vector<Mapping> maps = ReadMaps(process);
  long options = table.OptionsFor(process);
  for (const ThreadInfo &info : ListThreadStates(process)) {
    if (info.state == 'Z' || info.state == 'X') continue;
    if (info.state == 'D') {
      missed.push_back(info.tid);
      continue;
    }
    Tracee *tracee = nullptr;
    try {
      tracee = &table.Attach(process, info.tid, options);
    } catch (const Failure &e) {
      if (Is(e, "NO_SUCH_THREAD")) continue;
      throw;
    }
    uint64_t begun = MonotonicNanoseconds();
    HoldPermit permit(deadline, kStopLimitNs);
    timer.Arm(begun + kStopLimitNs);
    tracee->AskToStop();
    StopKind kind = tracee->Wait(begun + kStopLimitNs);
    if (kind == StopKind::kTimeout) {
      missed.push_back(info.tid);
      timer.Disarm();
      AwaitLate(*tracee, table, timer);
      continue;
    }
    if (kind == StopKind::kClone) table.NoteBirth(*tracee);
    if (kind == StopKind::kExec) {
      table.Executed(*tracee);
      timer.Disarm();
      throw Failure("TARGET_GONE", "process " + std::to_string(process) + " has executed another program");
    }
    if (kind == StopKind::kGone) {
      table.Release(*tracee);
      timer.Disarm();
      continue;
    }
    try {
      ThreadCopy copy{};
      copy.tid = info.tid;
      copy.registers = tracee->Registers();
      user_regs_struct hidden = copy.registers;
      if (Tracee::HideInterruption(hidden)) tracee->SetRegisters(hidden);
      if (uint64_t mask = unblock == 0 ? 0 : tracee->SignalMask(); (mask & unblock) != 0) {
        tracee->SetSignalMask(mask & ~unblock);
      }
      copy.stack_start = copy.registers.rsp - kRedZone;
      uint64_t end = copy.registers.rsp + 8192;
      auto after = std::upper_bound(maps.begin(), maps.end(), copy.registers.rsp,
                                    [](uint64_t a, const Mapping &m) { return a < m.start; });
      if (after != maps.begin() && copy.registers.rsp < (after - 1)->end) end = (after - 1)->end;
      copy.stack.resize(static_cast<size_t>(std::min<uint64_t>(end - copy.stack_start, most_stack)));
      copy.stack.resize(target.ReadSome(TargetAddress{copy.stack_start}, copy.stack.data(), copy.stack.size()));
      table.Release(*tracee);
      copy.held_us = (MonotonicNanoseconds() - begun) / 1000;
      copies.push_back(std::move(copy));
    } catch (const Failure &) {
      if (!tracee->gone() && tracee->stopped()) table.Release(*tracee);
      timer.Disarm();
      throw;
    }
    timer.Disarm();
  }
  if (copies.empty() && !target.Alive()) {
    throw Failure("TARGET_GONE", "process " + std::to_string(process) + " has ended");
  }
  return copies;
}

}  // namespace polus
