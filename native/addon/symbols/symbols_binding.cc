#include "symbols/symbols_binding.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "memory/memory_binding.h"
#include "napi_values.h"
#include "symbols/dwarf_reader.h"
#include "symbols/module.h"
#include "symbols/symbol_names.h"

namespace polus {

namespace {

/** Marks the external values of openModule, so that no other external passes for one. */
constexpr napi_type_tag kModuleTag = {0x6a1c08d1f7be4d35, 0x9a4e51b2c0d7e6f3};

constexpr uint64_t kLongestRead = uint64_t{1} << 30;

struct ModuleBox {
  std::shared_ptr<Module> module;
};

Napi::Object SymbolObject(Napi::Env env, const Module& module, const Symbol& symbol) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", Napi::String::New(env, symbol.name.data(), symbol.name.size()));
  object.Set("address", ToBigInt(env, module.AddressOf(symbol)));
  object.Set("size", ToNumber(env, symbol.size));
  object.Set("kind", SymbolKindName(symbol.type));
  object.Set("binding", SymbolBindingName(symbol.binding));
  object.Set("visibility", SymbolVisibilityName(symbol.visibility));
  object.Set("file", TextOrNull(env, symbol.file));
  object.Set("version", TextOrNull(env, symbol.version));
  object.Set("defaultVersion", Napi::Boolean::New(env, symbol.default_version));
  object.Set("dynamic", Napi::Boolean::New(env, symbol.dynamic));
  return object;
}

/** @param anew what other handles hold already costs nothing more */
Napi::Value HandleOf(Napi::Env env, const std::shared_ptr<LinkedFile>& file, uint64_t load_address,
                     bool anew) {
  auto box = std::make_unique<ModuleBox>();
  box->module = std::make_shared<Module>(file, load_address);
  const int64_t held = anew ? static_cast<int64_t>(file->File().Image()->Size()) : 0;
  Napi::MemoryManagement::AdjustExternalMemory(env, held);
  auto handle = Napi::External<ModuleBox>::New(
      env, box.release(), [held](Napi::Env finalizer_env, ModuleBox* old) {
        delete old;
        Napi::MemoryManagement::AdjustExternalMemory(finalizer_env, -held);
      });
  handle.TypeTag(&kModuleTag);
  return handle;
}

Napi::Value OpenModule(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = ToText(info[0], "path");
  if (path.find('\0') != std::string::npos) ThrowArgument(env, "path must not hold a NUL");
  const Napi::Object options = ToObject(info[1], "options");
  const uint64_t load_address = ToAddress(options.Get("loadAddress"), "loadAddress");
  std::string root;
  if (!options.Get("root").IsUndefined()) root = ToText(options.Get("root"), "root");
  while (!root.empty() && root.back() == '/') root.pop_back();

  const LinkedFile::Opened opened = LinkedFile::Open(path, root);
  return HandleOf(env, opened.file, load_address, opened.anew);
}

Napi::Value OpenLoadedImage(const Napi::CallbackInfo& info) {
  const TargetHandle target = TargetOf(info, 0);
  const std::string name = ToText(info[1], "name");
  const uint64_t base = ToAddress(info[2], "base");
  const uint64_t size = ToAddress(info[3], "size");
  auto read = [&](uint64_t offset, void* into, size_t length) {
    target->Read(TargetAddress{base + offset}, into, length);
  };
  return HandleOf(info.Env(), LinkedFile::FromMemory(name, size, read), base, true);
}

Napi::Value FileBuildId(const Napi::CallbackInfo& info) {
  const std::string path = ToText(info[0], "path");
  if (path.find('\0') != std::string::npos) ThrowArgument(info.Env(), "path must not hold a NUL");
  return TextOrNull(info.Env(), ElfFile::FromDescriptor(OpenForReading(path), path)->BuildId());
}

Napi::Value ModuleInfo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const ElfFile& file = module->File();
  Napi::Object object = Napi::Object::New(env);
  object.Set("path", module->Path());
  object.Set("buildId", TextOrNull(env, file.BuildId()));
  object.Set("machine", Napi::Number::New(env, file.Machine()));
  object.Set("elfClass", Napi::Number::New(env, file.Class()));
  object.Set("type", file.Type() == ET_EXEC ? "exec" : file.Type() == ET_DYN ? "dyn" : "other");
  // Below zero for a file that is linked higher than it is loaded.
  object.Set("bias", ToBigInt(env, static_cast<int64_t>(module->Bias())));
  object.Set("start", ToBigInt(env, module->Extent().start));
  object.Set("end", ToBigInt(env, module->Extent().end));
  const std::vector<AddressRange> text = module->Text();
  Napi::Array ranges = Napi::Array::New(env, text.size());
  for (uint32_t index = 0; index < text.size(); ++index) {
    Napi::Object range = Napi::Object::New(env);
    range.Set("start", ToBigInt(env, text[index].start));
    range.Set("end", ToBigInt(env, text[index].end));
    ranges.Set(index, range);
  }
  object.Set("text", ranges);
  const DynamicTables& dynamic = module->Linked().Dynamic();
  object.Set("soname", TextOrNull(env, dynamic.soname));
  Napi::Array needed = Napi::Array::New(env, dynamic.needed.size());
  for (uint32_t index = 0; index < dynamic.needed.size(); ++index) {
    needed.Set(index, std::string(dynamic.needed[index]));
  }
  object.Set("needed", needed);
  object.Set("hasSymtab", Napi::Boolean::New(env, module->Linked().HasSymtab()));
  object.Set("hasDwarf", Napi::Boolean::New(env, module->Linked().HasDwarf()));
  object.Set("debugFile", TextOrNull(env, module->Linked().DebugPath()));
  const ElfSegment* tls = file.SegmentOfType(PT_TLS);
  if (tls == nullptr) {
    object.Set("tls", env.Null());
  } else {
    Napi::Object block = Napi::Object::New(env);
    block.Set("memorySize", ToNumber(env, tls->memory_size));
    block.Set("alignment", ToNumber(env, tls->alignment));
    object.Set("tls", block);
  }
  const ElfSegment* section = file.SegmentOfType(PT_DYNAMIC);
  object.Set("dynamicSection", section == nullptr ? env.Null()
                                                  : Napi::Value(ToBigInt(
                                                        env, section->address + module->Bias())));
  return object;
}

