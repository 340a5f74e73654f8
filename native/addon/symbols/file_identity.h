#ifndef POLUS_SYMBOLS_FILE_IDENTITY_H
#define POLUS_SYMBOLS_FILE_IDENTITY_H

#include <sys/types.h>

#include <cstdint>
#include <tuple>

namespace polus {

/** What tells a file from others and from what it was before. */
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;

  /** The file behind `fd`; nothing at all if it cannot be asked. */
  static FileIdentity Of(int fd) noexcept;

  /** True for a file that was changed so lately that a further change need not show. */
  bool IsFresh() const noexcept;

  friend bool operator==(const FileIdentity& a, const FileIdentity& b) noexcept {
    return std::tie(a.device, a.inode, a.size, a.modified_ns, a.changed_ns) ==
           std::tie(b.device, b.inode, b.size, b.modified_ns, b.changed_ns);
  }
};

}  // namespace polus

#endif
