#include "unwind/unwind_binding.h"

#include <climits>
#include <cstring>
#include <memory>
#include <vector>

#include "napi_values.h"
#include "symbols/module.h"
#include "symbols/symbols_binding.h"
#include "unwind/unwind_session.h"

namespace polus {

namespace {

constexpr uint64_t kMostFrames = 65536;

Napi::Value Unwind(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const pid_t pid = static_cast<pid_t>(ToCount(info[0], "pid", INT_MAX));
  if (!info[1].IsArray()) ThrowArgument(env, "modules must be an array");
  const Napi::Array handles = info[1].As<Napi::Array>();
  std::vector<std::shared_ptr<Module>> modules;
  for (uint32_t index = 0; index < handles.Length(); ++index) {
    modules.push_back(ToModule(handles.Get(index)));
  }
  if (modules.empty()) ThrowArgument(env, "modules must not be empty");
  const Napi::Object snapshot = ToObject(info[2], "thread");
  const Napi::Uint8Array registers = ToBytes(snapshot.Get("registers"), "registers");
  const Napi::Uint8Array stack = ToBytes(snapshot.Get("stack"), "stack");
  ThreadState thread;
  thread.tid = static_cast<pid_t>(ToCount(snapshot.Get("tid"), "tid", INT_MAX));
  if (registers.ByteLength() != sizeof thread.registers) {
    ThrowArgument(env, "registers must hold " + std::to_string(sizeof thread.registers) + " bytes");
  }
  std::memcpy(&thread.registers, registers.Data(), sizeof thread.registers);
  thread.stack_start = ToAddress(snapshot.Get("stackStart"), "stackStart");
  thread.stack = {stack.Data(), stack.ByteLength()};
  const uint64_t most_frames = ToCount(info[3], "maxFrames", kMostFrames);

  std::shared_ptr<UnwindSession>& session = modules.front()->Unwinding();
  if (session == nullptr || !session->IsFor(pid, modules)) {
    // A session keeps all modules but its owner: were one of them to own another session with this
    // owner in it, neither would ever be freed.
    for (const std::shared_ptr<Module>& module : modules) module->Unwinding().reset();
    session = std::make_shared<UnwindSession>(pid, modules);
  }
  const Backtrace trace = session->Unwind(thread, most_frames);

  Napi::Array frames = Napi::Array::New(env, trace.frames.size());
  for (uint32_t index = 0; index < trace.frames.size(); ++index) {
    const UnwoundFrame& frame = trace.frames[index];
    Napi::Object object = Napi::Object::New(env);
    object.Set("pc", ToBigInt(env, frame.pc));
    object.Set("cfa", frame.cfa ? Napi::Value(ToBigInt(env, *frame.cfa)) : env.Null());
    object.Set("signalFrame", Napi::Boolean::New(env, frame.signal_frame));
    frames.Set(index, object);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("frames", frames);
  result.Set("incomplete", TextOrNull(env, trace.incomplete));
  return result;
}

}  // namespace

void InitUnwind(Napi::Env env, Napi::Object exports) { Export<Unwind>(env, exports, "unwind"); }

}  // namespace polus
