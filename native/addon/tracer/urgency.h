// While threads are held, the tracer goes before other work of the machine.
#pragma once

#include <sched.h>

namespace polus {

// Real-time priority for the calling thread as long as one lives, where that is permitted
// (CAP_SYS_NICE); a stall of the target is else as long as the machine is busy.
class Urgency {
 public:
  Urgency() {
    sched_param now{};
    before_ = ::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    if (before_ != SCHED_OTHER || ::sched_getparam(0, &now) != 0) return;
    sched_param urgent{};
    urgent.sched_priority = 1;
    raised_ = ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &urgent) == 0;
  }
  ~Urgency() {
    if (!raised_) return;
    sched_param normal{};
    ::sched_setscheduler(0, before_ | SCHED_RESET_ON_FORK, &normal);
  }
  Urgency(const Urgency &) = delete;
  Urgency &operator=(const Urgency &) = delete;

 private:
  int before_ = SCHED_OTHER;
  bool raised_ = false;
};

}  // namespace polus
