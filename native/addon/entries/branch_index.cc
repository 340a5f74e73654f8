#include "entries/branch_index.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "failure.h"

namespace polus {

namespace {

using x86_64::Instruction;
using x86_64::RelativeBranch;

constexpr size_t kLongestTable = 4096;
/** Instructions between a bounds check and the lea of its table. */
constexpr size_t kNearCheck = 4;
constexpr size_t kMostReferences = size_t{1} << 25;

bool ByTarget(const CodeReference& left, const CodeReference& right) noexcept {
  return left.to != right.to ? left.to < right.to : left.from < right.from;
}

bool ByOrigin(const CodeReference& left, const CodeReference& right) noexcept {
  return left.from != right.from ? left.from < right.from : left.to < right.to;
}

}  // namespace

BranchIndex::BranchIndex(LinkedFile& linked) : linked_(linked), file_(linked.File()) {
  if (!file_.IsX86_64()) {
    throw Failure("WRONG_MACHINE", linked.Path() + " is not code for 64-bit x86");
  }
  FindCode();
  for (const CodeRange& range : code_) Sweep(range);
  AddDataWords();
  std::sort(references_.begin(), references_.end(), ByTarget);
  std::sort(tables_.begin(), tables_.end(), ByOrigin);
  table_loads_ = {};
  parts_ = {};
}

std::vector<CodeReference> BranchIndex::Into(uint64_t start, uint64_t end) const {
  const auto first =
      std::lower_bound(references_.begin(), references_.end(), CodeReference{start, 0}, ByTarget);
  auto last = first;
  while (last != references_.end() && last->to < end) ++last;
  return std::vector<CodeReference>(first, last);
}

std::vector<CodeReference> BranchIndex::TablesLoadedIn(uint64_t start, uint64_t end) const {
  const auto first =
      std::lower_bound(tables_.begin(), tables_.end(), CodeReference{0, start}, ByOrigin);
  auto last = first;
  while (last != tables_.end() && last->from < end) ++last;
  return std::vector<CodeReference>(first, last);
}

// Sections tell code from constants, which older linkers put into the same segment; without sections
// the whole of each executable segment is taken for code.
void BranchIndex::FindCode() {
  for (const ElfSection& section : file_.Sections()) {
    if (section.type != SHT_PROGBITS || (section.flags & SHF_EXECINSTR) == 0) continue;
    if (section.size == 0) continue;
    if (auto bytes = file_.BytesAt(section.address, section.size)) {
      code_.push_back({section.address, section.address + section.size, *bytes});
    }
  }
  if (code_.empty()) {
    for (const ElfSegment& segment : file_.Segments()) {
      if (segment.type != PT_LOAD || (segment.flags & PF_X) == 0 || segment.file_size == 0) continue;
      if (auto bytes = file_.BytesAt(segment.address, segment.file_size)) {
        code_.push_back({segment.address, segment.address + segment.file_size, *bytes});
      }
    }
  }
  // Hostile headers may describe the same bytes many times over: each is swept once.
  std::sort(code_.begin(), code_.end(),
            [](const CodeRange& left, const CodeRange& right) { return left.start < right.start; });
  uint64_t done = 0;
  std::vector<CodeRange> distinct;
  for (CodeRange range : code_) {
    if (range.end <= done) continue;
    if (range.start < done) {
      const uint64_t skip = done - range.start;
      range = {done, range.end, {range.bytes.data + skip, range.bytes.size - skip}};
    }
    done = range.end;
    distinct.push_back(range);
  }
  code_ = std::move(distinct);
}

bool BranchIndex::IsCode(uint64_t address) const noexcept {
  auto after = std::upper_bound(
      code_.begin(), code_.end(), address,
      [](uint64_t value, const CodeRange& range) { return value < range.start; });
  return after != code_.begin() && address < std::prev(after)->end;
}

void BranchIndex::Sweep(const CodeRange& range) {
  const std::vector<uint64_t>& starts = linked_.FunctionStarts();
  uint64_t start = range.start;
  auto next = std::upper_bound(starts.begin(), starts.end(), start);
  while (start < range.end) {
    const uint64_t end = next != starts.end() && *next < range.end ? *next : range.end;
    SweepFunction(range, start, end);
    start = end;
    if (next != starts.end()) ++next;
  }
}

void BranchIndex::SweepFunction(const CodeRange& range, uint64_t start, uint64_t end) {
  table_loads_.clear();
  has_indirect_jump_ = false;
  compared_ = false;
  checked_entries_ = 0;
  const uint8_t* bytes = range.bytes.data + (start - range.start);
  const size_t size = static_cast<size_t>(end - start);
  // What is decoded across the start of the next function may be one instruction under two symbols
  // (jumps past a lock prefix), so it may read on, but the next sweep starts at the symbol.
  const size_t readable = static_cast<size_t>(range.end - start);
  Instruction instruction;
  for (size_t offset = 0; offset < size;) {
    if (!decoder_.Decode(bytes + offset, readable - offset, &instruction)) {
      ++offset;
      continue;
    }
    NoteCheck(instruction);
    Note(instruction, start + offset);
    offset += instruction.Length();
  }
  if (has_indirect_jump_ && !table_loads_.empty()) ReadJumpTables(start, end);
}

// Before a jump table compilers compare the index with the highest one: cmp $n, %reg; ja default.
void BranchIndex::NoteCheck(const Instruction& instruction) {
  ++since_check_;
  const bool is_map = instruction.raw.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
  const uint8_t opcode = instruction.raw.opcode;
  const bool above = (is_map && opcode == 0x77) ||
                     (instruction.raw.opcode_map == ZYDIS_OPCODE_MAP_0F && opcode == 0x87);
  if (above && compared_) {
    checked_entries_ = compared_with_ + 1;
    since_check_ = 0;
  }
  const bool group = is_map && (opcode == 0x80 || opcode == 0x81 || opcode == 0x83) &&
                     instruction.raw.raw.modrm.reg == 7;
  compared_ = group || (is_map && (opcode == 0x3c || opcode == 0x3d));
  if (compared_) compared_with_ = instruction.raw.raw.imm[0].value.u;
}

void BranchIndex::Note(const Instruction& instruction, uint64_t address) {
  if (references_.size() >= kMostReferences) return;
  if (instruction.Branch() != RelativeBranch::kNone) {
    const uint64_t target = instruction.Target(address);
    if (IsCode(target)) references_.push_back({target, address});
    return;
  }
  if (instruction.IsLea() && instruction.IsRipRelative()) {
    const uint64_t target = instruction.RipTarget(address);
    if (IsCode(target)) {
      references_.push_back({target, address});
    } else {
      const bool checked = checked_entries_ > 0 && since_check_ <= kNearCheck;
      table_loads_.push_back({target, address, checked ? checked_entries_ : kLongestTable});
    }
    return;
  }
  if (instruction.IsIndirectJump()) has_indirect_jump_ = true;
  // Code at a fixed address may load one of its own addresses as a constant: mov r32, imm32.
  if (file_.Type() == ET_EXEC && instruction.raw.raw.imm[0].size == 32 &&
      instruction.raw.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
      ((instruction.raw.opcode & 0xf8) == 0xb8 || instruction.raw.opcode == 0xc7)) {
    const uint64_t target = static_cast<uint32_t>(instruction.raw.raw.imm[0].value.u);
    if (IsCode(target)) references_.push_back({target, address});
  }
}

// A compiler moves a function's unlikely blocks to NAME.cold; tables of either lead into both.
void BranchIndex::FindColdParts() {
  if (looked_for_parts_) return;
  looked_for_parts_ = true;
  const SymbolTable& symbols = linked_.Symbols();
  for (const Symbol& cold : symbols.All()) {
    if (!cold.IsFunction() || !IsCode(cold.address)) continue;
    const size_t dot = cold.name.find(".cold");
    if (dot == std::string_view::npos || dot == 0) continue;
    size_t parents = 0;
    for (uint32_t index : symbols.Named(cold.name.substr(0, dot))) {
      const Symbol& parent = symbols.All()[index];
      if (!parent.IsFunction() || parent.file != cold.file || !IsCode(parent.address)) continue;
      parts_.push_back({parent.address, {cold.address, linked_.NextFunctionStart(cold.address)}});
      parts_.push_back({cold.address, {parent.address, linked_.NextFunctionStart(parent.address)}});
      if (++parents == 16) break;
    }
  }
  std::sort(parts_.begin(), parts_.end(),
            [](const Part& left, const Part& right) { return left.function < right.function; });
}

void BranchIndex::ReadJumpTables(uint64_t start, uint64_t end) {
  FindColdParts();
  std::vector<AddressRange> targets = {{start, end}};
  auto part = std::lower_bound(
      parts_.begin(), parts_.end(), start,
      [](const Part& candidate, uint64_t value) { return candidate.function < value; });
  for (; part != parts_.end() && part->function == start && targets.size() < 16; ++part) {
    targets.push_back(part->range);
  }
  // Tables of one function lie one after another.
  std::vector<uint64_t> tables;
  for (const TableLoad& load : table_loads_) tables.push_back(load.table);
  std::sort(tables.begin(), tables.end());
  for (TableLoad& load : table_loads_) {
    const auto next = std::upper_bound(tables.begin(), tables.end(), load.table);
    if (next != tables.end()) {
      load.most = std::min(load.most, (*next - load.table) / sizeof(int32_t));
    }
    ReadJumpTable(load, targets);
  }
}

// Position-independent tables hold 32-bit distances from their own start. The table ends where an
// entry leads out of the function; longer ones than there are would only add targets inside it, which
// does no harm to whoever wants to know of all branches.
void BranchIndex::ReadJumpTable(const TableLoad& load, const std::vector<AddressRange>& targets) {
  const uint64_t table = load.table;
  const ByteView bytes = file_.BytesFrom(table);
  for (size_t index = 0; index < kLongestTable; ++index) {
    if ((index + 1) * sizeof(int32_t) > bytes.size || table_entries_left_ == 0) return;
    --table_entries_left_;
    int32_t distance = 0;
    std::memcpy(&distance, bytes.data + index * sizeof distance, sizeof distance);
    const uint64_t target = table + static_cast<uint64_t>(static_cast<int64_t>(distance));
    const bool inside = std::any_of(targets.begin(), targets.end(), [&](const AddressRange& range) {
      return target >= range.start && target < range.end;
    });
    if (!inside) return;
    if (references_.size() >= kMostReferences) continue;
    references_.push_back({target, load.from});
    if (index < load.most) tables_.push_back({target, load.from});
  }
}

// Absolute code addresses in data: relocated words, and in files for a fixed address every aligned
// word that could be one.
void BranchIndex::AddDataWords() {
  for (const DynamicRelocation& relocation : linked_.Dynamic().relocations) {
    if (relocation.type != R_X86_64_RELATIVE && relocation.type != R_X86_64_IRELATIVE) continue;
    const uint64_t target = static_cast<uint64_t>(relocation.addend);
    if (IsCode(target)) references_.push_back({target, relocation.address});
  }
  if (file_.Type() != ET_EXEC) return;
  for (const ElfSegment& segment : file_.Segments()) {
    if (segment.type != PT_LOAD || (segment.flags & PF_X) != 0) continue;
    const uint64_t first = (segment.address + 7) & ~uint64_t{7};
    const ByteView bytes = file_.BytesFrom(first);
    for (size_t offset = 0; offset + sizeof(uint64_t) <= bytes.size; offset += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data + offset, sizeof word);
      if (word == 0 || !IsCode(word)) continue;
      if (references_.size() >= kMostReferences) return;
      references_.push_back({word, first + offset});
    }
  }
}

}  // namespace polus
