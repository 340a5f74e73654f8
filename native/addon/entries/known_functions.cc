#include "entries/known_functions.h"

#include <algorithm>
#include <iterator>

namespace polus {

namespace {

constexpr std::string_view kNeverReturn[] = {
    "_Exit",
    "_Unwind_Resume",
    "__assert",
    "__assert_fail",
    "__assert_perror_fail",
    "__chk_fail",
    "__cxa_bad_cast",
    "__cxa_rethrow",
    "__cxa_throw",
    "__cxa_throw_bad_array_new_length",
    "__fortify_fail",
    "__longjmp_chk",
    "__stack_chk_fail",
    "_exit",
    "_longjmp",
    "abort",
    "err",
    "errx",
    "exit",
    "longjmp",
    "pthread_exit",
    "quick_exit",
    "siglongjmp",
    "thrd_exit",
    "verr",
    "verrx",
};

struct Known {
  std::string_view name;
  size_t arguments;
};

constexpr Known kArguments[] = {
    {"__memcpy_chk", 4},  {"__memmove_chk", 4}, {"__mempcpy_chk", 4}, {"__memset_chk", 4},
    {"bcmp", 3},          {"fcntl", 2},         {"fcntl64", 2},       {"gettimeofday", 2},
    {"index", 2},         {"ioctl", 2},         {"memchr", 3},
    {"memcmp", 3},        {"memcpy", 3},        {"memmem", 4},        {"memmove", 3},
    {"mempcpy", 3},       {"memrchr", 3},       {"memset", 3},        {"mq_open", 2},
    {"mremap", 4},        {"open", 2},          {"open64", 2},        {"openat", 3},
    {"openat64", 3},      {"prctl", 1},         {"rawmemchr", 2},
    {"rindex", 2},        {"sem_open", 2},      {"semctl", 3},        {"stpcpy", 2},        {"stpncpy", 3},       {"strcasecmp", 2},
    {"strcasestr", 2},    {"strcat", 2},        {"strchr", 2},        {"strchrnul", 2},
    {"strcmp", 2},        {"strcpy", 2},        {"strcspn", 2},       {"strlen", 1},
    {"strncasecmp", 3},   {"strncat", 3},       {"strncmp", 3},       {"strncpy", 3},
    {"strnlen", 2},       {"strpbrk", 2},       {"strrchr", 2},       {"strspn", 2},
    {"strstr", 2},        {"time", 1},          {"wcschr", 2},        {"wcslen", 1},
    {"wmemset", 3},
};

/** System calls without arguments, by their numbers on x86-64. */
constexpr size_t kNoArguments[] = {
    15,   // rt_sigreturn
    24,   // sched_yield
    34,   // pause
    39,   // getpid
    57,   // fork
    58,   // vfork
    102,  // getuid
    104,  // getgid
    107,  // geteuid
    108,  // getegid
    110,  // getppid
    111,  // getpgrp
    112,  // setsid
    152,  // munlockall
    153,  // vhangup
    162,  // sync
    186,  // gettid
    219,  // restart_syscall
    253,  // inotify_init
};

}  // namespace

bool NeverReturns(std::string_view name) noexcept {
  return std::binary_search(std::begin(kNeverReturn), std::end(kNeverReturn), name);
}

std::optional<size_t> KnownArguments(std::string_view name) noexcept {
  const auto found =
      std::lower_bound(std::begin(kArguments), std::end(kArguments), name,
                       [](const Known& known, std::string_view wanted) { return known.name < wanted; });
  if (found == std::end(kArguments) || found->name != name) return std::nullopt;
  return found->arguments;
}

size_t LeastSystemCallArguments(size_t number) noexcept {
  return std::binary_search(std::begin(kNoArguments), std::end(kNoArguments), number) ? 0 : 1;
}

}  // namespace polus
