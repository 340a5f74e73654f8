#include "types/type_guard.h"

#include <algorithm>

#include "types/die.h"

namespace polus {

namespace {

/** Deeper than any declaration that a person or a generator writes. */
constexpr int kDeepest = 150;
constexpr int kInProgress = -1;

bool IsQualifier(unsigned tag) noexcept {
  return tag == DW_TAG_const_type || tag == DW_TAG_volatile_type || tag == DW_TAG_restrict_type ||
         tag == DW_TAG_atomic_type;
}

bool IsStruct(unsigned tag) noexcept {
  return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

bool IsPointer(unsigned tag) noexcept {
  return tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type ||
         tag == DW_TAG_rvalue_reference_type;
}

bool IsFunction(unsigned tag) noexcept {
  return tag == DW_TAG_subroutine_type || tag == DW_TAG_subprogram;
}

}  // namespace

void TypeGuard::Examine(const Dwarf_Die& type) {
  Visit(Links::kContents, type, 0);
  Visit(Links::kSpelling, type, 0);
}

int TypeGuard::Visit(Links links, const Dwarf_Die& type, int depth) {
  Heights& heights = links == Links::kContents ? contents_ : spellings_;
  const auto [place, fresh] = heights.try_emplace(type.addr, kInProgress);
  if (!fresh) return place->second;
  const unsigned tag = TagOf(type);
  const bool contents = links == Links::kContents;
  int height = 0;
  if (IsQualifier(tag) || tag == DW_TAG_array_type || (contents && tag == DW_TAG_typedef) ||
      (!contents && (IsPointer(tag) || IsFunction(tag)))) {
    height = VisitTarget(links, type, depth);
  }
  if (contents && IsStruct(tag)) {
    ForEachChild(type, [&](const Dwarf_Die& member) {
      if (TagOf(member) != DW_TAG_member) return true;
      CutIncomplete(member);
      height = std::max(height, VisitTarget(links, member, depth));
      return true;
    });
  }
  if (!contents && IsFunction(tag)) {
    ForEachChild(type, [&](const Dwarf_Die& parameter) {
      if (TagOf(parameter) != DW_TAG_formal_parameter) return true;
      height = std::max(height, VisitTarget(links, parameter, depth));
      return true;
    });
  }
  heights[type.addr] = height;
  return height;
}

int TypeGuard::VisitTarget(Links links, const Dwarf_Die& owner, int depth) {
  if (IsCut(owner)) return 0;
  const auto target = TypeOf(owner);
  if (!target) return 0;
  const int height = depth < kDeepest ? Visit(links, *target, depth + 1) : kDeepest;
  if (height != kInProgress && height < kDeepest) return height + 1;
  cut_.insert(owner.addr);
  return 0;
}

// C allows no member of a type that is only declared. One that claims to be is not completed by
// name, since that could lead back to the struct that it is in.
void TypeGuard::CutIncomplete(const Dwarf_Die& member) {
  auto type = TypeOf(member);
  for (int step = 0; type && step < kDeepest; ++step) {
    const unsigned tag = TagOf(*type);
    if (IsStruct(tag) && FlagOf(*type, DW_AT_declaration)) cut_.insert(member.addr);
    if (tag != DW_TAG_typedef && tag != DW_TAG_array_type && !IsQualifier(tag)) return;
    type = TypeOf(*type);
  }
}

}  // namespace polus
