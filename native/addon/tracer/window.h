// The install window: all threads of one process held, their places looked at, entry bytes
// written, everybody let go. Nothing else happens inside.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tracee_table.h"
#include "watchdog_process.h"

namespace polus {

// Bytes that change at one function's entry.
struct EntryChange {
  uint64_t address;
  std::vector<uint8_t> expected;  // what stands there now
  std::vector<uint8_t> bytes;     // what is to stand there, as long
  // Instruction boundaries inside the bytes and where the same instruction stands in the
  // relocated copy; the entry itself is not among them.
  std::vector<std::pair<uint64_t, uint64_t>> moves;
};

struct WindowResult {
  uint32_t stopped_threads = 0;
  uint64_t stall_us = 0;          // longest hold of any one thread
  uint64_t running_stall_us = 0;  // longest hold of a thread that was running
  uint32_t moved_threads = 0;
  uint32_t attempts = 0;
};

// Throws CANNOT_STOP, THREAD_IN_ENTRY, ENTRY_CHANGED, ALREADY_TRACED, PERMISSION, TARGET_GONE; in each
// case nothing was written and nobody is held.
WindowResult InstallWindow(const Target &target, const std::vector<EntryChange> &changes, TraceeTable &table,
                           WaitTimer &timer, HoldDeadline *deadline, uint64_t limit_ns);

}  // namespace polus
