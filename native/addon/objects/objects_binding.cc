#include "objects/objects_binding.h"

#include <string>

#include "napi_values.h"
#include "objects/patch_object.h"
#include "symbols/symbol_names.h"

namespace polus {

namespace {

const char* TypeOf(const ElfFile& file) {
  switch (file.Type()) {
    case ET_DYN: return "dyn";
    case ET_REL: return "rel";
    case ET_EXEC: return "exec";
    default: return "other";
  }
}

Napi::Object SegmentObject(Napi::Env env, const PatchSegment& segment) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("address", ToBigInt(env, segment.header.address));
  object.Set("memorySize", ToNumber(env, segment.header.memory_size));
  object.Set("alignment", ToNumber(env, segment.header.alignment));
  object.Set("read", Napi::Boolean::New(env, (segment.header.flags & PF_R) != 0));
  object.Set("write", Napi::Boolean::New(env, (segment.header.flags & PF_W) != 0));
  object.Set("execute", Napi::Boolean::New(env, (segment.header.flags & PF_X) != 0));
  const ByteView& contents = segment.contents;
  object.Set("contents", Napi::Buffer<uint8_t>::Copy(env, contents.data, contents.size));
  return object;
}

Napi::Object SymbolObject(Napi::Env env, const PatchSymbol& symbol) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", Napi::String::New(env, symbol.name.data(), symbol.name.size()));
  object.Set("address", ToBigInt(env, symbol.address));
  object.Set("size", ToNumber(env, symbol.size));
  object.Set("kind", SymbolKindName(symbol.type));
  object.Set("binding", SymbolBindingName(symbol.binding));
  object.Set("defined", Napi::Boolean::New(env, symbol.defined));
  object.Set("version", TextOrNull(env, symbol.version));
  object.Set("dynamic", Napi::Boolean::New(env, symbol.dynamic));
  return object;
}

Napi::Object RelocationObject(Napi::Env env, const PatchRelocation& relocation) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("address", ToBigInt(env, relocation.address));
  object.Set("type", Napi::Number::New(env, relocation.type));
  object.Set("symbol", Napi::Number::New(env, static_cast<double>(relocation.symbol)));
  object.Set("addend", ToBigInt(env, relocation.addend));
  return object;
}

template <typename Item, typename Make>
Napi::Array ArrayOf(Napi::Env env, const std::vector<Item>& items, Make make) {
  Napi::Array array = Napi::Array::New(env, items.size());
  for (uint32_t index = 0; index < items.size(); ++index) array.Set(index, make(env, items[index]));
  return array;
}

Napi::Value ReadPatchObject(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Uint8Array bytes = ToBytes(info[0], "bytes");
  const PatchObject patch(FileImage::Copy(bytes.Data(), bytes.ByteLength()));

  Napi::Object object = Napi::Object::New(env);
  object.Set("machine", Napi::Number::New(env, patch.File().Machine()));
  object.Set("elfClass", Napi::Number::New(env, patch.File().Class()));
  object.Set("type", TypeOf(patch.File()));
  object.Set("segments", ArrayOf(env, patch.segments, SegmentObject));
  if (patch.has_relro) {
    Napi::Object relro = Napi::Object::New(env);
    relro.Set("address", ToBigInt(env, patch.relro_address));
    relro.Set("size", ToNumber(env, patch.relro_size));
    object.Set("relro", relro);
  } else {
    object.Set("relro", env.Null());
  }
  const auto text = [](Napi::Env scope, std::string_view value) {
    return Napi::String::New(scope, value.data(), value.size());
  };
  object.Set("hasTls", Napi::Boolean::New(env, patch.has_tls));
  object.Set("needed", ArrayOf(env, patch.needed, text));
  object.Set("symbols", ArrayOf(env, patch.symbols, SymbolObject));
  object.Set("relocations", ArrayOf(env, patch.relocations, RelocationObject));
  object.Set("constructors", Napi::Number::New(env, patch.constructors));
  object.Set("replaceTable", ArrayOf(env, patch.replacements, text));
  return object;
}

}  // namespace

void InitObjects(Napi::Env env, Napi::Object exports) {
  Export<ReadPatchObject>(env, exports, "readPatchObject");
}

}  // namespace polus
