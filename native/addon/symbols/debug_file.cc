#include "symbols/debug_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

#include "failure.h"

namespace polus {

namespace {

constexpr char kDebugFolder[] = "/usr/lib/debug";
constexpr uint64_t kLargestChecked = uint64_t{1} << 30;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/** Where the file really is, by the links below /proc too; the name as its process sees it. */
std::string RealPath(const std::string& path) {
  std::array<char, PATH_MAX> buffer;
  const ssize_t length = readlink(path.c_str(), buffer.data(), buffer.size());
  if (length > 0 && buffer[0] == '/' && path.compare(0, 6, "/proc/") == 0) {
    std::string target(buffer.data(), static_cast<size_t>(length));
    static const std::string kDeleted = " (deleted)";
    if (target.size() > kDeleted.size() &&
        target.compare(target.size() - kDeleted.size(), kDeleted.size(), kDeleted) == 0) {
      target.resize(target.size() - kDeleted.size());
    }
    return target;
  }
  char resolved[PATH_MAX];
  return realpath(path.c_str(), resolved) != nullptr ? std::string(resolved) : path;
}

/** The checksum of .gnu_debuglink: CRC-32 with the polynomial of IEEE 802.3. */
bool Checksum(int fd, uint32_t* result) {
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<uint64_t>(status.st_size) > kLargestChecked) {
    return false;
  }
  std::array<uint32_t, 256> table;
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320u : 0);
    table[byte] = value;
  }
  std::vector<uint8_t> buffer(1 << 16);
  uint32_t sum = ~uint32_t{0};
  off_t offset = 0;
  for (;;) {
    const ssize_t got = pread(fd, buffer.data(), buffer.size(), offset);
    if (got < 0) return false;
    if (got == 0) break;
    for (ssize_t index = 0; index < got; ++index) {
      sum = (sum >> 8) ^ table[(sum ^ buffer[static_cast<size_t>(index)]) & 0xff];
    }
    offset += got;
  }
  *result = ~sum;
  return true;
}

bool IsSameFile(int left, const std::string& path) {
  struct stat a;
  struct stat b;
  return fstat(left, &a) == 0 && stat(path.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

/** The build-id of the ELF file behind `fd`, empty if it is none; the descriptor stays open. */
std::string BuildIdOf(int fd, const std::string& path) {
  try {
    Descriptor copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy.IsOpen()) return {};
    return ElfFile::FromDescriptor(std::move(copy), path)->BuildId();
  } catch (const Failure&) {
    return {};
  }
}

/** Calls `visit` with what stands at `path` below the target's root, then on this machine, until it says true. */
template <typename Visit>
bool VisitBelow(const std::string& root, const std::string& path, Visit visit) {
  if (path.empty() || path[0] != '/' || path.size() >= PATH_MAX) return false;
  const bool has_root = !root.empty() && root != "/";
  std::vector<std::string> folders = {""};
  if (has_root) folders.insert(folders.begin(), root);
  for (const std::string& folder : folders) {
    Descriptor file = OpenBelow(folder, path);
    if (visit(file, folder + path)) return true;
  }
  return false;
}

/** Opens `path` below the target's root, then on this machine, as long as `accept` says no. */
template <typename Accept>
DebugFile OpenAccepted(const std::string& root, const std::string& path, Accept accept) {
  DebugFile found;
  VisitBelow(root, path, [&](Descriptor& file, const std::string& name) {
    if (!file.IsOpen() || !accept(file.Get(), name)) return false;
    found = {std::move(file), name};
    return true;
  });
  return found;
}

/** Splits a section of a link: a name, then padding to 4 bytes if wanted, then the rest. */
bool SplitLink(const ElfFile& file, const char* section_name, bool padded, std::string* name,
               ByteView* rest) {
  const ElfSection* section = file.SectionNamed(section_name);
  Elf_Data* data = section == nullptr ? nullptr : file.Contents(*section);
  if (data == nullptr) return false;
  const ByteView bytes{static_cast<const uint8_t*>(data->d_buf), data->d_size};
  *name = std::string(StringAt(bytes, 0));
  size_t offset = name->size() + 1;
  if (padded) offset = (offset + 3) & ~size_t{3};
  if (name->empty() || offset >= bytes.size) return false;
  *rest = {bytes.data + offset, bytes.size - offset};
  return true;
}

/** Where the debug file with a build-id is, empty if that is too short. */
std::string PathByBuildId(const std::string& build_id) {
  if (build_id.size() <= 2) return {};
  return std::string(kDebugFolder) + "/.build-id/" + build_id.substr(0, 2) + "/" +
         build_id.substr(2) + ".debug";
}

/** Where the debug file may be that .gnu_debuglink names, best first; its checksum in `checksum`. */
std::vector<std::string> PathsByLink(const ElfFile& module, const std::string& module_path,
                                     uint32_t* checksum) {
  std::string name;
  ByteView rest;
  if (!SplitLink(module, ".gnu_debuglink", true, &name, &rest) || rest.size < 4 ||
      name.find('/') != std::string::npos) {
    return {};
  }
  std::memcpy(checksum, rest.data, sizeof *checksum);
  const std::string folder = FolderOf(RealPath(module_path));
  return {folder + "/" + name, folder + "/.debug/" + name, kDebugFolder + folder + "/" + name,
          std::string(kDebugFolder) + "/" + name};
}

}  // namespace

