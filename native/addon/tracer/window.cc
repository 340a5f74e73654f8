#include "window.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>

#include "fault.h"
#include "hold.h"

namespace polus {

namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kMostStack = 256 * 1024;
constexpr int kAttempts = 20;
// Threads that do not stop, on a machine that is busy with other things, are tried for so long.
constexpr uint64_t kStopPatienceNs = 2'000'000'000;

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
    // Each would be planned for code as it was, and lead threads into the middle of the other.
    std::sort(list.begin(), list.end(),
              [](const EntryChange *a, const EntryChange *b) { return a->address < b->address; });
    for (size_t i = 1; i < list.size(); ++i) {
      if (list[i]->address < list[i - 1]->address + list[i - 1]->bytes.size())
        throw Failure("ENTRY_NOT_HOOKABLE", "two changes are of the same bytes");
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

// Where does a stopped thread stand, and where will it come back to?
class Look {
 public:
  Look(const Target &target, const Interior &interior, const std::vector<Mapping> &maps)
      : target_(target), interior_(interior), maps_(maps), stack_(kMostStack / 8) {}

  void At(Tracee &t, user_regs_struct &r) {
    if (interior_.Holds(r.rip)) {
      uint64_t to = interior_.MovedTo(r.rip);
      if (to == 0) throw Failure("THREAD_IN_ENTRY", "a thread stands inside an instruction of an entry");
      // Good at any time: the copy does the same, whatever becomes of the entry.
      r.rip = to;
      t.SetRegisters(r);
      ++moved_;
    }
    AtStack(t, r.rsp);
  }

  uint32_t moved() const { return moved_; }

 private:
  // Saved program counters (signal frames, calls made from inside the changed bytes) come
  // back without asking. No other word has a reason to point between an entry's bytes.
  void AtStack(const Tracee &t, uint64_t sp) {
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
  std::vector<uint64_t> stack_;
  uint32_t moved_ = 0;
};

void WritePages(const Target &target, const Hold &hold, const std::vector<PageWrite> &writes) {
  std::vector<uint8_t> now;
  for (const PageWrite &w : writes) {
    now.resize(w.expected.size());
    target.Read(TargetAddress{w.address}, now.data(), now.size());
    if (now != w.expected) throw Failure("ENTRY_CHANGED", "entry bytes changed while threads were being stopped");
  }
  hold.CheckTime();
  FaultPoint();
  for (const PageWrite &w : writes) {
    target.Write(TargetAddress{w.address}, w.bytes.data(), w.bytes.size());
    FaultPoint();
  }
}

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
  uint64_t until = MonotonicNanoseconds() + kStopPatienceNs;
  for (int attempt = 1;; ++attempt) {
    try {
      std::vector<pid_t> process{target.pid()};
      Hold::Attach(target, process, table);
      Look look(target, interior, maps);
      Hold hold(target, process, table, timer, deadline, limit_ns,
                [&look](Tracee &t, user_regs_struct &r) { look.At(t, r); });
      try {
        FaultPoint();
        hold.StopAll();
        FaultPoint();
        WritePages(target, hold, writes);
      } catch (...) {
        hold.LetGo();
        total.stall_us = std::max(total.stall_us, hold.figures().stall_us);
        throw;
      }
      hold.LetGo();
      const HoldFigures &f = hold.figures();
      total.stopped_threads = f.stopped_threads;
      total.moved_threads = look.moved();
      total.stall_us = std::max(total.stall_us, f.stall_us);
      total.running_stall_us = std::max(total.running_stall_us, f.running_stall_us);
      total.attempts = static_cast<uint32_t>(attempt);
      return total;
    } catch (const Failure &e) {
      table.ReleaseAll(target.pid());
      bool again = (Is(e, "CANNOT_STOP") || Is(e, "THREAD_IN_ENTRY") || Is(e, "NO_SUCH_THREAD")) &&
                   attempt < kAttempts && target.Alive();
      if (!again) throw;
      if (Is(e, "CANNOT_STOP") && attempt >= 6 && MonotonicNanoseconds() >= until) throw;
    }
    SettleFor(table, timer, 10'000'000ull * static_cast<uint64_t>(attempt));
  }
}

}  // namespace polus
