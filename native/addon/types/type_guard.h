#ifndef POLUS_TYPES_TYPE_GUARD_H
#define POLUS_TYPES_TYPE_GUARD_H

#include <elfutils/libdw.h>

#include <unordered_map>
#include <unordered_set>

namespace polus {

/**
 * Finds where damaged debug information makes a type contain itself, or never end: a typedef of
 * itself, a struct that is its own member, a pointer to itself without a struct in between. Whoever
 * sizes, prints or spells a type follows such links, and would never come to an end.
 */
class TypeGuard {
 public:
  /** Looks at everything that can be reached from a type without passing through a pointer to a named type. */
  void Examine(const Dwarf_Die& type);

  /**
   * True if the DW_AT_type of this entry (a type, a member or a parameter) must not be followed.
   * Right for entries of types that were examined.
   */
  bool IsCut(const Dwarf_Die& entry) const { return cut_.count(entry.addr) != 0; }

 private:
  /** Longest way from a type to the types that it is made of, by the type's entry. */
  using Heights = std::unordered_map<const void*, int>;
  enum class Links {
    /** A type and what lies inside its objects. */
    kContents,
    /** A type and what its spelling names. */
    kSpelling,
  };

  int Visit(Links links, const Dwarf_Die& type, int depth);
  int VisitTarget(Links links, const Dwarf_Die& owner, int depth);
  void CutIncomplete(const Dwarf_Die& member);

  Heights contents_;
  Heights spellings_;
  std::unordered_set<const void*> cut_;
};

}  // namespace polus

#endif
