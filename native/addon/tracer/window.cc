#include "window.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <thread>

#include "fault.h"
#include "threads.h"
#include "urgency.h"

namespace polus {

namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kMostStack = 256 * 1024;
constexpr int kAttempts = 20;

struct PageWrite {
  uint64_t address;
  std::vector<uint8_t> expected;
  std::vector<uint8_t> bytes;
};

// One write a page: from its first changed byte to its last, the bytes in between as they are.
std::vector<PageWrite> GatherPages(const Target &target, const std::vector<EntryChange> &changes) {
  std::map<uint64_t, std::vector<const EntryChange *>> pages;
  for (const EntryChange &c : changes) {
    // A kill between two pages would leave half a jump: the planner never asks for that.
    if (c.address / kPage != (c.address + c.bytes.size() - 1) / kPage) {
      throw Failure("ENTRY_NOT_HOOKABLE", "an entry crosses a page");
    }
    pages[c.address / kPage].push_back(&c);
  }
  std::vector<PageWrite> writes;
  for (auto &[page, list] : pages) {
    uint64_t start = UINT64_MAX, end = 0;
    for (const EntryChange *c : list) {
      start = std::min(start, c->address);
      end = std::max(end, c->address + c->bytes.size());
    }
    PageWrite w{start, std::vector<uint8_t>(end - start), {}};
    target.Read(TargetAddress{start}, w.expected.data(), w.expected.size());
    w.bytes = w.expected;
    for (const EntryChange *c : list) {
      auto at = static_cast<ptrdiff_t>(c->address - start);
      if (!std::equal(c->expected.begin(), c->expected.end(), w.expected.begin() + at)) {
        char text[128];
        std::snprintf(text, sizeof text, "the bytes at 0x%" PRIx64 " are not what the file or our record says",
                      c->address);
        throw Failure("ENTRY_CHANGED", text);
      }
      std::copy(c->bytes.begin(), c->bytes.end(), w.bytes.begin() + at);
    }
    writes.push_back(std::move(w));
  }
  return writes;
}

// Addresses inside changed bytes, sorted, with where a thread found there goes on.
class Interior {
 public:
  explicit Interior(const std::vector<EntryChange> &changes) {
    for (const EntryChange &c : changes) {
      ranges_.emplace_back(c.address + 1, c.address + c.bytes.size());
      for (const auto &m : c.moves) moves_.insert(m);
    }
    std::sort(ranges_.begin(), ranges_.end());
  }
  bool Holds(uint64_t address) const {
    if (ranges_.empty() || address < ranges_.front().first || address >= ranges_.back().second) return false;
    auto after = std::upper_bound(ranges_.begin(), ranges_.end(), std::make_pair(address, UINT64_MAX));
    return after != ranges_.begin() && address < (after - 1)->second;
  }
  // 0: not at an instruction's start (a thread cannot stand there).
  uint64_t MovedTo(uint64_t address) const {
    auto found = moves_.find(address);
    return found == moves_.end() ? 0 : found->second;
  }

 private:
  std::vector<std::pair<uint64_t, uint64_t>> ranges_;
  std::map<uint64_t, uint64_t> moves_;
};

struct Held {
  pid_t tid;
  uint64_t since;
  bool running;
};

class Window {
 public:
  Window(const Target &target, const Interior &interior, const std::vector<Mapping> &maps, TraceeTable &table,
         uint64_t deadline_ns)
      : target_(target), interior_(interior), maps_(maps), table_(table), deadline_(deadline_ns) {
    stack_.resize(kMostStack / 8);
  }
  ~Window() { LetGo(); }
  Window(const Window &) = delete;
  Window &operator=(const Window &) = delete;

  // Sleepers are stopped first, whatever their number, then those that wait for a processor;
  // the ones that have used most time, at most as many as there are processors, are held only
  // for the last moment.
  void StopAll() {
    std::vector<Tracee *> sleeping, runnable, busiest;
    Sort(sleeping, runnable, busiest);
    Stop(sleeping, false);
    Stop(runnable, true);
    Stop(busiest, true);
    // Threads born in between: the kernel has attached them.
    for (int pass = 0; pass < 100; ++pass) {
      table_.AttachAll(target_.pid(), WindowOptions());
      std::vector<Tracee *> fresh;
      for (Tracee *t : table_.Of(target_.pid())) {
        if (!IsHeld(t)) fresh.push_back(t);
      }
      if (fresh.empty()) return;
      Stop(fresh, true);
    }
    throw Failure("CANNOT_STOP", "threads are born faster than they can be stopped");
  }

