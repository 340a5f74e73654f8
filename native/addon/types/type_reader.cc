#include "types/type_reader.h"

#include <dwarf.h>

#include "failure.h"
#include "symbols/linked_file.h"
#include "types/die.h"

namespace polus {

namespace {

/** Larger sizes, offsets and lengths no program has, and JavaScript's numbers do not hold. */
constexpr uint64_t kLargest = uint64_t{1} << 47;
constexpr uint64_t kMostBits = 128;

std::optional<uint64_t> Number(const Dwarf_Die& die, unsigned name) {
  const std::optional<uint64_t> value = UnsignedOf(die, name);
  return value && *value < kLargest ? value : std::nullopt;
}

/** A member's offset: a constant, or (DWARF 2) `DW_OP_plus_uconst`. */
uint64_t MemberOffset(const Dwarf_Die& member) {
  if (const auto offset = Number(member, DW_AT_data_member_location)) return *offset;
  auto attribute = AttributeOf(member, DW_AT_data_member_location);
  Dwarf_Op* ops = nullptr;
  size_t count = 0;
  if (attribute && dwarf_getlocation(&*attribute, &ops, &count) == 0 && count == 1 &&
      ops[0].atom == DW_OP_plus_uconst && ops[0].number < kLargest) {
    return ops[0].number;
  }
  return 0;
}

/** Size of what a bit-field is a part of, where the bit-field does not say it. */
uint64_t UnitOf(const Dwarf_Die& member) {
  constexpr int kLongestChain = 64;
  auto type = TypeOf(member);
  for (int step = 0; type && step < kLongestChain; ++step) {
    if (const auto size = Number(*type, DW_AT_byte_size)) return *size;
    type = TypeOf(*type);
  }
  return 0;
}

/** Places a bit-field: DWARF 4's DW_AT_data_bit_offset, or the older form that counts from the top. */
void ReadBits(const Dwarf_Die& die, TypeMember* member) {
  const std::optional<uint64_t> bits = Number(die, DW_AT_bit_size);
  if (!bits || *bits == 0 || *bits > kMostBits) return;
  uint64_t first = MemberOffset(die) * 8;
  if (const auto offset = Number(die, DW_AT_data_bit_offset)) {
    first = *offset;
  } else if (const auto from_top = SignedOf(die, DW_AT_bit_offset)) {
    const uint64_t unit = Number(die, DW_AT_byte_size).value_or(UnitOf(die));
    first += unit * 8 - static_cast<uint64_t>(*from_top) - *bits;
  }
  if (first >= kLargest) return;
  member->bits = static_cast<uint32_t>(*bits);
  member->offset = first / 8;
  member->first_bit = static_cast<uint32_t>(first % 8);
}

/** An array's length by its last index; -1, in whatever width, is how one of no elements is written. */
std::optional<uint64_t> CountByUpperBound(const Dwarf_Die& range) {
  auto attribute = AttributeOf(range, DW_AT_upper_bound);
  const auto upper = SignedOf(range, DW_AT_upper_bound);
  if (!upper) return std::nullopt;
  const bool none =
      *upper == -1 || (dwarf_whatform(&*attribute) == DW_FORM_data4 && *upper == UINT32_MAX);
  if (none) return 0;
  if (*upper < 0 || static_cast<uint64_t>(*upper) >= kLargest) return std::nullopt;
  return static_cast<uint64_t>(*upper) + 1;
}

void ReadCounts(const Dwarf_Die& array, TypeDescription* type) {
  constexpr size_t kMostDimensions = 32;
  ForEachChild(array, [&](const Dwarf_Die& range) {
    if (TagOf(range) != DW_TAG_subrange_type) return true;
    const std::optional<uint64_t> count = Number(range, DW_AT_count);
    type->counts.push_back(count ? count : CountByUpperBound(range));
    return type->counts.size() < kMostDimensions;
  });
  if (type->counts.empty()) type->counts.push_back(std::nullopt);
}

/** An integer or floating-point type of a size that there is. */
bool IsPlausible(uint64_t size) noexcept { return size > 0 && size <= 32; }

}  // namespace

TypeNumber TypeReader::TypeOf(const Dwarf_Die& entry) {
  const auto type = polus::TypeOf(entry);
  return type ? NumberOf(*type) : 0;
}

/** Of a type that was examined, or of a part of it. */
TypeNumber TypeReader::SafeTypeOf(const Dwarf_Die& entry) {
  return guard_.IsCut(entry) ? 0 : TypeOf(entry);
}

TypeNumber TypeReader::NumberOf(const Dwarf_Die& entry) {
  const auto [place, fresh] =
      numbers_.try_emplace(entry.addr, static_cast<TypeNumber>(numbered_.size() + 1));
  if (fresh) numbered_.push_back(entry);
  return place->second;
}

TypeDescription TypeReader::Describe(TypeNumber number) {
  TypeDescription type;
  if (number == 0) return type;
  if (number > numbered_.size()) throw Failure("OUT_OF_RANGE", "there is no type of that number");
  const Dwarf_Die die = numbered_[number - 1];
  guard_.Examine(die);
  using Kind = TypeDescription::Kind;
  type.size = Number(die, DW_AT_byte_size);
  const unsigned tag = TagOf(die);
  switch (tag) {
    case DW_TAG_base_type:
      if (!type.size || !IsPlausible(*type.size)) break;
      type.kind = Kind::kBase;
      type.name = NameOf(die);
      type.encoding = static_cast<uint32_t>(Number(die, DW_AT_encoding).value_or(0));
      break;
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
      type.kind = Kind::kPointer;
      type.target = SafeTypeOf(die);
      break;
    case DW_TAG_array_type:
      type.kind = Kind::kArray;
      type.target = SafeTypeOf(die);
      ReadCounts(die, &type);
      break;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
      type.kind = tag == DW_TAG_union_type ? Kind::kUnion : Kind::kStruct;
      type.name = NameOf(die);
      type.declaration = FlagOf(die, DW_AT_declaration);
      ReadMembers(die, &type);
      break;
    case DW_TAG_enumeration_type:
      type.kind = Kind::kEnum;
      type.name = NameOf(die);
      type.declaration = FlagOf(die, DW_AT_declaration);
      ReadEnumerators(die, &type);
      break;
    case DW_TAG_typedef:
      type.kind = Kind::kTypedef;
      type.name = NameOf(die);
      type.target = SafeTypeOf(die);
      break;
    case DW_TAG_const_type:
      type.kind = Kind::kQualified;
      type.qualifier = "const";
      type.target = SafeTypeOf(die);
      break;
    case DW_TAG_volatile_type:
      type.kind = Kind::kQualified;
      type.qualifier = "volatile";
      type.target = SafeTypeOf(die);
      break;
    case DW_TAG_restrict_type:
      type.kind = Kind::kQualified;
      type.qualifier = "restrict";
      type.target = SafeTypeOf(die);
      break;
    case DW_TAG_atomic_type:
      type.kind = Kind::kQualified;
      type.qualifier = "_Atomic";
      type.target = SafeTypeOf(die);
      break;
    case DW_TAG_subroutine_type:
    case DW_TAG_subprogram:
      type.kind = Kind::kFunction;
      type.target = SafeTypeOf(die);
      type.prototyped = FlagOf(OriginOf(die), DW_AT_prototyped);
      ReadParameters(die, &type);
      break;
    default:
      break;
  }
  return type;
}

void TypeReader::ReadMembers(const Dwarf_Die& die, TypeDescription* type) {
  ForEachChild(die, [&](const Dwarf_Die& child) {
    if (TagOf(child) != DW_TAG_member) return true;
    TypeMember member;
    member.name = NameOf(child);
    member.type = SafeTypeOf(child);
    member.offset = MemberOffset(child);
    ReadBits(child, &member);
    type->members.push_back(std::move(member));
    return true;
  });
}

void TypeReader::ReadParameters(const Dwarf_Die& die, TypeDescription* type) {
  ForEachChild(die, [&](const Dwarf_Die& child) {
    const unsigned tag = TagOf(child);
    if (tag == DW_TAG_unspecified_parameters) type->variadic = true;
    if (tag != DW_TAG_formal_parameter) return true;
    TypeMember parameter;
    parameter.name = NameOf(child);
    parameter.type = SafeTypeOf(child);
    type->members.push_back(std::move(parameter));
    return true;
  });
}

void TypeReader::ReadEnumerators(const Dwarf_Die& die, TypeDescription* type) {
  bool any_below_zero = false;
  ForEachChild(die, [&](const Dwarf_Die& child) {
    if (TagOf(child) != DW_TAG_enumerator) return true;
    TypeEnumerator one;
    one.name = NameOf(child);
    one.value = SignedOf(child, DW_AT_const_value).value_or(0);
    one.huge = one.value < 0 && !HasSignedForm(child, DW_AT_const_value);
    any_below_zero = any_below_zero || (one.value < 0 && !one.huge);
    type->enumerators.push_back(std::move(one));
    return true;
  });
  type->is_signed = any_below_zero;
  const std::optional<uint64_t> encoding = Number(die, DW_AT_encoding);
  if (encoding) type->is_signed = *encoding == DW_ATE_signed || *encoding == DW_ATE_signed_char;
}

}  // namespace polus
