#include "tracee_table.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "threads.h"
#include "watchdog_process.h"

namespace polus {

long WindowOptions() { return PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE; }

long FollowOptions() {
  return PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
}

Tracee &TraceeTable::Attach(pid_t process, pid_t tid, long options) {
  auto found = tracees_.find(tid);
  if (found != tracees_.end()) return *found->second;
  auto tracee = std::make_unique<Tracee>(Tracee::Seize(process, tid, options));
  return *tracees_.emplace(tid, std::move(tracee)).first->second;
}

Tracee *TraceeTable::Find(pid_t tid) {
  auto found = tracees_.find(tid);
  return found == tracees_.end() ? nullptr : found->second.get();
}

std::vector<Tracee *> TraceeTable::Of(pid_t process) {
  std::vector<Tracee *> all;
  for (auto &entry : tracees_) {
    if (entry.second->process() == process) all.push_back(entry.second.get());
  }
  return all;
}

void TraceeTable::AttachAll(pid_t process, long options) {
  // A thread may be born by one that we have not seized yet: look again until a pass finds
  // nothing new. The kernel attaches those born by seized ones.
  constexpr int kMostPasses = 100;
  for (int pass = 1;; ++pass) {
    bool found_new = false;
    bool waiting = false;
    for (pid_t tid : ListThreads(process)) {
      if (tracees_.count(tid) != 0) continue;
      char state = ThreadState(process, tid);
      if (state == 'Z' || state == 'X') continue;
      try {
        Attach(process, tid, options);
        found_new = true;
      } catch (const Failure &e) {
        if (Is(e, "NO_SUCH_THREAD")) continue;
        // Attached by the kernel a moment ago, or dying but listed still: both settle.
        int status = 0;
        if (::waitpid(tid, &status, __WALL | WNOHANG) == tid) {
          tracees_.emplace(tid, std::make_unique<Tracee>(Tracee::Adopt(process, tid)));
          Settle(tid, status);
          found_new = true;
        } else if (pass < kMostPasses) {
          waiting = true;
        } else {
          throw;
        }
      }
    }
    if (!found_new && !waiting) return;
    if (pass >= kMostPasses) throw Failure("CANNOT_STOP", "threads are born faster than they can be seized");
    if (waiting) {
      timespec pause{0, 200'000};
      ::nanosleep(&pause, nullptr);
    }
  }
}

size_t TraceeTable::Follow(pid_t process) {
  // Before: one that a followed parent has made just now may report its first stop to AttachAll,
  // and would be let go there, free to execute a program unseen.
  bool added = followed_.insert(process).second;
  try {
    AttachAll(process, FollowOptions());
  } catch (...) {
    if (added) followed_.erase(process);
    throw;
  }
  return Of(process).size();
}

void TraceeTable::Release(Tracee &tracee) {
  if (tracee.gone()) {
    Ended(tracee.tid());
    return;
  }
  if (!tracee.stopped()) return;  // settles when it stops
  if (tracee.StandsStill()) return;
  if (Followed(tracee.process())) {
    tracee.Continue();
  } else {
    pid_t tid = tracee.tid();
    tracee.Detach();
    tracees_.erase(tid);
  }
}

void TraceeTable::Abandon(Tracee &tracee) {
  pid_t tid = tracee.tid();
  tracee.Detach();
  tracees_.erase(tid);
}

void TraceeTable::ReleaseAll(pid_t process) {
  for (Tracee *tracee : Of(process)) Release(*tracee);
}

void TraceeTable::NoteBirth(const Tracee &maker) {
  pid_t born = maker.born();
  if (born <= 0) return;
  pid_t process = maker.born_is_process() ? born : maker.process();
  // PTRACE_EVENT_CLONE is also reported for clone(2) without CLONE_THREAD.
  if (!maker.born_is_process() && ThreadState(maker.process(), born) == 'X') process = born;
  // Its first stop may have come before its maker's.
  if (tracees_.count(born) == 0) {
    tracees_.emplace(born, std::make_unique<Tracee>(Tracee::Adopt(process, born)));
  }
  if (process == born && Followed(maker.process()) && followed_.insert(process).second) {
    on_event_({ProcessEvent::Kind::kBorn, process, maker.process()});
  }
}

long TraceeTable::OptionsFor(pid_t process) const {
  return Followed(process) ? FollowOptions() : static_cast<long>(PTRACE_O_TRACESYSGOOD);
}

void TraceeTable::Ended(pid_t tid) {
  auto found = tracees_.find(tid);
  if (found == tracees_.end()) return;
  pid_t process = found->second->process();
  tracees_.erase(found);
  if (process == tid) {
    gates_.erase(process);
    waiting_.erase(process);
  }
  if (Followed(process) && Of(process).empty() && ListThreads(process).empty()) {
    followed_.erase(process);
    on_event_({ProcessEvent::Kind::kExited, process, 0});
  }
}

void TraceeTable::Executed(Tracee &tracee) {
  pid_t process = tracee.process();
  // The other threads are no more, and not all of them report it (ptrace(2), execve).
  for (Tracee *other : Of(process)) {
    if (other != &tracee) tracees_.erase(other->tid());
  }
  gates_.erase(process);
  waiting_.erase(process);
  tracee.StopAtCalls(false);
  tracee.EndStandingStill();
  on_event_({ProcessEvent::Kind::kExec, process, 0});
  if (!watched_.has_value() || !Followed(process)) {
    Release(tracee);
  } else if (!watched_->NameProgramOf(process)) {
    // A shell in a session, say: somebody may want to debug what it starts.
    followed_.erase(process);
    Abandon(tracee);
  } else {
    AwaitStart(tracee);
  }
}

void TraceeTable::AwaitStart(Tracee &tracee) {
  pid_t process = tracee.process();
  try {
    std::optional<StartGate> gate = StartGate::Set(process, tracee.Registers());
    if (gate.has_value()) {
      gates_.insert_or_assign(process, std::move(*gate));
      tracee.StopAtCalls(true);
      Release(tracee);
      return;
    }
  } catch (const Failure &) {
    // Ended, or none that we may write to: the caller learns that it was missed.
  }
  on_event_({ProcessEvent::Kind::kMissed, process, 0});
  Release(tracee);
}

bool TraceeTable::ReachesStart(Tracee &tracee) {
  auto found = gates_.find(tracee.process());
  if (found == gates_.end()) return false;
  try {
    user_regs_struct registers = tracee.Registers();
    if (!found->second.IsAt(registers)) return false;
    tracee.SetRegisters(found->second.Passed(registers));
    found->second.Remove();
  } catch (const Failure &) {
    return false;  // killed: the wait will tell
  }
  tracee.StopAtCalls(false);
  Wait(tracee);
  return true;
}

void TraceeTable::Wait(Tracee &tracee) {
  gates_.erase(tracee.process());
  tracee.StandStill();
  if (waiting_.empty()) waiting_since_ = MonotonicNanoseconds();
  waiting_.insert(tracee.process());
  on_event_({ProcessEvent::Kind::kStarted, tracee.process(), 0});
}

void TraceeTable::Resume(pid_t process) {
  if (waiting_.erase(process) == 0) return;
  waiting_since_ = MonotonicNanoseconds();
  for (Tracee *tracee : Of(process)) {
    if (!tracee->StandsStill()) continue;
    tracee->EndStandingStill();
    Release(*tracee);
  }
}

void TraceeTable::Settle(pid_t tid, int status) {
  Tracee *tracee = Find(tid);
  if (tracee == nullptr) {
    // The first stop of a thread whose maker has not told of it yet.
    if (!WIFSTOPPED(status)) return;
    pid_t process = ThreadGroup(tid);
    if (process == 0) return;
    tracee = tracees_.emplace(tid, std::make_unique<Tracee>(Tracee::Adopt(process, tid))).first->second.get();
    // A child goes the way of its maker, which may report it only after the child has run.
    pid_t parent = process == tid ? ParentOf(process) : 0;
    if (parent != 0 && Followed(parent) && followed_.insert(process).second) {
      on_event_({ProcessEvent::Kind::kBorn, process, parent});
    }
  }
  Settle(*tracee, tracee->Take(status));
}

void TraceeTable::Settle(Tracee &tracee, StopKind kind) {
  switch (kind) {
    case StopKind::kGone:
      Ended(tracee.tid());
      return;
    case StopKind::kClone:
      NoteBirth(tracee);
      break;
    case StopKind::kExec:
      Executed(tracee);
      return;
    case StopKind::kSyscall:
      if (ReachesStart(tracee)) return;
      break;
    case StopKind::kInterrupt:
    case StopKind::kSignal: {
      // An ignored signal wakes a traced thread where it would not have woken a free one.
      user_regs_struct registers = tracee.Registers();
      if (Tracee::HideInterruption(registers)) tracee.SetRegisters(registers);
      break;
    }
    default:
      break;
  }
  Release(tracee);
}

bool TraceeTable::SettleNext() {
  int status = 0;
  pid_t tid = ::waitpid(-1, &status, __WALL | __WNOTHREAD);
  if (tid <= 0) return false;
  Settle(tid, status);
  return true;
}

}  // namespace polus
