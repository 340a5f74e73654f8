#include "moment.h"

#include <time.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string>

#include "fault.h"
#include "hold.h"
#include "threads.h"

namespace polus {

namespace {

// How often holding is tried: at least so many times, and for at least so long.
struct Patience {
  int attempts;
  uint64_t nanoseconds;
};

constexpr size_t kChunk = size_t{1} << 18;
// Reading does without holding where it must; a write is tried for longer: on a loaded machine
// threads sleep uninterruptibly for a while, or do not get a processor to stop on.
constexpr Patience kReadPatience{3, 0};
constexpr Patience kWritePatience{6, 2'000'000'000};
constexpr int kLooksAtSleepers = 5;

// What the program itself stores in one go is read in one go: nobody needs to be held.
bool IsOneWord(const std::vector<Range> &ranges) {
  if (ranges.size() != 1) return false;
  const Range &r = ranges.front();
  return r.length <= 8 && (r.length & (r.length - 1)) == 0 && (r.length == 0 || r.address % r.length == 0);
}

void CheckSize(size_t total) {
  if (total > kMostInMoment) {
    throw Failure("MOMENT_TOO_LARGE", std::to_string(total) + " bytes are too many to hold all threads for (at most " +
                                              std::to_string(kMostInMoment) + ")");
  }
}

// Threads in an uninterruptible sleep, as a vfork parent is, cannot be stopped. Most such sleeps
// are over in no time.
bool SomebodySleepsDeep(const std::vector<pid_t> &processes) {
  for (int look = 0;; ++look) {
    bool deep = false;
    for (pid_t process : processes) {
      for (const ThreadInfo &t : ListThreadStates(process)) deep = deep || t.state == 'D';
    }
    if (!deep || look == kLooksAtSleepers) return deep;
    timespec pause{0, 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

// Into buffers that are there already. `hold`: none when nobody is held.
void ReadInto(const Target &target, const std::vector<Range> &ranges, std::vector<std::vector<uint8_t>> &buffers,
              std::vector<size_t> &got, const Hold *hold) {
  for (size_t i = 0; i < ranges.size(); ++i) {
    size_t done = 0;
    while (done < ranges[i].length) {
      if (hold != nullptr) hold->CheckTime();
      size_t want = std::min(kChunk, ranges[i].length - done);
      size_t n = target.ReadSome(TargetAddress{ranges[i].address + done}, buffers[i].data() + done, want);
      done += n;
      if (n < want) break;
    }
    got[i] = done;
  }
}

// Holds everybody and runs `work`; again after a pause if somebody did not stop in time. Returns why
// somebody could not be held, or nothing. `held_us` takes the longest hold, of attempts in vain too.
template <typename Work>
std::string WhileHeld(const Target &target, const std::vector<pid_t> &processes, TraceeTable &table, WaitTimer &timer,
                      HoldDeadline *deadline, uint64_t limit_ns, Patience patience, uint64_t &held_us, Work work) {
  uint64_t until = MonotonicNanoseconds() + patience.nanoseconds;
  for (int attempt = 1;; ++attempt) {
    std::string why;
    if (SomebodySleepsDeep(processes)) {
      why = "it is in an uninterruptible sleep";
      if (!target.Alive()) throw Failure("TARGET_GONE", "process " + std::to_string(target.pid()) + " has ended");
    } else {
      try {
        Hold::Attach(target, processes, table);
        Hold hold(target, processes, table, timer, deadline, limit_ns);
        try {
          FaultPoint();
          hold.StopAll();
          FaultPoint();
          work(hold);
        } catch (...) {
          hold.LetGo();
          held_us = std::max(held_us, hold.figures().stall_us);
          throw;
        }
        hold.LetGo();
        held_us = std::max(held_us, hold.figures().stall_us);
        return {};
      } catch (const Failure &e) {
        for (pid_t process : processes) table.ReleaseAll(process);
        if ((!Is(e, "CANNOT_STOP") && !Is(e, "NO_SUCH_THREAD")) || !target.Alive()) throw;
        why = e.what();
      }
    }
    if (attempt >= patience.attempts && MonotonicNanoseconds() >= until) return why;
    SettleFor(table, timer, 5'000'000ull * static_cast<uint64_t>(std::min(attempt, 20)));
  }
}

// Writing is refused wherever the program itself could not write: behind such a page stand code
// and constants, whose values the compiler has also put into instructions.
void CheckWritable(const std::vector<Mapping> &maps, uint64_t start, uint64_t end) {
  for (uint64_t at = start; at < end;) {
    auto after = std::upper_bound(maps.begin(), maps.end(), at, [](uint64_t a, const Mapping &m) { return a < m.start; });
    const Mapping *m = after == maps.begin() ? nullptr : &*(after - 1);
    char text[96];
    if (m == nullptr || at >= m->end) {
      std::snprintf(text, sizeof text, "nothing is mapped at 0x%" PRIx64, at);
      throw Failure("UNWRITABLE", text);
    }
    if (!m->write) {
      std::snprintf(text, sizeof text, "0x%" PRIx64 " is in memory that the program cannot write", at);
      throw Failure("UNWRITABLE", text + (m->path.empty() ? std::string() : " (" + m->path + ")") +
                                          (m->execute ? ": it is code" : ": it is constant"));
    }
    at = m->end;
  }
}

// Changes that touch or overlap, as one piece of memory.
struct Piece {
  uint64_t start;
  uint64_t end;
  size_t last;  // index of the last change in it: decides its place in the order
  std::vector<uint8_t> before;
  std::vector<uint8_t> after;
};

std::vector<Piece> GatherPieces(const std::vector<Change> &changes) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].bytes.empty()) continue;
    pieces.push_back({changes[i].address, changes[i].address + changes[i].bytes.size(), i, {}, {}});
  }
  std::sort(pieces.begin(), pieces.end(), [](const Piece &a, const Piece &b) { return a.start < b.start; });
  std::vector<Piece> merged;
  for (const Piece &p : pieces) {
    if (!merged.empty() && p.start <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, p.end);
      merged.back().last = std::max(merged.back().last, p.last);
    } else {
      merged.push_back(p);
    }
  }
  for (Piece &p : merged) {
    p.before.resize(p.end - p.start);
    p.after.resize(p.end - p.start);
  }
  std::sort(merged.begin(), merged.end(), [](const Piece &a, const Piece &b) { return a.last < b.last; });
  return merged;
}

const Piece &PieceOf(const std::vector<Piece> &pieces, const Change &c) {
  return *std::find_if(pieces.begin(), pieces.end(), [&](const Piece &p) {
    return c.address >= p.start && c.address + c.bytes.size() <= p.end;
  });
}

// Fills `after` from `before`, and `result` with what stood there. False: some expectation fails.
bool Compare(std::vector<Piece> &pieces, const std::vector<Change> &changes, ChangeResult &result) {
  result.unexpected.clear();
  for (size_t i = 0; i < changes.size(); ++i) {
    const Change &c = changes[i];
    if (c.bytes.empty()) continue;
    const Piece &p = PieceOf(pieces, c);
    std::copy_n(p.before.begin() + static_cast<ptrdiff_t>(c.address - p.start), c.bytes.size(), result.before[i].begin());
    if (c.has_expected && c.expected != result.before[i]) result.unexpected.push_back(static_cast<uint32_t>(i));
  }
  if (!result.unexpected.empty()) return false;
  for (Piece &p : pieces) {
    p.after = p.before;
    for (const Change &c : changes) {
      if (c.bytes.empty() || c.address < p.start || c.address >= p.end) continue;
      std::copy(c.bytes.begin(), c.bytes.end(), p.after.begin() + static_cast<ptrdiff_t>(c.address - p.start));
    }
  }
  return true;
}

void WritePieces(const Target &target, const std::vector<Piece> &pieces) {
  size_t done = 0;
  try {
    for (const Piece &p : pieces) {
      target.Write(TargetAddress{p.start}, p.after.data(), p.after.size());
      ++done;
      FaultPoint();
    }
  } catch (const Failure &) {
    // The one that failed may be half done as well.
    for (size_t i = std::min(done + 1, pieces.size()); i-- > 0;) {
      try {
        target.Write(TargetAddress{pieces[i].start}, pieces[i].before.data(), pieces[i].before.size());
      } catch (const Failure &) {
        if (i != done) throw;
      }
    }
    throw;
  }
}

}  // namespace

