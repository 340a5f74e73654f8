// All threads that one tracer has seized, and what becomes of each when it stops.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "start_gate.h"
#include "tracee.h"

namespace polus {

// Something that happened to a followed process by itself.
struct ProcessEvent {
  enum class Kind {
    kBorn,
    kExec,     // runs another program now
    kExited,
    kStarted,  // stands at the entry point of a program that starts are watched for
    kMissed,   // such a program runs, and could not be stopped at its entry point
  } kind;
  pid_t process;
  pid_t parent;  // for kBorn
};

class TraceeTable {
 public:
  explicit TraceeTable(std::function<void(const ProcessEvent &)> on_event) : on_event_(std::move(on_event)) {}

  // Seizes a thread, or returns the one that is seized already. Throws as Tracee::Seize.
  Tracee &Attach(pid_t process, pid_t tid, long options);
  Tracee *Find(pid_t tid);
  // All tracees of a process.
  std::vector<Tracee *> Of(pid_t process);
  bool empty() const { return tracees_.empty(); }

  // Seizes every thread of a process, new ones meanwhile included. Followed processes keep
  // their tracees (and get those of their children) until the table dies. None is stopped.
  size_t Follow(pid_t process);
  bool Followed(pid_t process) const { return followed_.count(process) != 0; }
  // For attaching to a thread of a process: those of followed ones keep being followed.
  long OptionsFor(pid_t process) const;

  // From now on followed processes that execute one of these programs are stopped at its entry
  // point, until Resume; those that execute another are let go for good.
  void WatchStarts(ProgramNames programs) { watched_ = std::move(programs); }
  // Lets a process go on from its program's entry point.
  void Resume(pid_t process);
  // Since when (MonotonicNanoseconds) processes have stood at entry points with none of them let
  // go; 0: none stands there.
  uint64_t waiting_since() const { return waiting_.empty() ? 0 : waiting_since_; }

  // Seizes those threads of the process that are not seized yet, zombies and ended ones
  // left out. New threads are attached by the kernel from then on.
  void AttachAll(pid_t process, long options);

  // Done with a stopped tracee: goes on seized if its process is followed, else is let go.
  void Release(Tracee &tracee);
  // Lets a stopped tracee go, followed or not: another tracer is to take it.
  void Abandon(Tracee &tracee);
  void ReleaseAll(pid_t process);

  // Takes a stop that nobody waits for (idle, or another tracee's while one is waited for).
  void Settle(pid_t tid, int status);
  // The same for a stop that was waited for after all. The reference is not good any more.
  void Settle(Tracee &tracee, StopKind kind);
  // A tracee stopped for having executed a program: what was known of its process is void. It
  // is let go on, and the reference is not good any more.
  void Executed(Tracee &tracee);
  // Books new threads and children that a kClone stop tells of.
  void NoteBirth(const Tracee &maker);
  // Waits for any tracee and settles it; returns false when none is left or on a wake-up.
  bool SettleNext();

 private:
  void Ended(pid_t tid);
  // True if the tracee has come to its program's entry point; it then stands still.
  bool ReachesStart(Tracee &tracee);
  void AwaitStart(Tracee &tracee);
  void Wait(Tracee &tracee);

  std::function<void(const ProcessEvent &)> on_event_;
  std::map<pid_t, std::unique_ptr<Tracee>> tracees_;
  std::set<pid_t> followed_;
  std::optional<ProgramNames> watched_;
  std::map<pid_t, StartGate> gates_;  // of processes whose program's loader is at work
  std::set<pid_t> waiting_;
  uint64_t waiting_since_ = 0;
};

// Options under which threads are seized for a window: new threads come along.
long WindowOptions();
// Options of followed processes: children too.
long FollowOptions();

}  // namespace polus
