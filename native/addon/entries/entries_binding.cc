#include "entries/entries_binding.h"

#include <memory>
#include <vector>

#include "entries/branch_index.h"
#include "entries/relocate_entry.h"
#include "napi_values.h"
#include "symbols/module.h"
#include "symbols/symbols_binding.h"

namespace polus {

namespace {

constexpr uint64_t kLargestEntry = 4096;
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
  const BranchIndex& branches = module->Branches();
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

}  // namespace

void InitEntries(Napi::Env env, Napi::Object exports) {
  Export<RelocateEntryCall>(env, exports, "relocateEntry");
  Export<BranchesInto>(env, exports, "branchesInto");
}

}  // namespace polus
