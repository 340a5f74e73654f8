// polus_borrower: borrows one thread whose seccomp filter must be suspended meanwhile.
//
// Filters are suspended only for as long as a tracer lives. Should it die between changing a
// call and the kernel's entry into it, the filter would kill the target. So this one step is
// done by a process of its own, in a session of its own, which outlives polus: whoever kills
// polus leaves it to finish, some hundred microseconds later.
//
//   polus_borrower PID START_TIME TID [NUMBER A0 A1 A2 A3 A4 A5]...     (all hexadecimal)
//
// Answers with one line: `ok HELD_US RESULT...` or `error CODE MESSAGE`.
#include <signal.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include "tracer/borrow.h"

namespace {

int Answer(const char *code, const char *message) {
  std::printf("error %s %s\n", code, message);
  return 1;
}

uint64_t Word(const char *text) { return std::strtoull(text, nullptr, 16); }

}  // namespace

int main(int argc, char **argv) {
  using namespace polus;
  ::setsid();
  for (int s : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP}) ::signal(s, SIG_IGN);
  if (argc < 4 || (argc - 4) % 7 != 0) return Answer("TRACER", "the borrower was called wrongly");
  std::vector<RemoteCall> calls;
  for (int at = 4; at + 7 <= argc; at += 7) {
    RemoteCall call{static_cast<long>(Word(argv[at])), {}};
    for (int i = 0; i < 6; ++i) call.arguments[static_cast<size_t>(i)] = Word(argv[at + 1 + i]);
    calls.push_back(call);
  }
  try {
    Target target(static_cast<pid_t>(Word(argv[1])));
    if (target.start_time() != Word(argv[2])) return Answer("TARGET_GONE", "the process has ended");
    WaitTimer::InstallHandler();
    WaitTimer timer;
    HoldDeadline deadline{};
    TraceeTable table([](const ProcessEvent &) {});
    BorrowOptions options;
    options.only = static_cast<pid_t>(Word(argv[3]));
    options.may_suspend_seccomp = true;
    Gadgets gadgets = FindGadgets(target, ReadMaps(target.pid()));
    BorrowResult result = Borrow(target, gadgets, calls, table, timer, &deadline, options);
    std::printf("ok %" PRIx64, result.held_us);
    for (int64_t r : result.results) std::printf(" %" PRIx64, static_cast<uint64_t>(r));
    std::printf("\n");
    return 0;
  } catch (const Failure &e) {
    return Answer(e.code(), e.what());
  } catch (const std::exception &e) {
    return Answer("TRACER", e.what());
  }
}
