#include "symbols/file_identity.h"

#include <sys/stat.h>
#include <time.h>

#include <algorithm>

namespace polus {

namespace {

/** Within that time a further change need not show in a file's times (their grain is a tick, or worse). */
constexpr int64_t kFreshNs = 2'000'000'000;

int64_t Nanoseconds(const struct timespec& time) noexcept {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

FileIdentity FileIdentity::Of(int fd) noexcept {
  struct stat status;
  if (fstat(fd, &status) != 0) return {};
  return {status.st_dev, status.st_ino, status.st_size, Nanoseconds(status.st_mtim),
          Nanoseconds(status.st_ctim)};
}

bool FileIdentity::IsFresh() const noexcept {
  struct timespec now;
  return clock_gettime(CLOCK_REALTIME, &now) != 0 ||
         std::max(modified_ns, changed_ns) + kFreshNs >= Nanoseconds(now);
}

}  // namespace polus