  void Write(const std::vector<PageWrite> &writes) {
    std::vector<uint8_t> now;
    for (const PageWrite &w : writes) {
      now.resize(w.expected.size());
      target_.Read(TargetAddress{w.address}, now.data(), now.size());
      if (now != w.expected) throw Failure("ENTRY_CHANGED", "entry bytes changed while threads were being stopped");
    }
    if (MonotonicNanoseconds() > deadline_) throw Failure("CANNOT_STOP", "the time for holding threads ran out");
    FaultPoint();
    for (const PageWrite &w : writes) {
      target_.Write(TargetAddress{w.address}, w.bytes.data(), w.bytes.size());
      FaultPoint();
    }
  }

  void LetGo() {
    // Running ones first: they are the ones that are missed.
    std::stable_sort(held_.begin(), held_.end(), [](const Held &a, const Held &b) { return a.running > b.running; });
    for (Held &h : held_) {
      if (Tracee *t = table_.Find(h.tid)) table_.Release(*t);
      uint64_t held_us = (MonotonicNanoseconds() - h.since) / 1000;
      result_.stall_us = std::max(result_.stall_us, held_us);
      if (h.running) result_.running_stall_us = std::max(result_.running_stall_us, held_us);
    }
    held_.clear();
    // Those that were asked to stop and did not: whenever they do, the table releases them.
    table_.ReleaseAll(target_.pid());
  }

  WindowResult &result() { return result_; }

 private:
  bool IsHeld(const Tracee *t) const {
    return std::any_of(held_.begin(), held_.end(), [t](const Held &h) { return h.tid == t->tid(); });
  }

