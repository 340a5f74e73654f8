#include "borrower_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

#include "helper_program.h"

namespace polus {

namespace {

std::string Hex(uint64_t value) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%" PRIx64, value);
  return text.data();
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
  std::vector<std::string> words = {Hex(static_cast<uint64_t>(target.pid())), Hex(target.start_time()),
                                    Hex(static_cast<uint64_t>(tid))};
  for (const RemoteCall &call : calls) {
    words.push_back(Hex(static_cast<uint64_t>(call.number)));
    for (uint64_t argument : call.arguments) words.push_back(Hex(argument));
  }

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw SystemError("TRACER", "no pipe to the borrower");
  Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);
  pid_t child = StartHelper({"polus_borrower", words, {{write_end.Get(), 1}}}, "TRACER");
  write_end = Descriptor();
  std::istringstream answer(ReadAll(read_end.Get()));
  AwaitHelper(child);

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