Moment ReadTogether(const Target &target, const std::vector<Range> &ranges, TraceeTable &table, WaitTimer &timer,
                    HoldDeadline *deadline, uint64_t limit_ns) {
  size_t total = 0;
  for (const Range &r : ranges) CheckSize(total += std::min(r.length, kMostInMoment + 1));
  Moment moment;
  std::vector<size_t> got(ranges.size());
  for (const Range &r : ranges) moment.contents.emplace_back(r.length);
  // Once beforehand: pages that were swapped out are there when everybody waits for them.
  ReadInto(target, ranges, moment.contents, got, nullptr);
  if (!IsOneWord(ranges)) {
    std::vector<pid_t> processes = ProcessesOfMemory(target.pid());
    moment.held = WhileHeld(target, processes, table, timer, deadline, limit_ns, kReadPatience, moment.held_us,
                            [&](const Hold &hold) { ReadInto(target, ranges, moment.contents, got, &hold); })
                      .empty();
    if (!moment.held) ReadInto(target, ranges, moment.contents, got, nullptr);
  }
  if (!target.Alive()) throw Failure("TARGET_GONE", "process " + std::to_string(target.pid()) + " has ended");
  for (size_t i = 0; i < ranges.size(); ++i) moment.contents[i].resize(got[i]);
  return moment;
}

ChangeResult WriteTogether(const Target &target, const std::vector<Change> &changes, TraceeTable &table,
                           WaitTimer &timer, HoldDeadline *deadline, uint64_t limit_ns) {
  size_t total = 0;
  std::vector<Mapping> maps = ReadMaps(target.pid());
  ChangeResult result;
  for (const Change &c : changes) {
    CheckSize(total += c.bytes.size());
    CheckWritable(maps, c.address, c.address + c.bytes.size());
    result.before.emplace_back(c.bytes.size());
  }
  std::vector<Piece> pieces = GatherPieces(changes);
  // Pages that were swapped out come back before anybody waits for them.
  for (Piece &p : pieces) target.Read(TargetAddress{p.start}, p.before.data(), p.before.size());
  auto write = [&](const Hold &hold) {
    for (Piece &p : pieces) {
      hold.CheckTime();
      target.Read(TargetAddress{p.start}, p.before.data(), p.before.size());
    }
    if (!Compare(pieces, changes, result)) return;
    hold.CheckTime();
    WritePieces(target, pieces);
    result.written = true;
  };
  std::string why = WhileHeld(target, ProcessesOfMemory(target.pid()), table, timer, deadline, limit_ns, kWritePatience,
                              result.held_us, write);
  if (!why.empty()) {
    throw Failure("CANNOT_STOP",
                  "some thread of process " + std::to_string(target.pid()) + " cannot be held (" + why + ")");
  }
  return result;
}

}  // namespace polus
