#include "symbols/file_image.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "failure.h"

namespace polus {

namespace {

constexpr uint64_t kLargestFile = uint64_t{1} << 30;
constexpr size_t kHugePage = size_t{1} << 21;
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

}  // namespace

FileImage::FileImage(FileImage&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

FileImage& FileImage::operator=(FileImage&& other) noexcept {
  if (this != &other) {
    Unmap();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

FileImage::~FileImage() { Unmap(); }

void FileImage::Unmap() noexcept {
  if (data_ != nullptr) munmap(std::exchange(data_, nullptr), std::exchange(size_, 0));
}

void FileImage::Map(size_t size) {
  if (size == 0) return;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Failure("OUT_OF_MEMORY", "there is not enough memory for a file");
  // Fewer faults while it is filled: a large program is there in a third of the time. Only advice.
  if (size >= kHugePage) madvise(memory, size, MADV_HUGEPAGE);
  data_ = static_cast<uint8_t*>(memory);
  size_ = size;
}

FileImage FileImage::Copy(const void* bytes, size_t size) {
  FileImage image;
  image.Map(size);
  if (size > 0) std::memcpy(image.data_, bytes, size);
  return image;
}

FileImage FileImage::Read(int fd, const std::string& path) {
  struct stat status;
  if (fstat(fd, &status) != 0) {
    throw Failure("CANNOT_READ", path + " cannot be read: " + std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) throw Failure("NOT_A_FILE", path + " is not a regular file");
  const uint64_t size = static_cast<uint64_t>(status.st_size);
  if (size > kLargestFile) throw Failure("FILE_TOO_LARGE", path + " is larger than 1 GiB");

  FileImage image;
  image.Map(size);
  size_t done = 0;
  while (done < size) {
    const ssize_t got = pread(fd, image.data_ + done, size - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Failure("CANNOT_READ", path + " cannot be read: " + std::strerror(errno));
    // Shorter than it was a moment ago: what is missing stays zero, and every reader checks bounds.
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return image;
}

Descriptor OpenForReading(const std::string& path) {
  Descriptor file(open(path.c_str(), kOpenFlags));
  if (file.IsOpen()) return file;
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
      throw Failure("NO_SUCH_FILE", "there is no file " + path);
    case EACCES:
    case EPERM:
      throw Failure("NO_PERMISSION", "there is no permission to read " + path);
    default:
      throw Failure("CANNOT_READ", path + " cannot be opened: " + std::strerror(errno));
  }
}

Descriptor OpenBelow(const std::string& root, const std::string& path) {
  Descriptor folder(open(root.empty() ? "/" : root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.IsOpen()) return Descriptor();
  struct open_how how = {};
  how.flags = static_cast<uint64_t>(kOpenFlags);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  Descriptor file(
      static_cast<int>(syscall(SYS_openat2, folder.Get(), path.c_str(), &how, sizeof how)));
  // Kernels before 5.6 lack the call, and some container filters answer EPERM for it.
  if (!file.IsOpen() && (errno == ENOSYS || errno == EPERM)) {
    return Descriptor(open((root + path).c_str(), kOpenFlags));
  }
  return file;
}

}  // namespace polus
