#include "beside_addon.h"

#include <dlfcn.h>

#include "../memory/error.h"

namespace polus {

std::string BesideAddon(const char *name) {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void *>(&BesideAddon), &info) == 0 || info.dli_fname == nullptr) {
    throw Failure("TRACER", "the addon's own path is unknown");
  }
  std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1) + name;
}

}  // namespace polus
