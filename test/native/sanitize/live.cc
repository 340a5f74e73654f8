// Borrowing, calls, moments, the install window and snapshots on a real program that checks itself.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include "rounds.h"
#include "tracer/borrow.h"
#include "tracer/call.h"
#include "tracer/moment.h"
#include "tracer/snapshot.h"
#include "tracer/window.h"
#include "unwinding.h"

namespace sanitize {

namespace {

// A target program with a pipe to its standard input and one from its standard output.
class Program {
 public:
  explicit Program(const std::string &path) {
    int input[2], output[2];
    if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    std::string name = path;
    char *argv[] = {name.data(), nullptr};
    const int error = posix_spawn(&pid_, path.c_str(), &actions, nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    output_ = output[0];
    if (error != 0) throw std::runtime_error(path + " cannot be started");
    char line[6];
    for (size_t got = 0; got < sizeof line;) {
      const ssize_t n = read(output_, line + got, sizeof line - got);
      if (n <= 0) throw std::runtime_error(path + " did not get ready");
      got += static_cast<size_t>(n);
    }
    if (std::memcmp(line, "READY\n", sizeof line) != 0) throw std::runtime_error(path + " says something else");
  }
  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;
  ~Program() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(input_);
    close(output_);
  }

  pid_t pid() const { return pid_; }

  // Lets it end; throws if it has found a fault in itself.
  void Quit() {
    if (write(input_, "quit\n", 5) != 5) throw std::runtime_error("the target is gone");
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("the target found a violation");
  }

 private:
  pid_t pid_ = 0;
  int input_ = -1;
  int output_ = -1;
};

// The entry as it is written over itself; a thread found inside goes on where it stands.
polus::EntryChange Unchanged(const polus::Target &target, uint64_t entry) {
  polus::EntryChange change{entry, std::vector<uint8_t>(5), {}, {}};
  target.Read(polus::TargetAddress{entry}, change.expected.data(), change.expected.size());
  change.bytes = change.expected;
  for (uint64_t place = entry + 1; place < entry + 5; ++place) change.moves.emplace_back(place, place);
  return change;
}

void Round(const polus::Target &target, Unwinding &unwinding, polus::TraceeTable &table, polus::WaitTimer &timer,
           polus::HoldDeadline *deadline) {
  const polus::Gadgets gadgets = polus::FindGadgets(target, polus::ReadMaps(target.pid()));
  const auto map = polus::Borrow(target, gadgets, {{SYS_getpid, {}}, {SYS_mmap, {0, 8192, 3, 0x22, ~uint64_t{0}, 0}}},
                                 table, timer, deadline);
  if (map.results.size() != 2 || map.results[0] != target.pid()) throw std::runtime_error("getpid lies");
  if (map.results[1] < 0) throw std::runtime_error("nothing was mapped");
  const uint64_t place = static_cast<uint64_t>(map.results[1]);
  target.Write(polus::TargetAddress{place}, "polus", 5);
  polus::Borrow(target, gadgets, {{SYS_munmap, {place, 8192}}}, table, timer, deadline);

  polus::InstallWindow(target, {Unchanged(target, unwinding.AddressOf("answer"))}, table, timer, deadline, 50'000'000);

  // A page of code, words of the stack, what is not mapped, and nothing.
  const uint64_t entry = unwinding.AddressOf("answer");
  std::vector<pid_t> missed;
  const std::vector<polus::ThreadCopy> copies =
      polus::SnapshotThreads(target, table, timer, deadline, 1 << 18, 0, missed);
  const uint64_t stack = copies.at(0).registers.rsp;
  const polus::Moment moment = polus::ReadTogether(target, {{entry & ~uint64_t{4095}, 4096}, {stack, 1000}, {16, 8}, {stack, 0}},
                                                   table, timer, deadline, 50'000'000);
  if (moment.contents.at(0).size() != 4096 || moment.contents.at(1).size() != 1000 || !moment.contents.at(2).empty()) {
    throw std::runtime_error("a moment is not what was asked for");
  }
  // Far below the stack pointer of a thread nothing is in use: written, and refused, as expected or not.
  const uint64_t free = (stack - 4096) & ~uint64_t{7};
  std::vector<uint8_t> word(8);
  target.Read(polus::TargetAddress{free}, word.data(), word.size());
  const polus::Change same{free, word, false, {}};
  std::vector<uint8_t> other = word;
  other[3] ^= 1;
  const polus::Change wrong{free + 4, other, true, other};
  const polus::ChangeResult change = polus::WriteTogether(target, {same, wrong}, table, timer, deadline, 50'000'000);
  if (change.before.size() != 2) throw std::runtime_error("a change tells too little");

  polus::CallSpec spec{};
  spec.function = entry;
  spec.integers = {13, 2, 3, 4, 5, 0};
  spec.stack = {1, 0, 3};
  spec.vectors = {{1, 2, 3}, {4}};
  spec.data = {{5, {1, 2, 3, 4, 5}}, {7, std::vector<uint8_t>(33, 7)}};
  spec.limit_ns = 2'000'000'000;
  std::vector<polus::CallCandidate> candidates;
  for (const polus::ThreadCopy &copy : copies) candidates.push_back({copy.tid, 0, 0, 0});
  const polus::CallOutcome outcome = polus::CallFunction(target, gadgets, spec, candidates, table, timer, deadline);
  if (outcome.kind != polus::CallOutcome::Kind::kReturned || outcome.integers[0] != 40) {
    throw std::runtime_error("a call did not return what it should");
  }

  for (const polus::ThreadCopy &copy : copies) {
    unwinding.Unwind(copy.tid, copy.registers, copy.stack_start, copy.stack);
  }
}

}  // namespace

size_t WorkOnTarget(const std::string &path, const TimeSlice &slice) {
  Program program(path);
  size_t rounds = 0;
  {
    const polus::Target target(program.pid());
    Unwinding unwinding(target.pid(), path);
    polus::WatchdogProcess watchdog;
    polus::WaitTimer::InstallHandler();
    polus::TraceeTable table([](const polus::ProcessEvent &) {});
    polus::WaitTimer timer;
    do {
      try {
        Round(target, unwinding, table, timer, watchdog.deadline());
        ++rounds;
      } catch (const polus::Failure &failure) {
        // Under sanitizers, on a busy machine, threads may not stop in time.
        if (std::strcmp(failure.code(), "CANNOT_STOP") != 0 || slice.Over()) throw;
      }
    } while (!slice.Over());
  }
  program.Quit();
  return rounds;
}

}  // namespace sanitize
