// Numbered failure points, chosen from outside by POLUS_FAULT=N (we kill ourselves at the
// N-th point that is reached) or POLUS_FAULT=N:stop (we stop ourselves there, as a blocked
// terminal or a debugger would). They let a test prove that a target survives our death at
// every step that writes (the idea is CRIU compel's).
#pragma once

namespace polus {

// Counts one point; dies or stops there if it is the chosen one.
void FaultPoint();

// How many points have been reached so far.
unsigned FaultPointsReached();

}  // namespace polus
