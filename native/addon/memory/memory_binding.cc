#include "memory_binding.h"

namespace polus {

namespace {

constexpr size_t kMostAtOnce = size_t{64} << 20;

Napi::Value OpenTarget(const Napi::CallbackInfo &info) {
  auto *handle = new TargetHandle(std::make_shared<Target>(info[0].As<Napi::Number>().Int32Value()));
  return Napi::External<TargetHandle>::New(info.Env(), handle, [](Napi::Env, TargetHandle *h) { delete h; });
}

Napi::Value TargetAlive(const Napi::CallbackInfo &info) {
  return Napi::Boolean::New(info.Env(), TargetOf(info, 0)->Alive());
}

Napi::Value LockTarget(const Napi::CallbackInfo &info) {
  return Napi::Boolean::New(info.Env(), TargetOf(info, 0)->Lock());
}

Napi::Value UnlockTarget(const Napi::CallbackInfo &info) {
  TargetOf(info, 0)->Unlock();
  return info.Env().Undefined();
}

Napi::Value TargetStartTime(const Napi::CallbackInfo &info) {
  return Napi::BigInt::New(info.Env(), TargetOf(info, 0)->start_time());
}

size_t Length(const Napi::Value &value) {
  return static_cast<size_t>(ToCount(value, "the length", kMostAtOnce));
}

Napi::Value ReadMemory(const Napi::CallbackInfo &info) {
  auto buffer = Napi::Buffer<uint8_t>::New(info.Env(), Length(info[2]));
  TargetOf(info, 0)->Read(TargetAddress{ToAddress(info[1], "the address")}, buffer.Data(), buffer.Length());
  return buffer;
}

Napi::Value ReadMemorySome(const Napi::CallbackInfo &info) {
  std::vector<uint8_t> bytes(Length(info[2]));
  size_t got = TargetOf(info, 0)->ReadSome(TargetAddress{ToAddress(info[1], "the address")}, bytes.data(), bytes.size());
  return Napi::Buffer<uint8_t>::Copy(info.Env(), bytes.data(), got);
}

Napi::Value WriteMemory(const Napi::CallbackInfo &info) {
  auto bytes = ToBytes(info[2], "the bytes");
  TargetOf(info, 0)->Write(TargetAddress{ToAddress(info[1], "the address")}, bytes.Data(), bytes.ByteLength());
  return info.Env().Undefined();
}

// kcmp(2): one address space in two processes (vfork, CLONE_VM).
Napi::Value SharesMemory(const Napi::CallbackInfo &info) {
  return Napi::Boolean::New(info.Env(), polus::SharesMemory(info[0].As<Napi::Number>().Int32Value(),
                                                            info[1].As<Napi::Number>().Int32Value()));
}

}  // namespace

TargetHandle TargetOf(const Napi::CallbackInfo &info, size_t index) {
  if (!info[index].IsExternal()) throw Napi::TypeError::New(info.Env(), "a target is expected");
  return *info[index].As<Napi::External<TargetHandle>>().Data();
}

void InitMemory(Napi::Env env, Napi::Object exports) {
  Export<OpenTarget>(env, exports, "openTarget");
  Export<TargetAlive>(env, exports, "targetAlive");
  Export<LockTarget>(env, exports, "lockTarget");
  Export<UnlockTarget>(env, exports, "unlockTarget");
  Export<TargetStartTime>(env, exports, "targetStartTime");
  Export<ReadMemory>(env, exports, "readMemory");
  Export<ReadMemorySome>(env, exports, "readMemorySome");
  Export<WriteMemory>(env, exports, "writeMemory");
  Export<SharesMemory>(env, exports, "sharesMemory");
}

}  // namespace polus