  void Sort(std::vector<Tracee *> &sleeping, std::vector<Tracee *> &runnable, std::vector<Tracee *> &busiest) {
    std::vector<std::pair<uint64_t, Tracee *>> running;
    for (Tracee *t : table_.Of(target_.pid())) {
      ThreadInfo info = ThreadInfoOf(target_.pid(), t->tid());
      if (info.state == 'R') {
        running.emplace_back(info.cpu_ticks, t);
      } else {
        sleeping.push_back(t);
      }
    }
    std::sort(running.begin(), running.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
    size_t processors = std::max(1u, std::thread::hardware_concurrency());
    for (size_t i = 0; i < running.size(); ++i) {
      (i + processors < running.size() ? runnable : busiest).push_back(running[i].second);
    }
  }

  void Stop(const std::vector<Tracee *> &tracees, bool running) {
    std::vector<pid_t> tids;
    for (Tracee *t : tracees) {
      tids.push_back(t->tid());
      t->Interrupt();
    }
    for (pid_t tid : tids) {
      Tracee *t = table_.Find(tid);
      if (t != nullptr) Await(*t, running);
    }
  }

  void Await(Tracee &t, bool running) {
    for (;;) {
      switch (t.Wait(deadline_)) {
        case StopKind::kGone:
          table_.Release(t);
          return;
        case StopKind::kTimeout: {
          char state = ThreadState(target_.pid(), t.tid());
          throw Failure("CANNOT_STOP", "thread " + std::to_string(t.tid()) + " did not stop in time" +
                                               (state == 'D' ? " (it is in an uninterruptible sleep)" : ""));
        }
        case StopKind::kClone:
          table_.NoteBirth(t);
          break;
        case StopKind::kExec:
          held_.push_back({t.tid(), MonotonicNanoseconds(), running});
          throw Failure("TARGET_GONE", "process " + std::to_string(target_.pid()) + " has executed another program");
        default:
          break;
      }
      break;
    }
    held_.push_back({t.tid(), MonotonicNanoseconds(), running});
    ++result_.stopped_threads;
    Look(t);
  }

  // Where does the thread stand, and where will it come back to?
  void Look(Tracee &t) {
    user_regs_struct r = t.Registers();
    bool changed = Tracee::HideInterruption(r);
    if (interior_.Holds(r.rip)) {
      uint64_t to = interior_.MovedTo(r.rip);
      if (to == 0) throw Failure("THREAD_IN_ENTRY", "a thread stands inside an instruction of an entry");
      // Good at any time: the copy does the same, whatever becomes of the entry.
      r.rip = to;
      changed = true;
      ++result_.moved_threads;
    }
    if (changed) t.SetRegisters(r);
    LookAtStack(t, r.rsp);
  }

  // Saved program counters (signal frames, calls made from inside the changed bytes) come
  // back without asking. No other word has a reason to point between an entry's bytes.
  void LookAtStack(const Tracee &t, uint64_t sp) {
    uint64_t end = (sp + 8192) & ~uint64_t{4095};
    auto after = std::upper_bound(maps_.begin(), maps_.end(), sp, [](uint64_t a, const Mapping &m) { return a < m.start; });
    if (after != maps_.begin() && sp < (after - 1)->end) end = (after - 1)->end;
    uint64_t from = sp & ~uint64_t{7};
    size_t size = static_cast<size_t>(std::min<uint64_t>(end - from, kMostStack));
    size_t words = target_.ReadSome(TargetAddress{from}, stack_.data(), size) / 8;
    for (size_t i = 0; i < words; ++i) {
      if (interior_.Holds(stack_[i])) {
        throw Failure("THREAD_IN_ENTRY", "thread " + std::to_string(t.tid()) +
                                                 " will come back from a signal or a call into an entry");
      }
    }
  }

  const Target &target_;
  const Interior &interior_;
  const std::vector<Mapping> &maps_;
  TraceeTable &table_;
  uint64_t deadline_;
  std::vector<Held> held_;
  std::vector<uint64_t> stack_;
  WindowResult result_;
};

}  // namespace

WindowResult InstallWindow(const Target &target, const std::vector<EntryChange> &changes, TraceeTable &table,
                           WaitTimer &timer, HoldDeadline *deadline, uint64_t limit_ns) {
  std::vector<PageWrite> writes = GatherPages(target, changes);
  // Breaks copy-on-write of the text pages while the program runs: a byte is written over itself.
  for (const PageWrite &w : writes) target.Write(TargetAddress{w.address}, w.expected.data(), 1);
  FaultPoint();
  Interior interior(changes);
  std::vector<Mapping> maps = ReadMaps(target.pid());

  WindowResult total;
  for (int attempt = 1;; ++attempt) {
    std::string code, message;
    try {
      table.AttachAll(target.pid(), WindowOptions());
      if (!target.Alive()) throw Failure("TARGET_GONE", "process " + std::to_string(target.pid()) + " has ended");
      uint64_t now = MonotonicNanoseconds();
      HoldPermit permit(deadline, limit_ns);
      Urgency urgency;
      timer.Arm(now + limit_ns);
      Window window(target, interior, maps, table, now + limit_ns);
      try {
        FaultPoint();
        window.StopAll();
        FaultPoint();
        window.Write(writes);
      } catch (...) {
        window.LetGo();
        total.stall_us = std::max(total.stall_us, window.result().stall_us);
        throw;
      }
      window.LetGo();
      timer.Disarm();
      WindowResult &r = window.result();
      total.stopped_threads = r.stopped_threads;
      total.moved_threads = r.moved_threads;
      total.stall_us = std::max(total.stall_us, r.stall_us);
      total.running_stall_us = std::max(total.running_stall_us, r.running_stall_us);
      total.attempts = static_cast<uint32_t>(attempt);
      return total;
    } catch (const Failure &e) {
      timer.Disarm();
      table.ReleaseAll(target.pid());
      bool again = (Is(e, "CANNOT_STOP") || Is(e, "THREAD_IN_ENTRY") || Is(e, "NO_SUCH_THREAD")) &&
                   attempt < kAttempts && target.Alive();
      if (!again) throw;
      if (Is(e, "CANNOT_STOP") && attempt >= 6) throw;
    }
    // Threads that stopped too late are waiting to be let go.
    uint64_t until = MonotonicNanoseconds() + 10'000'000ull * static_cast<uint64_t>(attempt);
    timer.Arm(until);
    while (MonotonicNanoseconds() < until) {
      if (!table.SettleNext()) {
        if (table.empty()) {
          timespec pause{0, 2'000'000};
          ::nanosleep(&pause, nullptr);
        }
      }
    }
    timer.Disarm();
  }
}

}  // namespace polus
