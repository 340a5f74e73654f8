// The tracer's face to JavaScript: every function that holds a thread returns a promise.
#include "tracer_binding.h"

#include <memory>

#include "../memory/memory_binding.h"
#include "fault.h"
#include "snapshot.h"
#include "tracer_thread.h"
#include "window.h"

namespace polus {

namespace {

// Calls back into JavaScript from the tracer thread; keeps Node alive only while work is due.
class Tracer {
 public:
  Tracer(Napi::Env env, const Napi::Function &on_event)
      : calls_(Napi::ThreadSafeFunction::New(env, on_event, "polus tracer", 0, 1)) {
    calls_.Unref(env);
    thread_ = std::make_unique<TracerThread>([this](const ProcessEvent &event) { Report(event); });
  }
  ~Tracer() { Close(); }
  Tracer(const Tracer &) = delete;
  Tracer &operator=(const Tracer &) = delete;

  // Ends the thread, and with it every hold on a target.
  void Close() {
    if (!thread_) return;
    thread_.reset();
    calls_.Release();
  }

  using Settle = std::function<Napi::Value(Napi::Env)>;

  // `work` runs on the tracer thread and returns what makes the JavaScript result.
  Napi::Value Run(Napi::Env env, std::function<Settle(TracerContext &)> work) {
    if (!thread_) return Rejected(env, Failure("TRACER", "the session is closed"));
    auto deferred = std::make_shared<Napi::Promise::Deferred>(env);
    Napi::Promise promise = deferred->Promise();
    if (++pending_ == 1) calls_.Ref(env);
    thread_->Submit([this, deferred, work = std::move(work)](TracerContext &context) {
      Settle settle;
      std::string code, message;
      try {
        settle = work(context);
      } catch (const Failure &e) {
        code = e.code();
        message = e.what();
      } catch (const std::exception &e) {
        code = "TRACER";
        message = e.what();
      }
      calls_.BlockingCall([this, deferred, settle, code, message](Napi::Env env, Napi::Function) {
        if (--pending_ == 0) calls_.Unref(env);
        if (settle) {
          deferred->Resolve(settle(env));
        } else {
          deferred->Reject(MakeError(env, code.c_str(), message).Value());
        }
      });
    });
    return promise;
  }

 private:
  static Napi::Value Rejected(Napi::Env env, const Failure &e) {
    Napi::Promise::Deferred deferred(env);
    deferred.Reject(MakeError(env, e.code(), e.what()).Value());
    return deferred.Promise();
  }

  void Report(const ProcessEvent &event) {
    calls_.NonBlockingCall([event](Napi::Env env, Napi::Function on_event) {
      const char *kind = event.kind == ProcessEvent::Kind::kBorn   ? "born"
                         : event.kind == ProcessEvent::Kind::kExec ? "exec"
                                                                   : "exited";
      on_event.Call({Napi::String::New(env, kind), Napi::Number::New(env, event.process),
                     Napi::Number::New(env, event.parent)});
    });
  }

  Napi::ThreadSafeFunction calls_;
  std::unique_ptr<TracerThread> thread_;
  unsigned pending_ = 0;
};

using TracerHandle = std::shared_ptr<Tracer>;

Tracer &TracerOf(const Napi::CallbackInfo &info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "a tracer is expected");
  return **info[0].As<Napi::External<TracerHandle>>().Data();
}

Napi::Value CreateTracer(const Napi::CallbackInfo &info) {
  auto *handle = new TracerHandle(std::make_shared<Tracer>(info.Env(), info[0].As<Napi::Function>()));
  return Napi::External<TracerHandle>::New(info.Env(), handle, [](Napi::Env, TracerHandle *h) { delete h; });
}

Napi::Value CloseTracer(const Napi::CallbackInfo &info) {
  TracerOf(info).Close();
  return info.Env().Undefined();
}

Napi::Value Follow(const Napi::CallbackInfo &info) {
  TargetHandle target = TargetOf(info, 1);
  return TracerOf(info).Run(info.Env(), [target](TracerContext &context) -> Tracer::Settle {
    size_t threads = context.table.Follow(target->pid());
    if (!target->Alive()) throw Failure("TARGET_GONE", "process " + std::to_string(target->pid()) + " has ended");
    return [threads](Napi::Env env) { return Napi::Number::New(env, static_cast<double>(threads)); };
  });
}

Napi::Value BorrowThread(const Napi::CallbackInfo &info) {
  TargetHandle target = TargetOf(info, 1);
  std::vector<RemoteCall> calls;
  Napi::Array list = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    Napi::Object item = list.Get(i).As<Napi::Object>();
    RemoteCall call{item.Get("number").As<Napi::Number>().Int64Value(), {}};
    Napi::Array arguments = item.Get("arguments").As<Napi::Array>();
    for (uint32_t k = 0; k < arguments.Length() && k < 6; ++k) {
      call.arguments[k] = static_cast<uint64_t>(ToAddress(arguments.Get(k), "an argument"));
    }
    calls.push_back(call);
  }
  return TracerOf(info).Run(info.Env(), [target, calls](TracerContext &context) -> Tracer::Settle {
    auto known = context.gadgets.find(target->pid());
    if (known == context.gadgets.end()) {
      Gadgets gadgets = FindGadgets(*target, ReadMaps(target->pid()));
      known = context.gadgets.emplace(target->pid(), gadgets).first;
    }
    BorrowResult r = Borrow(*target, known->second, calls, context.table, context.timer, context.deadline);
    return [r](Napi::Env env) {
      Napi::Object result = Napi::Object::New(env);
      Napi::Array results = Napi::Array::New(env, r.results.size());
      for (size_t i = 0; i < r.results.size(); ++i) {
        results.Set(static_cast<uint32_t>(i), Napi::BigInt::New(env, r.results[i]));
      }
      result.Set("results", results);
      result.Set("tid", r.tid);
      result.Set("heldUs", static_cast<double>(r.held_us));
      return result;
    };
  });
}

