// Our side of polus_borrower (native/borrower/main.cc).
#pragma once

#include <vector>

#include "borrow.h"

namespace polus {

// Lets the borrower run `calls` on thread `tid`, which nobody traces at this moment.
// Throws what Borrow throws.
BorrowResult BorrowInOwnProcess(const Target &target, pid_t tid, const std::vector<RemoteCall> &calls);

}  // namespace polus
