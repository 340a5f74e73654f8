// All threads of one address space stopped together: sleepers first, the busiest last.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tracee_table.h"
#include "watchdog_process.h"

namespace polus {

struct HoldFigures {
  uint32_t stopped_threads = 0;
  uint64_t stall_us = 0;          // longest hold of any one thread
  uint64_t running_stall_us = 0;  // longest hold of a thread that was running
};

// Whatever happens, nobody is held any more once it is gone. Between StopAll and LetGo: no
// output, no waiting, no JavaScript.
class Hold {
 public:
  // Looks at a thread that has just been stopped; what it throws ends StopAll.
  using Look = std::function<void(Tracee &, user_regs_struct &)>;

  // @param processes  the target, then those that share its memory
  // @param limit_ns   from now on; the watchdog ends us when it is passed
  Hold(const Target &target, std::vector<pid_t> processes, TraceeTable &table, WaitTimer &timer,
       HoldDeadline *deadline, uint64_t limit_ns, Look look = {});
  ~Hold() { LetGo(); }
  Hold(const Hold &) = delete;
  Hold &operator=(const Hold &) = delete;

  // Attaches to all threads without stopping any. Throws ALREADY_TRACED, PERMISSION, TARGET_GONE.
  static void Attach(const Target &target, const std::vector<pid_t> &processes, TraceeTable &table);

  // Sleepers are stopped first, whatever their number, then those that wait for a processor;
  // the ones that have used most time, at most as many as there are processors, are held only
  // for the last moment. System calls that the stop interrupts go on unnoticed.
  // Throws CANNOT_STOP, TARGET_GONE, NO_SUCH_THREAD.
  void StopAll();
  // Throws CANNOT_STOP if the time for holding threads has run out.
  void CheckTime() const;
  // Lets everybody go, running ones first: they are the ones that are missed.
  void LetGo();

  // Complete after LetGo.
  const HoldFigures &figures() const { return figures_; }

 private:
  struct Held {
    pid_t tid;
    uint64_t since;
    bool running;
  };

  bool IsHeld(const Tracee *t) const;
  void Sort(std::vector<Tracee *> &sleeping, std::vector<Tracee *> &runnable, std::vector<Tracee *> &busiest);
  void Stop(const std::vector<Tracee *> &tracees, bool running);
  void Await(Tracee &t, bool running);

  const Target &target_;
  std::vector<pid_t> processes_;
  TraceeTable &table_;
  WaitTimer &timer_;
  Look look_;
  uint64_t deadline_;
  HoldPermit permit_;
  std::vector<Held> held_;
  HoldFigures figures_;
};

// Gives threads that stopped too late the time to be let go, before another attempt.
void SettleFor(TraceeTable &table, WaitTimer &timer, uint64_t nanoseconds);

}  // namespace polus
