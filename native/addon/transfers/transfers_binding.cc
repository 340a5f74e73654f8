#include "transfers/transfers_binding.h"

#include <memory>
#include <string>
#include <vector>

#include "napi_values.h"
#include "symbols/elf_file.h"
#include "symbols/symbols_binding.h"
#include "transfers/plain_fields.h"

namespace polus {

namespace {

Napi::Value PlainFieldsCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::unique_ptr<ElfFile> file = ToPatchFile(info[0]);
  TransferCode code;
  code.address = ToAddress(info[1], "address");
  if (!info[2].IsArray()) ThrowArgument(env, "calls must be an array");
  const Napi::Array calls = info[2].As<Napi::Array>();
  for (uint32_t index = 0; index < calls.Length(); ++index) {
    const Napi::Object call = ToObject(calls.Get(index), "call");
    const std::string kind = ToText(call.Get("call"), "call");
    const KnownCall known = kind == "twin"   ? KnownCall::kTwin
                            : kind == "copy" ? KnownCall::kCopy
                                             : KnownCall::kEnd;
    code.calls.emplace(ToAddress(call.Get("slot"), "slot"), known);
  }
  const std::vector<PlainField> fields = PlainFields(*file, code);
  Napi::Array result = Napi::Array::New(env, fields.size());
  for (uint32_t index = 0; index < fields.size(); ++index) {
    const PlainField& field = fields[index];
    Napi::Object object = Napi::Object::New(env);
    object.Set("from", ToNumber(env, field.from));
    object.Set("fromSize", ToNumber(env, field.from_size));
    object.Set("to", ToNumber(env, field.to));
    object.Set("toSize", ToNumber(env, field.to_size));
    object.Set("signed", Napi::Boolean::New(env, field.is_signed));
    result.Set(index, object);
  }
  return result;
}

}  // namespace

void InitTransfers(Napi::Env env, Napi::Object exports) {
  Export<PlainFieldsCall>(env, exports, "plainFields");
}

}  // namespace polus