Napi::Value FindSymbols(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const SymbolTable& table = module->Linked().Symbols();
  const std::vector<uint32_t> indices = table.Named(ToText(info[1], "name"));
  Napi::Array result = Napi::Array::New(env, indices.size());
  for (uint32_t place = 0; place < indices.size(); ++place) {
    result.Set(place, SymbolObject(env, *module, table.All()[indices[place]]));
  }
  return result;
}

Napi::Value SymbolAt(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const Symbol* symbol = module->SymbolAt(ToAddress(info[1], "address"));
  if (symbol == nullptr) return info.Env().Null();
  return SymbolObject(info.Env(), *module, *symbol);
}

Napi::Value NextFunctionStart(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Module> module = ToModule(info[0]);
  return ToBigInt(info.Env(), module->NextFunctionStart(ToAddress(info[1], "address")));
}

Napi::Value FunctionNames(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Module> module = ToModule(info[0]);
  std::unordered_set<std::string_view> seen;
  Napi::Array names = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (const Symbol& symbol : module->Linked().Symbols().All()) {
    if (!symbol.IsFunction() || !seen.insert(symbol.name).second) continue;
    names.Set(count++, Napi::String::New(info.Env(), symbol.name.data(), symbol.name.size()));
  }
  return names;
}

Napi::Value SourceOf(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const auto source = module->Linked().Dwarf().SourceOf(ToAddress(info[1], "address") - module->Bias());
  if (!source) return info.Env().Null();
  return Napi::String::New(info.Env(), *source);
}

Napi::Value FileBytes(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const uint64_t address = ToAddress(info[1], "address");
  const ByteView bytes = module->FileBytes(address, ToCount(info[2], "length", kLongestRead));
  return Napi::Buffer<uint8_t>::Copy(info.Env(), bytes.data, bytes.size);
}

Napi::Value ModuleRelocations(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const DynamicTables& tables = module->Linked().Dynamic();
  Napi::Array result = Napi::Array::New(env, tables.relocations.size());
  uint32_t count = 0;
  for (const DynamicRelocation& relocation : tables.relocations) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("address", ToBigInt(env, relocation.address + module->Bias()));
    object.Set("type", Napi::Number::New(env, relocation.type));
    const bool named = relocation.symbol != 0 && relocation.symbol < tables.symbols.size();
    object.Set("symbol",
               named ? TextOrNull(env, tables.symbols[relocation.symbol].name) : env.Null());
    object.Set("addend", ToBigInt(env, relocation.addend));
    result.Set(count++, object);
  }
  return result;
}

}  // namespace

std::shared_ptr<Module> ToModule(const Napi::Value& value) {
  if (value.IsExternal()) {
    auto handle = value.As<Napi::External<ModuleBox>>();
    if (handle.CheckTypeTag(&kModuleTag)) return handle.Data()->module;
  }
  ThrowArgument(value.Env(), "module must be a handle from openModule");
}

std::unique_ptr<ElfFile> ToPatchFile(const Napi::Value& value) {
  const Napi::Uint8Array bytes = ToBytes(value, "bytes");
  auto image = std::make_shared<FileImage>(FileImage::Copy(bytes.Data(), bytes.ByteLength()));
  std::unique_ptr<ElfFile> file = ElfFile::FromImage(std::move(image), "the patch");
  if (!file->IsX86_64()) throw Failure("WRONG_MACHINE", "the patch is not code for 64-bit x86");
  return file;
}

void InitSymbols(Napi::Env env, Napi::Object exports) {
  Export<OpenModule>(env, exports, "openModule");
  Export<OpenLoadedImage>(env, exports, "openLoadedImage");
  Export<FileBuildId>(env, exports, "fileBuildId");
  Export<ModuleInfo>(env, exports, "moduleInfo");
  Export<FindSymbols>(env, exports, "findSymbols");
  Export<SymbolAt>(env, exports, "symbolAt");
  Export<NextFunctionStart>(env, exports, "nextFunctionStart");
  Export<FunctionNames>(env, exports, "functionNames");
  Export<SourceOf>(env, exports, "sourceOf");
  Export<FileBytes>(env, exports, "fileBytes");
  Export<ModuleRelocations>(env, exports, "moduleRelocations");
}

}  // namespace polus
