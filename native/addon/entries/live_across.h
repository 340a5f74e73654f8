#ifndef POLUS_ENTRIES_LIVE_ACROSS_H
#define POLUS_ENTRIES_LIVE_ACROSS_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "arch/x86_64/register_use.h"
#include "entries/code_flow.h"

namespace polus {

class LinkedFile;

/** A call across which registers are kept that a callee may change. Link-time addresses. */
struct KeptAcross {
  /** The function that was asked about. */
  uint64_t function = 0;
  /** What is called: the function, or one that comes to it. */
  uint64_t callee = 0;
  /** Address of the call. */
  uint64_t from = 0;
  /** Start of the function that contains the call. */
  uint64_t caller = 0;
  x86_64::RegisterSet registers;
};

/**
 * Finds callers that rely on a function's leaving registers alone which the ABI lets it change.
 * A compiler that sees callee and caller together may do that (gcc -O2: -fipa-ra); if the callee is
 * exchanged in the running program, such a caller goes on with a wrong value.
 *
 * Found are registers that the function's own code never writes, and that are read after the call
 * before anything has set them. Callers of callers count where the caller itself writes nothing.
 */
class KeeperSearch {
 public:
  /**
   * @param linked whose functions are asked about
   * @param libraries where other functions are looked for by name, in order; all must outlive this
   */
  KeeperSearch(LinkedFile& linked, std::vector<LinkedFile*> libraries);

  /** @throws Failure TOO_COMPLEX */
  std::vector<KeptAcross> Of(uint64_t function);

 private:
  std::optional<CallEffect> Elsewhere(std::string_view name);
  /** Start of the function that an address lies in; of an outlined part, of the whole. */
  uint64_t FunctionAround(uint64_t address) const;

  struct Library {
    LinkedFile* linked;
    std::unique_ptr<CodeFlow> flow;
  };
  LinkedFile& linked_;
  std::vector<Library> libraries_;
  CodeFlow flow_;
};

}  // namespace polus

#endif
