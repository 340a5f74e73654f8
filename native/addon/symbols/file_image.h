#ifndef POLUS_SYMBOLS_FILE_IMAGE_H
#define POLUS_SYMBOLS_FILE_IMAGE_H

#include <cstddef>
#include <cstdint>
#include <string>

#include "memory/descriptor.h"

namespace polus {

/**
 * A private copy of a whole file in anonymous memory. A copy and not a mapping,
 * because a mapped file that its owner truncates kills the reader by SIGBUS.
 */
class FileImage {
 public:
  FileImage() noexcept = default;
  FileImage(const FileImage&) = delete;
  FileImage& operator=(const FileImage&) = delete;
  FileImage(FileImage&& other) noexcept;
  FileImage& operator=(FileImage&& other) noexcept;
  ~FileImage();

  /**
   * Copies the regular file behind `fd`, which stays the caller's.
   * @throws Failure NOT_A_FILE, FILE_TOO_LARGE (over 1 GiB), CANNOT_READ
   */
  static FileImage Read(int fd, const std::string& path);

  /** Copies bytes. @throws Failure OUT_OF_MEMORY */
  static FileImage Copy(const void* bytes, size_t size);

  const uint8_t* Data() const noexcept { return data_; }
  uint8_t* MutableData() noexcept { return data_; }
  size_t Size() const noexcept { return size_; }

 private:
  void Map(size_t size);
  void Unmap() noexcept;

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/**
 * Opens a file for reading, never waiting (a FIFO) and never taking a terminal.
 * @throws Failure NO_SUCH_FILE, NO_PERMISSION, CANNOT_READ
 */
Descriptor OpenForReading(const std::string& path);

/**
 * Opens `path` (absolute) as if `root` were the root folder, so that neither ".." nor a symbolic
 * link leads out of it.
 * @return a closed descriptor if that cannot be opened
 */
Descriptor OpenBelow(const std::string& root, const std::string& path);

}  // namespace polus

#endif
