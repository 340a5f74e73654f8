// Our side of the watchdog: starts it, tells it until when threads may be held.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "../../watchdog/hold_deadline.h"
#include "../memory/descriptor.h"
#include "urgency.h"

namespace polus {

uint64_t MonotonicNanoseconds();

class WatchdogProcess {
 public:
  // Starts polus_watchdog, which stands beside the addon's file. Throws WATCHDOG.
  // Call it from a thread other than the tracer's: the child is then not among its waits.
  WatchdogProcess();
  ~WatchdogProcess();
  WatchdogProcess(const WatchdogProcess &) = delete;
  WatchdogProcess &operator=(const WatchdogProcess &) = delete;

  HoldDeadline *deadline() const { return deadline_; }

 private:
  pid_t pid_ = -1;
  HoldDeadline *deadline_ = nullptr;
};

// While one lives, threads may be held, until `limit_ns` from its making, and the calling thread, the
// tracer, goes before other work of the machine. Nested ones keep the outermost limit.
class HoldPermit {
 public:
  HoldPermit(HoldDeadline *deadline, uint64_t limit_ns);
  ~HoldPermit();
  HoldPermit(const HoldPermit &) = delete;
  HoldPermit &operator=(const HoldPermit &) = delete;

 private:
  HoldDeadline *deadline_;
  bool outermost_;
  std::optional<Urgency> urgency_;
};

}  // namespace polus
