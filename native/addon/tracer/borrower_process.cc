#include "borrower_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

#include "beside_addon.h"
#include "watchdog_process.h"

extern char **environ;

namespace polus {

namespace {

std::string Hex(uint64_t value) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%" PRIx64, value);
  return text.data();
}

// Everything but the choice of failure points, which are polus's own.
std::vector<char *> EnvironmentWithoutFaults() {
  std::vector<char *> kept;
  for (char **entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).substr(0, 12) != "POLUS_FAULT=") kept.push_back(*entry);
  }
  kept.push_back(nullptr);
  return kept;
}

// Codes that a line from the borrower may name; a literal outlives the failure.
const char *KnownCode(const std::string &code) {
  for (const char *known : {"NO_SUCH_PROCESS", "PERMISSION", "ALREADY_TRACED", "CANNOT_STOP", "TARGET_GONE",
                            "NO_BORROWABLE_THREAD", "SECCOMP_DENIES", "SHADOW_STACK", "WRONG_ARCHITECTURE",
                            "NO_SUCH_THREAD"}) {
    if (code == known) return known;
  }
  return "TRACER";
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 512> part{};
  for (;;) {
    ssize_t n = ::read(fd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(part.data(), static_cast<size_t>(n));
  }
}

}  // namespace

BorrowResult BorrowInOwnProcess(const Target &target, pid_t tid, const std::vector<RemoteCall> &calls) {
  std::vector<std::string> words = {BesideAddon("polus_borrower"), Hex(static_cast<uint64_t>(target.pid())),
                                    Hex(target.start_time()), Hex(static_cast<uint64_t>(tid))};
  for (const RemoteCall &call : calls) {
    words.push_back(Hex(static_cast<uint64_t>(call.number)));
    for (uint64_t argument : call.arguments) words.push_back(Hex(argument));
  }
  std::vector<char *> argv;
  for (std::string &word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw SystemError("TRACER", "no pipe to the borrower");
  Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), 1);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child = -1;
  int error = ::posix_spawn(&child, argv[0], &actions, &attributes, argv.data(), EnvironmentWithoutFaults().data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw SystemError("TRACER", "the borrower " + words[0] + " cannot be started", error);
  write_end = Descriptor();
  std::istringstream answer(ReadAll(read_end.get()));
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }

  std::string verdict;
  answer >> verdict;
  if (verdict == "error") {
    std::string code, message;
    answer >> code;
    std::getline(answer >> std::ws, message);
    throw Failure(KnownCode(code), message);
  }
  BorrowResult result;
  result.tid = tid;
  std::string word;
  if (verdict != "ok" || !(answer >> word)) throw Failure("TRACER", "the borrower ended without an answer");
  result.held_us = std::strtoull(word.c_str(), nullptr, 16);
  while (answer >> word) result.results.push_back(static_cast<int64_t>(std::strtoull(word.c_str(), nullptr, 16)));
  if (result.results.size() != calls.size()) throw Failure("TRACER", "the borrower's answer is incomplete");
  return result;
}

}  // namespace polus
