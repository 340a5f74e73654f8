// Runs a function of the target on a borrowed thread, which runs freely meanwhile, as all
// others do.
//
// As for a borrowed system call, the thread's whole state lies in a signal frame below its red
// zone. The function is called from a page of code of ours that keeps its results and then calls
// rt_sigreturn: if we die, the function finishes and the kernel puts the thread back. Of such a
// call only that page stays behind.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "borrow.h"

namespace polus {

// A thread that may be borrowed. `pc` and `sp`, unless both are 0: only as long as it stands there.
struct CallCandidate {
  pid_t tid;
  uint64_t pc;
  uint64_t sp;
  uint64_t call;  // number of the system call that it was seen in there, 0 if unknown
};

// Faults that the runtime's handlers in the target take, and which are no crashes therefore.
enum class HandledFaults {
  kNone,    // there is no runtime
  kAccess,  // stores to memory that is mapped and may not be written: it may be guarded
  kAll,     // the runtime itself runs, and knows where it may fault
};

struct CallSpec {
  uint64_t function;
  std::vector<uint64_t> integers;              // in registers, at most six
  std::vector<std::array<uint8_t, 16>> vectors;  // in xmm registers, at most eight
  std::vector<uint64_t> stack;                 // in memory
  // Put on the borrowed stack; where their addresses go: an index into `integers`, or into
  // `stack` behind those.
  struct Data {
    size_t argument;
    std::vector<uint8_t> bytes;
  };
  std::vector<Data> data;
  uint64_t limit_ns;
  HandledFaults faults;
  // System calls that the function and what it installs make later: filters must permit them.
  std::vector<uint64_t> needs;
  // Where the runtime says who has its lock (polus_runtime.h, polus_lock); 0: there is no runtime.
  uint64_t lock = 0;
  // The two words of the runtime a store to which says that system calls are not to be stopped at from here on, or
  // are again (polus_runtime.h, polus_stops); 0: there are none.
  uint64_t stops = 0;
  // Called again, on a thread chosen anew, while it returns 1 and for about so long; 0: once. The candidates may
  // then stand anywhere.
  uint64_t repeat_ns = 0;
};

struct CallOutcome {
  enum class Kind {
    kReturned,
    kCrashed,   // a fatal signal, not delivered
    kKept,      // was about to end the program or the thread, or to execute another program
    kTimedOut,
    kRunning,   // timed out, and cannot be interrupted: finishes by itself
    kLeft,      // left the function by longjmp, and goes on where that led
  } kind = Kind::kReturned;
  std::array<uint64_t, 2> integers{};
  std::array<uint8_t, 16> vector{};
  int signal = 0;
  uint64_t pc = 0;
  uint64_t address = 0;  // of the fault
  pid_t tid = 0;
  uint64_t held_us = 0;
};

// Most bytes of data and arguments, and the stack that the function itself is sure to have.
constexpr size_t kMostCallData = size_t{16} << 10;
constexpr size_t kCallStack = size_t{16} << 10;

// Takes the first candidate that fits. Except for kRunning and kLeft the thread is back where it
// was when this returns. Throws NO_BORROWABLE_THREAD, CANNOT_STOP, ALREADY_TRACED, PERMISSION,
// SHADOW_STACK, SECCOMP_DENIES, TARGET_GONE.
CallOutcome CallFunction(const Target &target, const Gadgets &gadgets, const CallSpec &spec,
                         const std::vector<CallCandidate> &candidates, TraceeTable &table, WaitTimer &timer,
                         HoldDeadline *deadline);

}  // namespace polus
