#include "types/types_binding.h"

#include <algorithm>
#include <string>

#include "napi_values.h"
#include "symbols/module.h"
#include "symbols/dwarf_reader.h"
#include "symbols/symbols_binding.h"
#include "types/die.h"
#include "types/type_reader.h"

namespace polus {

namespace {

constexpr uint64_t kMostNames = 1 << 20;

const char* KindName(DebugKind kind) {
  switch (kind) {
    case DebugKind::kVariable:
      return "variable";
    case DebugKind::kFunction:
      return "function";
    case DebugKind::kEnumerator:
      return "enumerator";
    case DebugKind::kStruct:
      return "struct";
    case DebugKind::kUnion:
      return "union";
    case DebugKind::kEnum:
      return "enum";
    case DebugKind::kTypedef:
      return "typedef";
    case DebugKind::kBasic:
      return "basic";
  }
  return "";
}

const char* KindName(TypeDescription::Kind kind) {
  using Kind = TypeDescription::Kind;
  switch (kind) {
    case Kind::kVoid:
      return "void";
    case Kind::kBase:
      return "base";
    case Kind::kPointer:
      return "pointer";
    case Kind::kArray:
      return "array";
    case Kind::kStruct:
      return "struct";
    case Kind::kUnion:
      return "union";
    case Kind::kEnum:
      return "enum";
    case Kind::kTypedef:
      return "typedef";
    case Kind::kQualified:
      return "qualified";
    case Kind::kFunction:
      return "function";
  }
  return "";
}

const char* EncodingName(uint32_t encoding) {
  switch (encoding) {
    case DW_ATE_boolean:
      return "boolean";
    case DW_ATE_signed_char:
    case DW_ATE_unsigned_char:
    case DW_ATE_UTF:
      return "character";
    case DW_ATE_float:
      return "float";
    case DW_ATE_complex_float:
      return "complex";
    default:
      return "integer";
  }
}

bool IsSigned(const TypeDescription& type) {
  if (type.kind == TypeDescription::Kind::kBase) {
    return type.encoding == DW_ATE_signed || type.encoding == DW_ATE_signed_char;
  }
  return type.is_signed;
}

/**
 * True for a link-time address of something in the module. What the linker dropped has 0, or others
 * that lie outside.
 */
bool IsInside(const Module& module, uint64_t link_address) {
  const uint64_t address = link_address + module.Bias();
  return link_address != 0 && address >= module.Extent().start && address < module.Extent().end;
}

bool IsCode(const Module& module, uint64_t address) {
  for (const AddressRange& range : module.Text()) {
    if (address >= range.start && address < range.end) return true;
  }
  return false;
}

/**
 * True if a function's code is a clone that the compiler made for some of its callers
 * (`name.constprop.0`, `name.isra.0`, `name.part.0`): it takes other arguments than `name`.
 */
bool IsClone(Module& module, std::string_view name, uint64_t address) {
  bool clone = false;
  const SymbolTable& table = module.Linked().Symbols();
  const std::vector<uint32_t>& order = table.ByAddress();
  const uint64_t link_address = address - module.Bias();
  auto at = std::lower_bound(order.begin(), order.end(), link_address, [&](uint32_t index, uint64_t wanted) {
    return table.All()[index].address < wanted;
  });
  for (; at != order.end() && table.All()[*at].address == link_address; ++at) {
    const std::string_view symbol = table.All()[*at].name;
    if (symbol == name) return false;
    clone = clone || (symbol.size() > name.size() && symbol[name.size()] == '.' &&
                      symbol.compare(0, name.size(), name) == 0);
  }
  return clone;
}

/** Run-time start of a function's code, 0 if it has none of its own. */
uint64_t CodeOf(Module& module, const Dwarf_Die& function) {
  Dwarf_Die die = function;
  Dwarf_Addr low = 0;
  if (dwarf_lowpc(&die, &low) != 0) {
    // A function whose cold part lies elsewhere has ranges, its entry in the first.
    Dwarf_Addr base = 0;
    Dwarf_Addr high = 0;
    if (!AttributeOf(die, DW_AT_ranges) || dwarf_ranges(&die, 0, &base, &low, &high) <= 0) return 0;
  }
  const uint64_t address = low + module.Bias();
  return IsCode(module, address) && !IsClone(module, NameOf(die), address) ? address : 0;
}

/** What the place of a variable is, for JavaScript: run-time address, TLS offset or bytes. */
void SetPlace(Napi::Env env, const Module& module, const Dwarf_Die& die, Napi::Object object) {
  VariablePlace place = PlaceOf(die);
  if (place.kind == VariablePlace::Kind::kStatic && !IsInside(module, place.value)) {
    place.kind = VariablePlace::Kind::kNone;
  }
  if (place.kind == VariablePlace::Kind::kTls) {
    const ElfSegment* block = module.File().SegmentOfType(PT_TLS);
    if (block == nullptr) {
      place.kind = VariablePlace::Kind::kNone;
    } else if (place.value >= block->memory_size) {
      // gcc has the linker write an address instead of an offset where split units look it up.
      place.value -= block->address;
      if (place.value >= block->memory_size) place.kind = VariablePlace::Kind::kNone;
    }
  }
  switch (place.kind) {
    case VariablePlace::Kind::kNone:
      object.Set("place", env.Null());
      return;
    case VariablePlace::Kind::kStatic:
      object.Set("place", "static");
      object.Set("value", ToBigInt(env, place.value + module.Bias()));
      return;
    case VariablePlace::Kind::kTls:
      object.Set("place", "tls");
      object.Set("value", ToBigInt(env, place.value));
      return;
    case VariablePlace::Kind::kConstant:
      object.Set("place", "constant");
      object.Set("bytes", Napi::Buffer<uint8_t>::Copy(env, place.bytes.data(), place.bytes.size()));
      return;
  }
}

Napi::Value NumberedType(Napi::Env env, TypeNumber number) {
  return Napi::Number::New(env, static_cast<double>(number));
}

Napi::Object Entry(Napi::Env env, Module& module, const Dwarf_Die& die, const char* kind,
                   const std::string& source) {
  TypeReader& types = module.Linked().Types();
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", kind);
  object.Set("source", TextOrNull(env, source));
  const unsigned tag = TagOf(die);
  if (tag == DW_TAG_variable) {
    object.Set("type", NumberedType(env, types.TypeOf(die)));
    SetPlace(env, module, die, object);
  } else if (tag == DW_TAG_enumerator) {
    object.Set("type", NumberedType(env, 0));
    if (const auto value = SignedOf(die, DW_AT_const_value)) {
      object.Set("value", HasSignedForm(die, DW_AT_const_value)
                              ? ToBigInt(env, *value)
                              : ToBigInt(env, static_cast<uint64_t>(*value)));
    }
  } else {
    object.Set("type", NumberedType(env, types.NumberOf(die)));
    const uint64_t code = tag == DW_TAG_subprogram ? CodeOf(module, die) : 0;
    if (code != 0) {
      object.Set("place", "static");
      object.Set("value", ToBigInt(env, code));
    }
  }
  return object;
}

Napi::Value DebugNames(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const std::string name = ToText(info[1], "name");
  const DebugIndex& index = module->Linked().Types().Index();
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  for (const DebugName* found : index.Named(name)) {
    Napi::Object object =
        Entry(env, *module, found->die, KindName(found->kind), index.SourceOf(found->unit));
    object.Set("declaration", Napi::Boolean::New(env, found->declaration));
    object.Set("external", Napi::Boolean::New(env, found->external));
    if (found->kind == DebugKind::kEnumerator) {
      object.Set("type", NumberedType(env, module->Linked().Types().NumberOf(found->owner)));
    }
    result.Set(count++, object);
  }
  return result;
}

Napi::Value DebugStatics(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const std::string function = ToText(info[1], "function");
  const std::string name = ToText(info[2], "name");
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  for (Dwarf_Die& die : module->Linked().Types().Index().StaticsOf(function, name)) {
    Dwarf_Die unit;
    std::string source;
    if (dwarf_diecu(&die, &unit, nullptr, nullptr) != nullptr) source = PathOfUnit(&unit);
    Napi::Object object = Entry(env, *module, die, "variable", source);
    object.Set("declaration", Napi::Boolean::New(env, false));
    object.Set("external", Napi::Boolean::New(env, false));
    result.Set(count++, object);
  }
  return result;
}

Napi::Value Texts(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array result = Napi::Array::New(env, texts.size());
  for (uint32_t at = 0; at < texts.size(); ++at) result.Set(at, texts[at]);
  return result;
}

Napi::Value DebugBeginning(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const std::string kind = ToText(info[1], "kind");
  const std::string prefix = ToText(info[2], "prefix");
  const uint64_t limit = ToCount(info[3], "limit", kMostNames);
  const DebugIndex& index = module->Linked().Types().Index();
  if (kind == "source") return Texts(info.Env(), index.SourcesBeginning(prefix, limit));
  bool (*wanted)(DebugKind) = nullptr;
  if (kind == "variable") {
    wanted = [](DebugKind one) { return one == DebugKind::kVariable || one == DebugKind::kEnumerator; };
  } else if (kind == "function") {
    wanted = [](DebugKind one) { return one == DebugKind::kFunction; };
  } else if (kind == "type") {
    wanted = [](DebugKind one) {
      return one == DebugKind::kStruct || one == DebugKind::kUnion || one == DebugKind::kEnum ||
             one == DebugKind::kTypedef;
    };
  } else {
    ThrowArgument(info.Env(), "kind must be variable, function, type or source");
  }
  return Texts(info.Env(), index.Beginning(wanted, prefix, limit));
}

Napi::Value DebugType(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const uint64_t number = ToCount(info[1], "type", UINT32_MAX);
  const TypeDescription type = module->Linked().Types().Describe(static_cast<TypeNumber>(number));
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", KindName(type.kind));
  object.Set("name", TextOrNull(env, type.name));
  object.Set("size", type.size ? Napi::Value(ToNumber(env, *type.size)) : env.Null());
  object.Set("encoding", EncodingName(type.encoding));
  object.Set("signed", Napi::Boolean::New(env, IsSigned(type)));
  object.Set("declaration", Napi::Boolean::New(env, type.declaration));
  object.Set("variadic", Napi::Boolean::New(env, type.variadic));
  object.Set("prototyped", Napi::Boolean::New(env, type.prototyped));
  object.Set("qualifier", type.qualifier);
  object.Set("target", NumberedType(env, type.target));
  Napi::Array counts = Napi::Array::New(env, type.counts.size());
  for (uint32_t at = 0; at < type.counts.size(); ++at) {
    counts.Set(at, type.counts[at] ? Napi::Value(ToNumber(env, *type.counts[at])) : env.Null());
  }
  object.Set("counts", counts);
  Napi::Array members = Napi::Array::New(env, type.members.size());
  for (uint32_t at = 0; at < type.members.size(); ++at) {
    const TypeMember& member = type.members[at];
    Napi::Object one = Napi::Object::New(env);
    one.Set("name", TextOrNull(env, member.name));
    one.Set("type", NumberedType(env, member.type));
    one.Set("offset", ToNumber(env, member.offset));
    one.Set("firstBit", Napi::Number::New(env, member.first_bit));
    one.Set("bits", Napi::Number::New(env, member.bits));
    members.Set(at, one);
  }
  object.Set("members", members);
  Napi::Array enumerators = Napi::Array::New(env, type.enumerators.size());
  for (uint32_t at = 0; at < type.enumerators.size(); ++at) {
    const TypeEnumerator& enumerator = type.enumerators[at];
    Napi::Object one = Napi::Object::New(env);
    one.Set("name", enumerator.name);
    one.Set("value", enumerator.huge ? ToBigInt(env, static_cast<uint64_t>(enumerator.value))
                                     : ToBigInt(env, enumerator.value));
    enumerators.Set(at, one);
  }
  object.Set("enumerators", enumerators);
  return object;
}

}  // namespace

void InitTypes(Napi::Env env, Napi::Object exports) {
  Export<DebugNames>(env, exports, "debugNames");
  Export<DebugStatics>(env, exports, "debugStatics");
  Export<DebugBeginning>(env, exports, "debugBeginning");
  Export<DebugType>(env, exports, "debugType");
}

}  // namespace polus
