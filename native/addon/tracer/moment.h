// A target's memory at one moment: read, or compared and written, while all threads are held.
#pragma once

#include <cstdint>
#include <vector>

#include "tracee_table.h"
#include "watchdog_process.h"

namespace polus {

struct Range {
  uint64_t address;
  size_t length;
};

struct Moment {
  // In the order asked; one that is shorter than its range could not be read.
  std::vector<std::vector<uint8_t>> contents;
  // False: some thread could not be held, so the ranges were read one after another.
  bool held = true;
  uint64_t held_us = 0;
};

// Most bytes that are read or written while threads are held.
constexpr size_t kMostInMoment = size_t{16} << 20;

// One naturally aligned range of at most 8 bytes is read without holding anybody. Processes
// that share the memory are held too. Throws MOMENT_TOO_LARGE, ALREADY_TRACED, PERMISSION,
// TARGET_GONE.
Moment ReadTogether(const Target &target, const std::vector<Range> &ranges, TraceeTable &table, WaitTimer &timer,
                    HoldDeadline *deadline, uint64_t limit_ns);

struct Change {
  uint64_t address;
  std::vector<uint8_t> bytes;
  bool has_expected;
  std::vector<uint8_t> expected;  // as long as `bytes`
};

struct ChangeResult {
  bool written = false;
  std::vector<std::vector<uint8_t>> before;
  std::vector<uint32_t> unexpected;
  uint64_t held_us = 0;
};

// Compares all, then writes all or nothing. Changes that touch become one write, and a write
// inside one page is never cut short by our own death; a kill between two writes leaves those
// before it done. The order asked is kept, so that what publishes the others can come last.
// Throws UNWRITABLE, UNREADABLE, CANNOT_STOP, MOMENT_TOO_LARGE, ALREADY_TRACED, PERMISSION,
// TARGET_GONE; in each case nothing has changed.
ChangeResult WriteTogether(const Target &target, const std::vector<Change> &changes, TraceeTable &table,
                           WaitTimer &timer, HoldDeadline *deadline, uint64_t limit_ns);

}  // namespace polus
