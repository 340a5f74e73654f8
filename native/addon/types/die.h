#ifndef POLUS_TYPES_DIE_H
#define POLUS_TYPES_DIE_H

#include <dwarf.h>
#include <elfutils/libdw.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace polus {

/**
 * Reading of debugging information entries that may be hostile: every walk ends, whatever offsets
 * and references say.
 */

/** An attribute that the entry itself has. */
std::optional<Dwarf_Attribute> AttributeOf(const Dwarf_Die& die, unsigned name);

/** An attribute of the entry or of what it is a copy or the definition of. */
std::optional<Dwarf_Attribute> InheritedAttributeOf(const Dwarf_Die& die, unsigned name);

/** The entry that a reference attribute leads to. */
std::optional<Dwarf_Die> ReferenceOf(const Dwarf_Die& die, unsigned name);

/** The last of the chain of DW_AT_abstract_origin and DW_AT_specification; `die` if it has none. */
Dwarf_Die OriginOf(const Dwarf_Die& die);

/** Name, inherited too; empty for an anonymous one. It lives as long as its DWARF. */
std::string_view NameOf(const Dwarf_Die& die);

/** The entry behind DW_AT_type, inherited too; nothing for void. */
std::optional<Dwarf_Die> TypeOf(const Dwarf_Die& die);

bool FlagOf(const Dwarf_Die& die, unsigned name);

/** A constant that is not below zero. */
std::optional<uint64_t> UnsignedOf(const Dwarf_Die& die, unsigned name);

/** A constant by its form: sign-extended only where the form says so. */
std::optional<int64_t> SignedOf(const Dwarf_Die& die, unsigned name);

/** True if a constant has a form that is signed. */
bool HasSignedForm(const Dwarf_Die& die, unsigned name);

inline unsigned TagOf(const Dwarf_Die& die) {
  Dwarf_Die copy = die;
  const int tag = dwarf_tag(&copy);
  return tag > 0 ? static_cast<unsigned>(tag) : 0;
}

/** Calls `visit(Dwarf_Die&)` for each child, in order, until it returns false. */
template <typename Visit>
void ForEachChild(const Dwarf_Die& parent, Visit visit) {
  Dwarf_Die copy = parent;
  Dwarf_Die child;
  if (dwarf_child(&copy, &child) != 0) return;
  for (;;) {
    if (!visit(child)) return;
    Dwarf_Die next;
    // A sibling attribute that leads backwards would make it endless.
    if (dwarf_siblingof(&child, &next) != 0 || next.addr <= child.addr) return;
    child = next;
  }
}

}  // namespace polus

#endif
