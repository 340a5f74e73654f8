// The page that the tracer shares with its watchdog.
#pragma once

#include <atomic>
#include <cstdint>

namespace polus {

struct HoldDeadline {
  // CLOCK_MONOTONIC nanoseconds until which the tracer may hold threads; 0: holds none.
  std::atomic<uint64_t> until_ns;
};

static_assert(std::atomic<uint64_t>::is_always_lock_free);

}  // namespace polus