DebugFile FindDebugFile(const ElfFile& module, const std::string& module_path,
                        const std::string& root) {
  const std::string build_id = module.BuildId();
  DebugFile found = OpenAccepted(
      root, PathByBuildId(build_id),
      [&](int fd, const std::string& name) { return BuildIdOf(fd, name) == build_id; });
  if (found.file.IsOpen()) return found;

  uint32_t wanted = 0;
  for (const std::string& path : PathsByLink(module, module_path, &wanted)) {
    found = OpenAccepted(root, path, [&](int fd, const std::string& name) {
      if (IsSameFile(fd, module_path)) return false;
      const std::string other = BuildIdOf(fd, name);
      if (!build_id.empty() && !other.empty()) return other == build_id;
      uint32_t sum = 0;
      return Checksum(fd, &sum) && sum == wanted;
    });
    if (found.file.IsOpen()) return found;
  }
  return {};
}

std::vector<FileIdentity> DebugFileCandidates(const ElfFile& module, const std::string& module_path,
                                              const std::string& root) {
  uint32_t checksum = 0;
  std::vector<std::string> paths = PathsByLink(module, module_path, &checksum);
  paths.push_back(PathByBuildId(module.BuildId()));
  std::vector<FileIdentity> candidates;
  for (const std::string& path : paths) {
    VisitBelow(root, path, [&](const Descriptor& file, const std::string&) {
      candidates.push_back(file.IsOpen() ? FileIdentity::Of(file.Get()) : FileIdentity{});
      return false;
    });
  }
  return candidates;
}

DebugFile FindSupplementaryFile(const ElfFile& debug, const std::string& debug_path,
                                const std::string& root) {
  static const char kDigits[] = "0123456789abcdef";
  std::string name;
  ByteView id;
  if (!SplitLink(debug, ".gnu_debugaltlink", false, &name, &id)) return {};
  std::string build_id;
  for (size_t index = 0; index < id.size && index < 64; ++index) {
    build_id.push_back(kDigits[id.data[index] >> 4]);
    build_id.push_back(kDigits[id.data[index] & 15]);
  }
  const auto accept = [&](int fd, const std::string& path) { return BuildIdOf(fd, path) == build_id; };
  DebugFile found = OpenAccepted(root, PathByBuildId(build_id), accept);
  if (found.file.IsOpen()) return found;
  if (name[0] == '/') return OpenAccepted(root, name, accept);
  std::string folder = FolderOf(RealPath(debug_path));
  found = OpenAccepted("", folder + "/" + name, accept);
  if (found.file.IsOpen() || root.empty() || folder.compare(0, root.size(), root) != 0) return found;
  return OpenAccepted(root, folder.substr(root.size()) + "/" + name, accept);
}

}  // namespace polus
