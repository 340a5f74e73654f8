#include "fault.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace polus {

namespace {

struct Choice {
  unsigned number = 0;
  int signal = SIGKILL;
  Choice() {
    const char *text = std::getenv("POLUS_FAULT");
    if (text == nullptr) return;
    char *end = nullptr;
    number = static_cast<unsigned>(std::strtoul(text, &end, 10));
    if (end != nullptr && std::strcmp(end, ":stop") == 0) signal = SIGSTOP;
  }
};

std::atomic<unsigned> reached{0};

}  // namespace

void FaultPoint() {
  static const Choice choice;
  unsigned now = ++reached;
  if (choice.number != 0 && now == choice.number) ::kill(::getpid(), choice.signal);
}

unsigned FaultPointsReached() { return reached.load(); }

}  // namespace polus
