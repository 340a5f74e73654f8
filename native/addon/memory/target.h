// A target process, pinned: what a pid alone can never be.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "descriptor.h"
#include "error.h"

namespace polus {

// An address inside the target. Never dereferenced here.
enum class TargetAddress : uint64_t {};
inline uint64_t Raw(TargetAddress a) { return static_cast<uint64_t>(a); }

// Holds a pidfd, the start time, and a descriptor of /proc/PID/mem. The latter pins
// the *address space*: after an exec or a reuse of the pid, reads and writes through it
// fail instead of reaching a stranger (proc(5), fs/proc/base.c mem_open).
class Target {
 public:
  // Throws NO_SUCH_PROCESS, PERMISSION.
  explicit Target(pid_t pid);

  pid_t pid() const { return pid_; }
  uint64_t start_time() const { return start_time_; }

  // False once the process has ended (even if it is not reaped yet).
  bool Alive() const;

  // Reads exactly `size` bytes; throws UNREADABLE or TARGET_GONE.
  void Read(TargetAddress from, void *into, size_t size) const;
  // Reads up to `size`; returns the count, 0 where nothing is readable.
  size_t ReadSome(TargetAddress from, void *into, size_t size) const;

  // Writes exactly `size` bytes, read-only private pages included (FOLL_FORCE: the page is
  // copied first). Within one page a write is never cut short by our own death: the copy
  // runs in the kernel with no point at which a signal is looked at.
  void Write(TargetAddress to, const void *from, size_t size) const;

  // One injector at a time: a lock on the process that goes with us, however we end. False:
  // another has it. Only those who may write to the process can take it.
  bool Lock() const;
  void Unlock() const;

 private:
  [[noreturn]] void Fail(const char *what, TargetAddress at, int error) const;

  pid_t pid_;
  uint64_t start_time_ = 0;
  Descriptor pidfd_;
  Descriptor mem_;
};

// Start time (clock ticks since boot) from /proc/PID/stat; 0 if there is no such process.
uint64_t StartTime(pid_t pid);

// True for one address space in two processes (CLONE_VM, vfork).
bool SharesMemory(pid_t process, pid_t other);

// One line of /proc/PID/maps, as far as stacks and gadgets need it.
struct Mapping {
  uint64_t start;
  uint64_t end;
  bool read, write, execute, shared;
  std::string path;
};
std::vector<Mapping> ReadMaps(pid_t pid);

}  // namespace polus
