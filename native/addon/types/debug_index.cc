#include "types/debug_index.h"

#include <algorithm>
#include <utility>

#include "symbols/dwarf_reader.h"
#include "symbols/linked_file.h"
#include "types/die.h"

namespace polus {

namespace {

constexpr int kDeepestBlock = 64;
/** More names than any real program has; a file that claims more is cut off there. */
constexpr size_t kMostNames = size_t{1} << 22;
/** Of debug information for one name at file scope, roughly: so that the table seldom grows. */
constexpr uint64_t kBytesOfName = 512;

void FindStatics(const Dwarf_Die& scope, std::string_view name, int depth,
                 std::vector<Dwarf_Die>* found) {
  if (depth > kDeepestBlock) return;
  ForEachChild(scope, [&](const Dwarf_Die& child) {
    const unsigned tag = TagOf(child);
    if (tag == DW_TAG_lexical_block) {
      FindStatics(child, name, depth + 1, found);
    } else if (tag == DW_TAG_variable && NameOf(child) == name &&
               PlaceOf(child).kind != VariablePlace::Kind::kNone) {
      found->push_back(child);
    }
    return true;
  });
}

/** True for one expression that holds everywhere, not a list of them. */
bool IsExpression(Dwarf_Attribute* attribute) {
  switch (dwarf_whatform(attribute)) {
    case DW_FORM_exprloc:
    case DW_FORM_block:
    case DW_FORM_block1:
    case DW_FORM_block2:
    case DW_FORM_block4: return true;
    default: return false;
  }
}

bool AddressOperand(Dwarf_Attribute* location, const Dwarf_Op& op, uint64_t* value) {
  switch (op.atom) {
    case DW_OP_addr:
    case DW_OP_const4u:
    case DW_OP_const8u:
    case DW_OP_constu:
    case DW_OP_const2u:
    case DW_OP_const1u:
      *value = op.number;
      return true;
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
    case DW_OP_constx:
    case DW_OP_GNU_const_index: {
      Dwarf_Attribute indirect;
      Dwarf_Addr address = 0;
      if (dwarf_getlocation_attr(location, &op, &indirect) != 0) return false;
      if (dwarf_formaddr(&indirect, &address) != 0) {
        Dwarf_Word word = 0;
        if (dwarf_formudata(&indirect, &word) != 0) return false;
        address = word;
      }
      *value = address;
      return true;
    }
    default:
      return false;
  }
}

}  // namespace

VariablePlace PlaceOf(const Dwarf_Die& variable) {
  VariablePlace place;
  if (auto location = InheritedAttributeOf(variable, DW_AT_location)) {
    Dwarf_Op* ops = nullptr;
    size_t count = 0;
    if (!IsExpression(&*location) || dwarf_getlocation(&*location, &ops, &count) != 0 || count == 0) {
      return place;
    }
    uint64_t value = 0;
    if (!AddressOperand(&*location, ops[0], &value)) return place;
    const bool is_address = ops[0].atom == DW_OP_addr || ops[0].atom == DW_OP_addrx ||
                            ops[0].atom == DW_OP_GNU_addr_index;
    const bool is_tls = count == 2 && (ops[1].atom == DW_OP_form_tls_address ||
                                       ops[1].atom == DW_OP_GNU_push_tls_address);
    if (is_tls) {
      place.kind = VariablePlace::Kind::kTls;
    } else if (count == 1 && is_address) {
      place.kind = VariablePlace::Kind::kStatic;
    } else if (count == 2 && is_address && ops[1].atom == DW_OP_plus_uconst) {
      place.kind = VariablePlace::Kind::kStatic;
      value += ops[1].number;
    } else {
      return place;
    }
    place.value = value;
    return place;
  }
  auto constant = InheritedAttributeOf(variable, DW_AT_const_value);
  if (!constant) return place;
  Dwarf_Block block;
  if (dwarf_formblock(&*constant, &block) == 0) {
    place.bytes.assign(block.data, block.data + block.length);
  } else if (const char* text = dwarf_formstring(&*constant)) {
    const std::string_view view = text;
    place.bytes.assign(view.begin(), view.end());
    place.bytes.push_back(0);
  } else {
    // Only a signed form is sign-extended: an int of 200 stands there as one byte 0xc8.
    const unsigned form = dwarf_whatform(&*constant);
    Dwarf_Sword number = 0;
    Dwarf_Word word = 0;
    if (form == DW_FORM_sdata || form == DW_FORM_implicit_const) {
      if (dwarf_formsdata(&*constant, &number) != 0) return place;
      word = static_cast<Dwarf_Word>(number);
    } else if (dwarf_formudata(&*constant, &word) != 0) {
      return place;
    }
    place.value = word;
    for (int at = 0; at < 8; ++at) place.bytes.push_back(static_cast<uint8_t>(word >> (8 * at)));
  }
  place.kind = VariablePlace::Kind::kConstant;
  return place;
}

DebugIndex::DebugIndex(LinkedFile& linked) {
  Dwarf* dwarf = linked.Dwarf().Open();
  if (dwarf == nullptr) return;
  if (const ElfSection* section = linked.File().SectionNamed(".debug_info")) {
    by_name_.Reserve(std::min<uint64_t>(section->size / kBytesOfName, kMostNames));
  }
  Dwarf_CU* unit = nullptr;
  Dwarf_Half version = 0;
  uint8_t type = 0;
  Dwarf_Die die;
  while (dwarf_get_units(dwarf, unit, &unit, &version, &type, &die, nullptr) == 0) {
    if (die.cu == nullptr) continue;
    if (type == DW_UT_type || type == DW_UT_split_type) {
      AddUnit(die);
      continue;
    }
    Dwarf_Die split;
    AddUnit(SplitUnitOf(&die, &split) ? split : die);
  }
  while (!to_import_.empty()) {
    const Dwarf_Die next = to_import_.back();
    to_import_.pop_back();
    AddUnit(next);
  }
}

void DebugIndex::AddUnit(const Dwarf_Die& unit) {
  const uint32_t number = static_cast<uint32_t>(sources_.size());
  Dwarf_Die copy = unit;
  sources_.push_back(PathOfUnit(&copy));
  ForEachChild(unit, [&](const Dwarf_Die& die) {
    AddEntry(die, unit, number);
    return all_.size() < kMostNames;
  });
}

void DebugIndex::AddEntry(const Dwarf_Die& die, const Dwarf_Die& unit, uint32_t number) {
  const auto add = [&](DebugKind kind) {
    const bool may_be_declared = kind != DebugKind::kTypedef && kind != DebugKind::kBasic;
    Add(die, unit, number, kind, may_be_declared && FlagOf(die, DW_AT_declaration));
  };
  switch (TagOf(die)) {
    case DW_TAG_variable: return add(DebugKind::kVariable);
    case DW_TAG_subprogram: return add(DebugKind::kFunction);
    case DW_TAG_structure_type:
    case DW_TAG_class_type: return add(DebugKind::kStruct);
    case DW_TAG_union_type: return add(DebugKind::kUnion);
    case DW_TAG_typedef: return add(DebugKind::kTypedef);
    case DW_TAG_base_type: return add(DebugKind::kBasic);
    case DW_TAG_enumeration_type:
      add(DebugKind::kEnum);
      ForEachChild(die, [&](const Dwarf_Die& child) {
        if (TagOf(child) == DW_TAG_enumerator) Add(child, die, number, DebugKind::kEnumerator, false);
        return all_.size() < kMostNames;
      });
      return;
    case DW_TAG_imported_unit: {
      // The file's own partial units are among its units; a supplementary file also holds others'.
      const auto imported = ReferenceOf(die, DW_AT_import);
      if (imported && dwarf_cu_getdwarf(imported->cu) != dwarf_cu_getdwarf(die.cu) &&
          imported_.insert(imported->addr).second) {
        to_import_.push_back(*imported);
      }
      return;
    }
    default: return;
  }
}

void DebugIndex::Add(const Dwarf_Die& die, const Dwarf_Die& owner, uint32_t unit, DebugKind kind,
                     bool declaration) {
  const std::string_view name = NameOf(die);
  if (name.empty()) return;
  const uint32_t index = static_cast<uint32_t>(all_.size());
  const auto [place, fresh] =
      by_name_.Insert(name, index, [this](uint32_t at) { return all_[at].name; });
  const uint32_t first = *place;
  const bool is_type = kind != DebugKind::kVariable && kind != DebugKind::kFunction;
  if (is_type && !fresh) {
    // A header's types stand in every unit that includes it: one complete definition is enough.
    for (uint32_t at = first; at != kNoName; at = all_[at].next) {
      if (all_[at].kind == kind && (!all_[at].declaration || declaration)) return;
    }
  }
  const bool external = is_type || FlagOf(OriginOf(die), DW_AT_external);
  if (!fresh) all_[std::exchange(all_[first].last, index)].next = index;
  all_.push_back({name, die, owner, unit, kind, declaration, external, kNoName, index});
}

std::vector<const DebugName*> DebugIndex::Named(std::string_view name) const {
  std::vector<const DebugName*> found;
  const uint32_t first = by_name_.Find(name, [this](uint32_t at) { return all_[at].name; });
  for (uint32_t at = first; at != kNoName; at = all_[at].next) {
    found.push_back(&all_[at]);
  }
  return found;
}

std::vector<Dwarf_Die> DebugIndex::StaticsOf(std::string_view function, std::string_view name) const {
  std::vector<Dwarf_Die> found;
  std::vector<uint64_t> places;
  for (const DebugName* entry : Named(function)) {
    if (entry->kind != DebugKind::kFunction || entry->declaration) continue;
    std::vector<Dwarf_Die> here;
    FindStatics(entry->die, name, 0, &here);
    for (const Dwarf_Die& die : here) {
      // A function that is also inlined tells of its statics twice.
      const uint64_t place = PlaceOf(die).value;
      if (std::find(places.begin(), places.end(), place) != places.end()) continue;
      places.push_back(place);
      found.push_back(die);
    }
  }
  return found;
}

std::vector<std::string> DebugIndex::Beginning(bool (*wanted)(DebugKind), std::string_view prefix,
                                               size_t limit) const {
  std::vector<std::string> names;
  for (const DebugName& entry : all_) {
    if (entry.name.substr(0, prefix.size()) == prefix && wanted(entry.kind)) names.emplace_back(entry.name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.size() > limit) names.resize(limit);
  return names;
}

std::vector<std::string> DebugIndex::SourcesBeginning(std::string_view prefix, size_t limit) const {
  std::vector<std::string> names;
  for (const std::string& source : sources_) {
    const size_t slash = source.rfind('/');
    const std::string_view base =
        slash == std::string::npos ? std::string_view(source) : std::string_view(source).substr(slash + 1);
    if (base.empty()) continue;
    if (base.substr(0, prefix.size()) == prefix) names.emplace_back(base);
    else if (std::string_view(source).substr(0, prefix.size()) == prefix) names.push_back(source);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.size() > limit) names.resize(limit);
  return names;
}

}  // namespace polus
