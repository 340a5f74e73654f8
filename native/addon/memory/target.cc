#include "target.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace polus {

namespace {

std::string Hex(uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%" PRIx64, value);
  return text;
}

}  // namespace

uint64_t StartTime(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(in, line)) return 0;
  // The name may hold blanks and parentheses: fields count from the last ')'.
  size_t close = line.rfind(')');
  if (close == std::string::npos) return 0;
  std::istringstream rest(line.substr(close + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) {
    if (!(rest >> field)) return 0;
  }
  return std::strtoull(field.c_str(), nullptr, 10);
}

Target::Target(pid_t pid) : pid_(pid) {
  pidfd_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd_.IsOpen()) {
    throw SystemError("NO_SUCH_PROCESS", "no process " + std::to_string(pid));
  }
  start_time_ = StartTime(pid);
  std::string path = "/proc/" + std::to_string(pid) + "/mem";
  mem_ = Descriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!mem_.IsOpen()) {
    int error = errno;
    if (error == ENOENT) throw SystemError("NO_SUCH_PROCESS", "no process " + std::to_string(pid), error);
    throw SystemError("PERMISSION", "the memory of process " + std::to_string(pid) + " cannot be opened", error);
  }
  // The pidfd was alive after mem was opened, so both speak of the same process.
  if (!Alive()) throw Failure("NO_SUCH_PROCESS", "process " + std::to_string(pid) + " has ended");
}

bool Target::Alive() const {
  pollfd p{pidfd_.Get(), POLLIN, 0};
  int ready;
  // The tracer's timer may be due: even a look without waiting is interrupted then (fs/select.c, do_poll).
  do ready = ::poll(&p, 1, 0);
  while (ready < 0 && errno == EINTR);
  return ready == 0;
}

void Target::Fail(const char *what, TargetAddress at, int error) const {
  if (!Alive()) throw Failure("TARGET_GONE", "process " + std::to_string(pid_) + " has ended");
  throw SystemError(std::strcmp(what, "read") == 0 ? "UNREADABLE" : "UNWRITABLE",
                    std::string("cannot ") + what + " memory of process " + std::to_string(pid_) + " at " +
                        Hex(Raw(at)),
                    error == 0 ? EFAULT : error);
}

size_t Target::ReadSome(TargetAddress from, void *into, size_t size) const {
  size_t done = 0;
  while (done < size) {
    ssize_t n = ::pread64(mem_.Get(), static_cast<char *>(into) + done, size - done,
                          static_cast<off64_t>(Raw(from) + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

void Target::Read(TargetAddress from, void *into, size_t size) const {
  errno = 0;
  size_t done = ReadSome(from, into, size);
  if (done != size) Fail("read", TargetAddress{Raw(from) + done}, errno);
}

void Target::Write(TargetAddress to, const void *from, size_t size) const {
  size_t done = 0;
  while (done < size) {
    ssize_t n = ::pwrite64(mem_.Get(), static_cast<const char *>(from) + done, size - done,
                           static_cast<off64_t>(Raw(to) + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) Fail("write", TargetAddress{Raw(to) + done}, errno);
    done += static_cast<size_t>(n);
  }
}

// The kernel keeps one inode for /proc/PID/mem as long as anybody has it open.
bool Target::Lock() const { return ::flock(mem_.Get(), LOCK_EX | LOCK_NB) == 0; }

void Target::Unlock() const { ::flock(mem_.Get(), LOCK_UN); }

bool SharesMemory(pid_t process, pid_t other) {
  return ::syscall(SYS_kcmp, process, other, KCMP_VM, 0, 0) == 0;
}

namespace {

// A line of /proc/PID/maps (proc(5)): "START-END PERMS OFFSET DEVICE INODE   PATH". False if it is none. Without
// sscanf: where data changes there are thousands of mappings, and they are read for every borrowing.
bool ParseMapping(const std::string &line, Mapping &m) {
  const char *end = line.data() + line.size();
  auto start = std::from_chars(line.data(), end, m.start, 16);
  if (start.ec != std::errc{} || start.ptr == end || *start.ptr != '-') return false;
  auto last = std::from_chars(start.ptr + 1, end, m.end, 16);
  if (last.ec != std::errc{} || end - last.ptr < 5) return false;
  const char *permissions = last.ptr + 1;
  m.read = permissions[0] == 'r';
  m.write = permissions[1] == 'w';
  m.execute = permissions[2] == 'x';
  m.shared = permissions[3] == 's';
  size_t at = static_cast<size_t>(permissions - line.data());
  for (int field = 0; field < 4 && at != std::string::npos; ++field) {
    at = line.find(' ', at);
    at = line.find_first_not_of(' ', at);
  }
  if (at != std::string::npos) m.path = line.substr(at);
  return true;
}

}  // namespace

std::vector<Mapping> ReadMaps(pid_t pid) {
  std::vector<Mapping> maps;
  std::ifstream in("/proc/" + std::to_string(pid) + "/maps");
  std::string line;
  while (std::getline(in, line)) {
    Mapping m{};
    if (ParseMapping(line, m)) maps.push_back(std::move(m));
  }
  return maps;
}

}  // namespace polus
