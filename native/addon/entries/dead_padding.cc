#include "entries/dead_padding.h"

#include <algorithm>

#include "arch/x86_64/decoder.h"
#include "entries/branch_index.h"

namespace polus {

namespace {

constexpr uint64_t kJumpSize = 5;
constexpr uint64_t kLongestFunction = uint64_t{1} << 24;

/** Size of the function at an address by its symbols, 0 without one. */
uint64_t SizeOfFunction(const SymbolTable& symbols, uint64_t start) {
  uint64_t size = 0;
  const std::vector<uint32_t>& order = symbols.ByAddress();
  auto place = std::lower_bound(
      order.begin(), order.end(), start,
      [&](uint32_t index, uint64_t value) { return symbols.All()[index].address < value; });
  for (; place != order.end() && symbols.All()[*place].address == start; ++place) {
    const Symbol& symbol = symbols.All()[*place];
    if (symbol.IsFunction()) size = std::max(size, symbol.size);
  }
  return size;
}

/** Whether any symbol, of data too, begins in [start, end) or reaches into it. */
bool HasSymbol(LinkedFile& linked, uint64_t start, uint64_t end) {
  const SymbolTable& symbols = linked.Symbols();
  const std::vector<uint32_t>& order = symbols.ByAddress();
  const auto place = std::lower_bound(
      order.begin(), order.end(), start,
      [&](uint32_t index, uint64_t value) { return symbols.All()[index].address < value; });
  if (place != order.end() && symbols.All()[*place].address < end) return true;
  const Symbol* covering = symbols.At(start, linked.File());
  return covering != nullptr && covering->size > 0 && covering->address + covering->size > start;
}

/** Whether control cannot leave a function by its end. */
bool EndsInside(const x86_64::Decoder& decoder, ByteView code) {
  x86_64::Instruction last;
  size_t offset = 0;
  while (offset < code.size) {
    if (!decoder.Decode(code.data + offset, code.size - offset, &last)) return false;
    offset += last.Length();
  }
  return code.size > 0 &&
         (last.EndsFlow() || last.Branch() == x86_64::RelativeBranch::kCall || last.IsIndirectCall());
}

bool IsPadding(const x86_64::Decoder& decoder, ByteView bytes) {
  x86_64::Instruction instruction;
  for (size_t offset = 0; offset < bytes.size; offset += instruction.Length()) {
    if (!decoder.Decode(bytes.data + offset, bytes.size - offset, &instruction)) return false;
    if (!instruction.IsPadding()) return false;
  }
  return true;
}

}  // namespace

std::vector<AddressRange> FindDeadPadding(LinkedFile& linked, uint64_t start, uint64_t end) {
  std::vector<AddressRange> found;
  const x86_64::Decoder decoder;
  const std::vector<uint64_t>& starts = linked.FunctionStarts();
  auto next = std::upper_bound(starts.begin(), starts.end(), start);
  for (; next != starts.end() && next != starts.begin(); ++next) {
    const uint64_t function = *std::prev(next);
    if (function >= end) break;
    const uint64_t size = SizeOfFunction(linked.Symbols(), function);
    if (size == 0 || size > kLongestFunction || function + size >= *next) continue;
    const uint64_t gap = function + size;
    const auto code = linked.File().BytesAt(function, size);
    const auto bytes = linked.File().BytesAt(gap, *next - gap);
    if (!code || !bytes || HasSymbol(linked, gap, *next)) continue;
    if (!EndsInside(decoder, *code) || !IsPadding(decoder, *bytes)) continue;
    if (!linked.Branches().Into(gap, *next).empty()) continue;
    const uint64_t usable = std::max(gap, function + kJumpSize);
    if (usable < *next && usable < end && *next > start) found.push_back({usable, *next});
  }
  return found;
}

}  // namespace polus
