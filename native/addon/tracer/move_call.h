// Has a system call that a thread is blocked in made again elsewhere.
#pragma once

#include "borrow.h"
#include "tracee_table.h"

namespace polus {

// The thread goes on at the runtime's `polus_blocked` (polus_runtime.h), which makes the call with other memory, as
// the kernel would make it again after a signal without a handler. A time-out that the kernel keeps begins anew. False:
// the thread is not blocked in that call any more, with that stack pointer, did not stop in time, or its stack has no
// room; it is as it was. Throws ALREADY_TRACED, PERMISSION.
bool MoveBlockedCall(const Target &target, const Gadgets &gadgets, pid_t tid, uint64_t number, uint64_t sp,
                     uint64_t runtime, TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline);

}  // namespace polus
