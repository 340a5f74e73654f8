#include "threads.h"

#include <dirent.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "../memory/target.h"

namespace polus {

namespace {

std::string TaskPath(pid_t process, pid_t tid, const char *file) {
  return "/proc/" + std::to_string(process) + "/task/" + std::to_string(tid) + "/" + file;
}

// Value of a "Key:\tvalue" line of a status file; empty if absent.
std::string StatusField(pid_t process, pid_t tid, const std::string &key) {
  std::ifstream in(TaskPath(process, tid, "status"));
  std::string line;
  while (std::getline(in, line)) {
    if (line.compare(0, key.size(), key) == 0 && line.size() > key.size() && line[key.size()] == ':') {
      size_t at = line.find_first_not_of(" \t", key.size() + 1);
      return at == std::string::npos ? std::string() : line.substr(at);
    }
  }
  return {};
}

// Directories of a folder of /proc whose names are numbers.
std::vector<pid_t> NumbersIn(const std::string &folder) {
  std::vector<pid_t> numbers;
  std::unique_ptr<DIR, int (*)(DIR *)> dir(::opendir(folder.c_str()), ::closedir);
  if (!dir) return numbers;
  while (const dirent *entry = ::readdir(dir.get())) {
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') numbers.push_back(std::atoi(entry->d_name));
  }
  return numbers;
}

}  // namespace

std::vector<pid_t> ListThreads(pid_t process) { return NumbersIn("/proc/" + std::to_string(process) + "/task"); }

std::vector<pid_t> ProcessesOfMemory(pid_t process) {
  std::vector<pid_t> processes{process};
  for (pid_t other : NumbersIn("/proc")) {
    if (other != process && SharesMemory(process, other)) processes.push_back(other);
  }
  return processes;
}

ThreadInfo ThreadInfoOf(pid_t process, pid_t tid) {
  ThreadInfo info{tid, 'X', 0};
  std::ifstream in(TaskPath(process, tid, "stat"));
  std::string line;
  if (!std::getline(in, line)) return info;
  // The name may hold anything: fields count from the last parenthesis (proc(5)).
  size_t close = line.rfind(')');
  if (close == std::string::npos || close + 2 >= line.size()) return info;
  std::istringstream rest(line.substr(close + 2));
  std::string field;
  for (int number = 3; number <= 15 && rest >> field; ++number) {
    if (number == 3) info.state = field[0];
    if (number >= 14) info.cpu_ticks += std::strtoull(field.c_str(), nullptr, 10);
  }
  return info;
}

char ThreadState(pid_t process, pid_t tid) { return ThreadInfoOf(process, tid).state; }

std::vector<ThreadInfo> ListThreadStates(pid_t process) {
  std::vector<ThreadInfo> threads;
  for (pid_t tid : ListThreads(process)) threads.push_back(ThreadInfoOf(process, tid));
  return threads;
}

uint64_t SleepingStackPointer(pid_t process, pid_t tid) {
  // proc(5): "NR ARG1…ARG6 SP PC", "-1 SP PC" when blocked outside a call, or "running".
  std::ifstream in(TaskPath(process, tid, "syscall"));
  std::string line;
  if (!std::getline(in, line) || line.compare(0, 7, "running") == 0) return 0;
  std::istringstream fields(line);
  std::vector<std::string> words;
  for (std::string word; fields >> word;) words.push_back(word);
  if (words.size() < 3) return 0;
  return std::strtoull(words[words.size() - 2].c_str(), nullptr, 16);
}

pid_t ThreadGroup(pid_t tid) { return std::atoi(StatusField(tid, tid, "Tgid").c_str()); }

pid_t ParentOf(pid_t process) { return std::atoi(StatusField(process, process, "PPid").c_str()); }

int SeccompMode(pid_t process, pid_t tid) { return std::atoi(StatusField(process, tid, "Seccomp").c_str()); }

bool HasShadowStack(pid_t process, pid_t tid) {
  return StatusField(process, tid, "x86_Thread_features").find("shstk") != std::string::npos;
}

}  // namespace polus
