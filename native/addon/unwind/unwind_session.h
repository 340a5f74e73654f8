#ifndef POLUS_UNWIND_UNWIND_SESSION_H
#define POLUS_UNWIND_UNWIND_SESSION_H

namespace polus {

class UnwindSession {};

}  // namespace polus

#endif
