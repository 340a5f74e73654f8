#include "transfers/transfers_binding.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "napi_values.h"
#include "symbols/elf_file.h"
#include "symbols/file_image.h"
#include "transfers/plain_fields.h"

namespace polus {

namespace {

Napi::Value PlainFieldsCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Uint8Array bytes = ToBytes(info[0], "bytes");
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
  auto image = std::make_shared<FileImage>(FileImage::Copy(bytes.Data(), bytes.ByteLength()));
  const std::unique_ptr<ElfFile> file = ElfFile::FromImage(std::move(image), "the patch");
  if (!file->IsX86_64()) throw Failure("WRONG_MACHINE", "the patch is not code for 64-bit x86");
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
