#include "types/die.h"

namespace polus {

namespace {

/** Real chains are of one or two steps. */
constexpr int kLongestChain = 16;

std::optional<Dwarf_Die> Follow(Dwarf_Attribute attribute) {
  Dwarf_Die target;
  if (dwarf_formref_die(&attribute, &target) == nullptr || target.addr == nullptr) {
    return std::nullopt;
  }
  return target;
}

std::optional<Dwarf_Die> NextOrigin(const Dwarf_Die& die) {
  if (auto origin = ReferenceOf(die, DW_AT_abstract_origin)) return origin;
  return ReferenceOf(die, DW_AT_specification);
}

}  // namespace

std::optional<Dwarf_Attribute> AttributeOf(const Dwarf_Die& die, unsigned name) {
  Dwarf_Die copy = die;
  Dwarf_Attribute attribute;
  if (dwarf_attr(&copy, name, &attribute) == nullptr) return std::nullopt;
  return attribute;
}

std::optional<Dwarf_Attribute> InheritedAttributeOf(const Dwarf_Die& die, unsigned name) {
  Dwarf_Die current = die;
  for (int step = 0; step < kLongestChain; ++step) {
    if (auto attribute = AttributeOf(current, name)) return attribute;
    const auto origin = NextOrigin(current);
    if (!origin) break;
    current = *origin;
  }
  return std::nullopt;
}

std::optional<Dwarf_Die> ReferenceOf(const Dwarf_Die& die, unsigned name) {
  const auto attribute = AttributeOf(die, name);
  return attribute ? Follow(*attribute) : std::nullopt;
}

Dwarf_Die OriginOf(const Dwarf_Die& die) {
  Dwarf_Die current = die;
  for (int step = 0; step < kLongestChain; ++step) {
    const auto origin = NextOrigin(current);
    if (!origin) break;
    current = *origin;
  }
  return current;
}

std::string_view NameOf(const Dwarf_Die& die) {
  auto attribute = InheritedAttributeOf(die, DW_AT_name);
  const char* text = attribute ? dwarf_formstring(&*attribute) : nullptr;
  return text == nullptr ? std::string_view() : std::string_view(text);
}

std::optional<Dwarf_Die> TypeOf(const Dwarf_Die& die) {
  const auto attribute = InheritedAttributeOf(die, DW_AT_type);
  return attribute ? Follow(*attribute) : std::nullopt;
}

bool FlagOf(const Dwarf_Die& die, unsigned name) {
  auto attribute = AttributeOf(die, name);
  bool flag = false;
  return attribute && dwarf_formflag(&*attribute, &flag) == 0 && flag;
}

std::optional<uint64_t> UnsignedOf(const Dwarf_Die& die, unsigned name) {
  const auto value = SignedOf(die, name);
  if (!value || (*value < 0 && HasSignedForm(die, name))) return std::nullopt;
  return static_cast<uint64_t>(*value);
}

std::optional<int64_t> SignedOf(const Dwarf_Die& die, unsigned name) {
  auto attribute = AttributeOf(die, name);
  if (!attribute) return std::nullopt;
  if (HasSignedForm(die, name)) {
    Dwarf_Sword value = 0;
    if (dwarf_formsdata(&*attribute, &value) != 0) return std::nullopt;
    return value;
  }
  Dwarf_Word value = 0;
  if (dwarf_formudata(&*attribute, &value) != 0) return std::nullopt;
  return static_cast<int64_t>(value);
}

bool HasSignedForm(const Dwarf_Die& die, unsigned name) {
  auto attribute = AttributeOf(die, name);
  if (!attribute) return false;
  const unsigned form = dwarf_whatform(&*attribute);
  return form == DW_FORM_sdata || form == DW_FORM_implicit_const;
}

}  // namespace polus
