#include "hold.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "threads.h"

namespace polus {

Hold::Hold(const Target &target, std::vector<pid_t> processes, TraceeTable &table, WaitTimer &timer,
           HoldDeadline *deadline, uint64_t limit_ns, Look look)
    : target_(target),
      processes_(std::move(processes)),
      table_(table),
      timer_(timer),
      look_(std::move(look)),
      deadline_(MonotonicNanoseconds() + limit_ns),
      permit_(deadline, limit_ns) {
  timer_.Arm(deadline_);
}

void Hold::Attach(const Target &target, const std::vector<pid_t> &processes, TraceeTable &table) {
  for (pid_t process : processes) table.AttachAll(process, WindowOptions());
  if (!target.Alive()) throw Failure("TARGET_GONE", "process " + std::to_string(target.pid()) + " has ended");
}

void Hold::StopAll() {
  std::vector<Tracee *> sleeping, runnable, busiest;
  Sort(sleeping, runnable, busiest);
  Stop(sleeping, false);
  Stop(runnable, true);
  Stop(busiest, true);
  // Threads born in between: the kernel has attached them.
  for (int pass = 0; pass < 100; ++pass) {
    std::vector<Tracee *> fresh;
    for (pid_t process : processes_) {
      table_.AttachAll(process, WindowOptions());
      for (Tracee *t : table_.Of(process)) {
        if (!IsHeld(t)) fresh.push_back(t);
      }
    }
    if (fresh.empty()) return;
    Stop(fresh, true);
  }
  throw Failure("CANNOT_STOP", "threads are born faster than they can be stopped");
}

void Hold::CheckTime() const {
  if (MonotonicNanoseconds() > deadline_) throw Failure("CANNOT_STOP", "the time for holding threads ran out");
}

void Hold::LetGo() {
  std::stable_sort(held_.begin(), held_.end(), [](const Held &a, const Held &b) { return a.running > b.running; });
  for (Held &h : held_) {
    if (Tracee *t = table_.Find(h.tid)) table_.Release(*t);
    uint64_t held_us = (MonotonicNanoseconds() - h.since) / 1000;
    figures_.stall_us = std::max(figures_.stall_us, held_us);
    if (h.running) figures_.running_stall_us = std::max(figures_.running_stall_us, held_us);
  }
  held_.clear();
  // Those that were asked to stop and did not: whenever they do, the table releases them.
  for (pid_t process : processes_) table_.ReleaseAll(process);
  timer_.Disarm();
}

bool Hold::IsHeld(const Tracee *t) const {
  return std::any_of(held_.begin(), held_.end(), [t](const Held &h) { return h.tid == t->tid(); });
}

void Hold::Sort(std::vector<Tracee *> &sleeping, std::vector<Tracee *> &runnable, std::vector<Tracee *> &busiest) {
  std::vector<std::pair<uint64_t, Tracee *>> running;
  for (pid_t process : processes_) {
    for (Tracee *t : table_.Of(process)) {
      ThreadInfo info = ThreadInfoOf(process, t->tid());
      if (info.state == 'R') {
        running.emplace_back(info.cpu_ticks, t);
      } else {
        sleeping.push_back(t);
      }
    }
  }
  std::sort(running.begin(), running.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
  size_t processors = std::max(1u, std::thread::hardware_concurrency());
  for (size_t i = 0; i < running.size(); ++i) {
    (i + processors < running.size() ? runnable : busiest).push_back(running[i].second);
  }
}

void Hold::Stop(const std::vector<Tracee *> &tracees, bool running) {
  std::vector<pid_t> tids;
  for (Tracee *t : tracees) {
    tids.push_back(t->tid());
    t->AskToStop();
  }
  for (pid_t tid : tids) {
    Tracee *t = table_.Find(tid);
    if (t != nullptr) Await(*t, running);
  }
}

void Hold::Await(Tracee &t, bool running) {
  switch (t.Wait(deadline_)) {
    case StopKind::kGone:
      table_.Release(t);
      return;
    case StopKind::kTimeout: {
      char state = ThreadState(t.process(), t.tid());
      throw Failure("CANNOT_STOP", "thread " + std::to_string(t.tid()) + " did not stop in time" +
                                           (state == 'D' ? " (it is in an uninterruptible sleep)" : ""));
    }
    case StopKind::kClone:
      table_.NoteBirth(t);
      break;
    case StopKind::kExec:
      table_.Executed(t);
      throw Failure("TARGET_GONE", "process " + std::to_string(target_.pid()) + " has executed another program");
    default:
      break;
  }
  held_.push_back({t.tid(), MonotonicNanoseconds(), running});
  ++figures_.stopped_threads;
  user_regs_struct registers = t.Registers();
  if (Tracee::HideInterruption(registers)) t.SetRegisters(registers);
  if (look_) look_(t, registers);
}

void SettleFor(TraceeTable &table, WaitTimer &timer, uint64_t nanoseconds) {
  uint64_t until = MonotonicNanoseconds() + nanoseconds;
  timer.Arm(until);
  while (MonotonicNanoseconds() < until) {
    if (!table.SettleNext() && table.empty()) {
      timespec pause{0, 2'000'000};
      ::nanosleep(&pause, nullptr);
    }
  }
  timer.Disarm();
}

}  // namespace polus
