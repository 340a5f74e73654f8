#include "entries/live_across.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "entries/branch_index.h"
#include "symbols/linked_file.h"

namespace polus {

using x86_64::RegisterSet;
using x86_64::RegisterUse;
using x86_64::RelativeBranch;

KeeperSearch::KeeperSearch(LinkedFile& linked, std::vector<LinkedFile*> libraries)
    : linked_(linked), flow_(linked, [this](std::string_view name) { return Elsewhere(name); }) {
  for (LinkedFile* library : libraries) {
    if (library != &linked && library->File().IsX86_64()) libraries_.push_back({library, nullptr});
  }
}

std::optional<CallEffect> KeeperSearch::Elsewhere(std::string_view name) {
  for (Library& library : libraries_) {
    const SymbolTable& symbols = library.linked->Symbols();
    for (uint32_t index : symbols.Named(name)) {
      const Symbol& symbol = symbols.All()[index];
      if (!symbol.dynamic || symbol.binding == STB_LOCAL || !symbol.IsFunction()) continue;
      if (symbol.type == STT_GNU_IFUNC) return std::nullopt;
      if (library.flow == nullptr) library.flow = std::make_unique<CodeFlow>(*library.linked);
      return library.flow->EffectOf(symbol.address);
    }
  }
  return std::nullopt;
}

uint64_t KeeperSearch::FunctionAround(uint64_t address) const {
  const std::vector<uint64_t>& starts = linked_.FunctionStarts();
  const auto after = std::upper_bound(starts.begin(), starts.end(), address);
  if (after == starts.begin()) return address;
  const uint64_t start = *std::prev(after);
  const Symbol* symbol = linked_.SymbolAt(start);
  if (symbol == nullptr) return start;
  const size_t dot = symbol->name.find(".cold");
  if (dot == std::string_view::npos || dot == 0) return start;
  const SymbolTable& symbols = linked_.Symbols();
  for (uint32_t index : symbols.Named(symbol->name.substr(0, dot))) {
    const Symbol& whole = symbols.All()[index];
    if (whole.IsFunction() && whole.file == symbol->file) return whole.address;
  }
  return start;
}

std::vector<KeptAcross> KeeperSearch::Of(uint64_t function) {
  std::vector<KeptAcross> found;
  std::vector<uint64_t> queue = {function};
  std::unordered_set<uint64_t> known = {function};
  while (!queue.empty()) {
    const uint64_t callee = queue.back();
    queue.pop_back();
    const CallEffect& effect = flow_.EffectOf(callee);
    const RegisterSet untouched = RegisterSet::All() - flow_.WritesOf(callee).Whole();
    if (untouched.IsEmpty() || !effect.returns) continue;
    const uint64_t end = linked_.NextFunctionStart(callee);
    for (const CodeReference& reference : linked_.Branches().Into(callee, end)) {
      RegisterUse use;
      if (!flow_.Decode(reference.from, &use)) continue;
      const RelativeBranch branch = use.instruction.Branch();
      if (branch == RelativeBranch::kNone || use.instruction.Target(reference.from) != reference.to) {
        continue;
      }
      const bool calls = branch == RelativeBranch::kCall;
      const bool from_inside = reference.from >= callee && reference.from < end;
      if (reference.to != callee ? calls || from_inside : !calls && from_inside) continue;
      const uint64_t caller = FunctionAround(reference.from);
      if (calls) {
        const RegisterSet kept =
            flow_.ReadFrom(reference.from + use.instruction.Length(), untouched, caller);
        if (!kept.IsEmpty()) found.push_back({function, callee, reference.from, caller, kept});
      }
      // Whoever calls the caller may rely on all that the caller leads to.
      if (known.insert(caller).second) queue.push_back(caller);
    }
  }
  std::sort(found.begin(), found.end(),
            [](const KeptAcross& left, const KeptAcross& right) { return left.from < right.from; });
  return found;
}

}  // namespace polus
