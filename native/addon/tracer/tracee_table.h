// All threads that one tracer has seized, and what becomes of each when it stops.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "tracee.h"

namespace polus {

// Something that happened to a followed process by itself.
struct ProcessEvent {
  enum class Kind { kBorn, kExec, kExited } kind;
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
  // Books new threads and children that a kClone stop tells of.
  void NoteBirth(const Tracee &maker);
  // Waits for any tracee and settles it; returns false when none is left or on a wake-up.
  bool SettleNext();

 private:
  void Ended(pid_t tid);

  std::function<void(const ProcessEvent &)> on_event_;
  std::map<pid_t, std::unique_ptr<Tracee>> tracees_;
  std::set<pid_t> followed_;
};

// Options under which threads are seized for a window: new threads come along.
long WindowOptions();
// Options of followed processes: children too.
long FollowOptions();

}  // namespace polus