std::vector<uint8_t> Bytes(const Napi::Value &value) {
  auto array = value.As<Napi::Uint8Array>();
  return std::vector<uint8_t>(array.Data(), array.Data() + array.ByteLength());
}

Napi::Value Install(const Napi::CallbackInfo &info) {
  TargetHandle target = TargetOf(info, 1);
  std::vector<EntryChange> changes;
  Napi::Array list = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    Napi::Object item = list.Get(i).As<Napi::Object>();
    EntryChange change{ToAddress(item.Get("address"), "address"), Bytes(item.Get("expected")), Bytes(item.Get("bytes")), {}};
    Napi::Array moves = item.Get("moves").As<Napi::Array>();
    for (uint32_t k = 0; k < moves.Length(); ++k) {
      Napi::Array pair = moves.Get(k).As<Napi::Array>();
      change.moves.emplace_back(ToAddress(pair.Get(0u), "moves"), ToAddress(pair.Get(1u), "moves"));
    }
    changes.push_back(std::move(change));
  }
  uint64_t limit_ns = static_cast<uint64_t>(info[3].As<Napi::Number>().Int64Value()) * 1000;
  return TracerOf(info).Run(info.Env(), [target, changes, limit_ns](TracerContext &context) -> Tracer::Settle {
    WindowResult r = InstallWindow(*target, changes, context.table, context.timer, context.deadline, limit_ns);
    return [r](Napi::Env env) {
      Napi::Object result = Napi::Object::New(env);
      result.Set("stoppedThreads", r.stopped_threads);
      result.Set("stallUs", static_cast<double>(r.stall_us));
      result.Set("runningStallUs", static_cast<double>(r.running_stall_us));
      result.Set("movedThreads", r.moved_threads);
      result.Set("attempts", r.attempts);
      return result;
    };
  });
}

Napi::Value Snapshot(const Napi::CallbackInfo &info) {
  TargetHandle target = TargetOf(info, 1);
  size_t most = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
  return TracerOf(info).Run(info.Env(), [target, most](TracerContext &context) -> Tracer::Settle {
    auto missed = std::make_shared<std::vector<pid_t>>();
    auto copies = std::make_shared<std::vector<ThreadCopy>>(
        SnapshotThreads(*target, context.table, context.timer, context.deadline, most, *missed));
    return [copies, missed](Napi::Env env) {
      Napi::Object result = Napi::Object::New(env);
      Napi::Array threads = Napi::Array::New(env, copies->size());
      for (size_t i = 0; i < copies->size(); ++i) {
        const ThreadCopy &copy = (*copies)[i];
        Napi::Object thread = Napi::Object::New(env);
        thread.Set("tid", copy.tid);
        thread.Set("registers", Napi::Buffer<uint8_t>::Copy(env, reinterpret_cast<const uint8_t *>(&copy.registers),
                                                            sizeof copy.registers));
        thread.Set("stackStart", Napi::BigInt::New(env, copy.stack_start));
        thread.Set("stack", Napi::Buffer<uint8_t>::Copy(env, copy.stack.data(), copy.stack.size()));
        thread.Set("heldUs", static_cast<double>(copy.held_us));
        threads.Set(static_cast<uint32_t>(i), thread);
      }
      Napi::Array absent = Napi::Array::New(env, missed->size());
      for (size_t i = 0; i < missed->size(); ++i) absent.Set(static_cast<uint32_t>(i), (*missed)[i]);
      result.Set("threads", threads);
      result.Set("missed", absent);
      return result;
    };
  });
}

Napi::Value ReachFaultPoint(const Napi::CallbackInfo &info) {
  FaultPoint();
  return info.Env().Undefined();
}

Napi::Value CountFaultPoints(const Napi::CallbackInfo &info) {
  return Napi::Number::New(info.Env(), FaultPointsReached());
}

}  // namespace

void InitTracer(Napi::Env env, Napi::Object exports) {
  Export<CreateTracer>(env, exports, "createTracer");
  Export<CloseTracer>(env, exports, "tracerClose");
  Export<Follow>(env, exports, "tracerFollow");
  Export<BorrowThread>(env, exports, "tracerBorrow");
  Export<Install>(env, exports, "tracerInstall");
  Export<Snapshot>(env, exports, "tracerSnapshot");
  Export<ReachFaultPoint>(env, exports, "faultPoint");
  Export<CountFaultPoints>(env, exports, "faultPointsReached");
}

}  // namespace polus
