#include "entries/entries_binding.h"

#include <memory>
#include <vector>

#include "arch/x86_64/decoder.h"
#include "entries/branch_index.h"
#include "entries/code_flow.h"
#include "entries/dead_padding.h"
#include "entries/live_across.h"
#include "entries/relocate_entry.h"
#include "napi_values.h"
#include "symbols/module.h"
#include "symbols/symbols_binding.h"

namespace polus {

namespace {

constexpr uint64_t kLargestEntry = 4096;
constexpr uint64_t kLargestSweep = 1 << 16;
constexpr uint64_t kLargestSize = uint64_t{1} << 40;

Napi::Value RelocateEntryCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Uint8Array code = ToBytes(info[0], "code");
  const Napi::Object options = ToObject(info[1], "options");
  EntryRequest request;
  request.code = code.Data();
  request.code_size = code.ByteLength();
  request.address = ToAddress(options.Get("address"), "address");
  request.minimum = ToCount(options.Get("minimum"), "minimum", kLargestEntry);
  request.room = ToCount(options.Get("room"), "room", kLargestSize);
  request.size = ToCount(options.Get("size"), "size", kLargestSize);
  request.destination = ToAddress(options.Get("destination"), "destination");
  if (request.minimum == 0) ThrowArgument(env, "minimum must not be 0");
  const RelocatedEntry entry = RelocateEntry(request);

  Napi::Object object = Napi::Object::New(env);
  object.Set("length", ToNumber(env, entry.length));
  object.Set("code", Napi::Buffer<uint8_t>::Copy(env, entry.code.data(), entry.code.size()));
  Napi::Array boundaries = Napi::Array::New(env, entry.boundaries.size());
  for (uint32_t index = 0; index < entry.boundaries.size(); ++index) {
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, ToNumber(env, entry.boundaries[index].first));
    pair.Set(1u, ToNumber(env, entry.boundaries[index].second));
    boundaries.Set(index, pair);
  }
  object.Set("boundaries", boundaries);
  Napi::Array returns = Napi::Array::New(env, entry.returns.size());
  for (uint32_t index = 0; index < entry.returns.size(); ++index) {
    returns.Set(index, ToNumber(env, entry.returns[index]));
  }
  object.Set("returns", returns);
  return object;
}

Napi::Value BranchesInto(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Module> module = ToModule(info[0]);
  if (!info[1].IsArray()) ThrowArgument(env, "ranges must be an array");
  const Napi::Array ranges = info[1].As<Napi::Array>();
  const BranchIndex& branches = module->Linked().Branches();
  const uint64_t bias = module->Bias();
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  for (uint32_t index = 0; index < ranges.Length(); ++index) {
    const Napi::Object range = ToObject(ranges.Get(index), "range");
    const uint64_t start = ToAddress(range.Get("start"), "start");
    const uint64_t end = ToAddress(range.Get("end"), "end");
    if (start >= end || start < module->Extent().start || end > module->Extent().end) {
      throw Failure("OUT_OF_RANGE", "a range does not lie inside " + module->Path());
    }
    for (const CodeReference& reference : branches.Into(start - bias, end - bias)) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("range", Napi::Number::New(env, index));
      object.Set("from", ToBigInt(env, reference.from + bias));
      object.Set("to", ToBigInt(env, reference.to + bias));
      result.Set(count++, object);
    }
  }
  return result;
}

/** Starts of the instructions in [start, end), by a sweep from `start` on; null unless one ends at `end`. */
Napi::Value InstructionsIn(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const uint64_t start = ToAddress(info[1], "start");
  const uint64_t end = ToAddress(info[2], "end");
  if (start > end || end - start > kLargestSweep) return env.Null();
  const ByteView bytes = module->FileBytes(start, end - start);
  const x86_64::Decoder decoder;
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  size_t at = 0;
  while (at < bytes.size) {
    x86_64::Instruction instruction;
    if (!decoder.Decode(bytes.data + at, bytes.size - at, &instruction)) return env.Null();
    result.Set(count++, ToBigInt(env, start + at));
    at += instruction.Length();
  }
  return result;
}

Napi::Value DeadPadding(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Module> module = ToModule(info[0]);
  const uint64_t start = ToAddress(info[1], "start");
  const uint64_t end = ToAddress(info[2], "end");
  const uint64_t bias = module->Bias();
  if (start >= end || end < module->Extent().start || start > module->Extent().end) {
    throw Failure("OUT_OF_RANGE", "the range does not lie inside " + module->Path());
  }
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  for (const AddressRange& range : FindDeadPadding(module->Linked(), start - bias, end - bias)) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("start", ToBigInt(env, range.start + bias));
    object.Set("end", ToBigInt(env, range.end + bias));
    result.Set(count++, object);
  }
  return result;
}

Napi::Array ToNames(Napi::Env env, const x86_64::RegisterSet& registers) {
  const std::vector<std::string> names = registers.Names();
  Napi::Array array = Napi::Array::New(env, names.size());
  for (uint32_t index = 0; index < names.size(); ++index) array.Set(index, names[index]);
  return array;
}

Napi::Value CallersKeeping(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Module> module = ToModule(info[0]);
  if (!info[1].IsArray()) ThrowArgument(env, "functions must be an array");
  if (!info[2].IsArray()) ThrowArgument(env, "libraries must be an array");
  const Napi::Array functions = info[1].As<Napi::Array>();
  const Napi::Array handles = info[2].As<Napi::Array>();
  std::vector<std::shared_ptr<Module>> owners;
  std::vector<LinkedFile*> libraries;
  for (uint32_t index = 0; index < handles.Length(); ++index) {
    owners.push_back(ToModule(handles.Get(index)));
    libraries.push_back(&owners.back()->Linked());
  }
  const uint64_t bias = module->Bias();
  KeeperSearch search(module->Linked(), std::move(libraries));
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  for (uint32_t index = 0; index < functions.Length(); ++index) {
    const uint64_t address = ToAddress(functions.Get(index), "function");
    if (address < module->Extent().start || address >= module->Extent().end) {
      throw Failure("OUT_OF_RANGE", "a function does not lie inside " + module->Path());
    }
    for (const KeptAcross& kept : search.Of(address - bias)) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("function", ToBigInt(env, kept.function + bias));
      object.Set("callee", ToBigInt(env, kept.callee + bias));
      object.Set("from", ToBigInt(env, kept.from + bias));
      object.Set("caller", ToBigInt(env, kept.caller + bias));
      object.Set("registers", ToNames(env, kept.registers));
      result.Set(count++, object);
    }
  }
  return result;
}

/** Registers that a call of a function of an unloaded object may change; null: any. */
Napi::Value WrittenRegisters(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::unique_ptr<ElfFile> file = ToPatchFile(info[0]);
  const uint64_t address = ToAddress(info[1], "address");
  CodeFlow flow(*file);
  if (!flow.EffectOf(address).complete) return env.Null();
  return ToNames(env, flow.WritesOf(address).Whole());
}

}  // namespace

void InitEntries(Napi::Env env, Napi::Object exports) {
  Export<RelocateEntryCall>(env, exports, "relocateEntry");
  Export<BranchesInto>(env, exports, "branchesInto");
  Export<InstructionsIn>(env, exports, "instructionsIn");
  Export<DeadPadding>(env, exports, "deadPadding");
  Export<CallersKeeping>(env, exports, "callersKeeping");
  Export<WrittenRegisters>(env, exports, "writtenRegisters");
}

}  // namespace polus
