#include "helper_program.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "../memory/descriptor.h"
#include "../memory/error.h"

extern char **environ;

namespace polus {

namespace {

std::string BesideAddon(const char *name, const char *code) {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void *>(&StartHelper), &info) == 0 || info.dli_fname == nullptr) {
    throw Failure(code, "the addon's own path is unknown");
  }
  std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1) + name;
}

std::vector<char *> EnvironmentWithoutFaults() {
  constexpr std::string_view kFault = "POLUS_FAULT=";
  std::vector<char *> kept;
  for (char **entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).substr(0, kFault.size()) != kFault) kept.push_back(*entry);
  }
  kept.push_back(nullptr);
  return kept;
}

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions &) = delete;
  FileActions &operator=(const FileActions &) = delete;
  posix_spawn_file_actions_t *get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

class Attributes {
 public:
  Attributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
  }
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes &) = delete;
  Attributes &operator=(const Attributes &) = delete;
  posix_spawnattr_t *get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

}  // namespace

pid_t StartHelper(const HelperProgram &program, const char *code) {
  std::string path = BesideAddon(program.name, code);
  FileActions actions;
  for (int standard : {0, 1, 2}) {
    bool named = std::any_of(program.descriptors.begin(), program.descriptors.end(),
                             [standard](const auto &d) { return d.second == standard; });
    if (!named) ::posix_spawn_file_actions_addopen(actions.get(), standard, "/dev/null", O_RDWR, 0);
  }
  // dup2 onto the same number would keep close-on-exec, and could overwrite one that is still
  // to be moved: all go out of the way first.
  std::vector<Descriptor> high;
  for (const auto &[ours, theirs] : program.descriptors) {
    high.emplace_back(::fcntl(ours, F_DUPFD_CLOEXEC, 64));
    if (!high.back().IsOpen()) throw SystemError(code, "no descriptor for " + path);
    ::posix_spawn_file_actions_adddup2(actions.get(), high.back().Get(), theirs);
  }
  std::vector<std::string> words = program.arguments;
  std::vector<char *> argv = {path.data()};
  for (std::string &word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  Attributes attributes;
  pid_t pid = -1;
  int error = ::posix_spawn(&pid, path.c_str(), actions.get(), attributes.get(), argv.data(),
                            EnvironmentWithoutFaults().data());
  if (error != 0) throw SystemError(code, path + " cannot be started", error);
  return pid;
}

void AwaitHelper(pid_t pid) {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace polus
