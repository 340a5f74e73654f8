#ifndef POLUS_TYPES_TYPE_READER_H
#define POLUS_TYPES_TYPE_READER_H

#include <elfutils/libdw.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "types/debug_index.h"
#include "types/type_guard.h"

namespace polus {

/** Stands for one type of a file; 0 is `void`. */
using TypeNumber = uint32_t;

struct TypeMember {
  std::string name;  // empty: anonymous, or an unnamed parameter
  TypeNumber type = 0;
  uint64_t offset = 0;
  /** Of a bit-field: first bit within the byte at `offset`, and how many; 0 for others. */
  uint32_t first_bit = 0;
  uint32_t bits = 0;
};

struct TypeEnumerator {
  std::string name;
  int64_t value = 0;
  /** The value was above INT64_MAX. */
  bool huge = false;
};

/** What one debugging entry says of a type. */
struct TypeDescription {
  enum class Kind {
    kVoid,
    kBase,
    kPointer,
    kArray,
    kStruct,
    kUnion,
    kEnum,
    kTypedef,
    kQualified,
    kFunction,
  } kind = Kind::kVoid;
  std::string name;
  std::optional<uint64_t> size;
  /** DW_ATE_… of a base type. */
  uint32_t encoding = 0;
  bool is_signed = false;
  bool declaration = false;
  bool variadic = false;
  bool prototyped = false;
  /** Of a qualified type: `const`, `volatile`, `restrict`, `_Atomic`. */
  const char* qualifier = "";
  /** What it points to, its elements, what it stands for, or a function's result. */
  TypeNumber target = 0;
  /** Of an array, outermost first; nothing: not known. */
  std::vector<std::optional<uint64_t>> counts;
  /** Of a struct or union; a function's parameters. */
  std::vector<TypeMember> members;
  std::vector<TypeEnumerator> enumerators;
};

/** Types of one file. Not for several threads at once. */
class TypeReader {
 public:
  explicit TypeReader(LinkedFile& linked) : index_(linked) {}

  const DebugIndex& Index() const noexcept { return index_; }
  /** Number of the type that an entry has (DW_AT_type), 0 if none. */
  TypeNumber TypeOf(const Dwarf_Die& entry);
  /** Number of the type that an entry is; the same entry has always the same. */
  TypeNumber NumberOf(const Dwarf_Die& entry);
  /** @throws Failure OUT_OF_RANGE for a number that was never given out */
  TypeDescription Describe(TypeNumber number);

 private:
  TypeNumber SafeTypeOf(const Dwarf_Die& entry);
  void ReadMembers(const Dwarf_Die& die, TypeDescription* type);
  void ReadParameters(const Dwarf_Die& die, TypeDescription* type);
  void ReadEnumerators(const Dwarf_Die& die, TypeDescription* type);

  DebugIndex index_;
  TypeGuard guard_;
  std::vector<Dwarf_Die> numbered_;
  std::unordered_map<const void*, TypeNumber> numbers_;
};

}  // namespace polus

#endif
