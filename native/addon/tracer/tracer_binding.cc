// The tracer's face to JavaScript: every function that holds a thread returns a promise.
#include "tracer_binding.h"

#include <algorithm>
#include <memory>

#include "../memory/memory_binding.h"
#include "call.h"
#include "move_call.h"
#include "fault.h"
#include "moment.h"
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

  void GuardStarts() {
    if (thread_) thread_->GuardStarts();
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

  static const char *NameOf(ProcessEvent::Kind kind) {
    switch (kind) {
      case ProcessEvent::Kind::kBorn: return "born";
      case ProcessEvent::Kind::kExec: return "exec";
      case ProcessEvent::Kind::kExited: return "exited";
      case ProcessEvent::Kind::kStarted: return "started";
      case ProcessEvent::Kind::kMissed: return "missed";
    }
    return "";
  }

  void Report(const ProcessEvent &event) {
    calls_.NonBlockingCall([event](Napi::Env env, Napi::Function on_event) {
      on_event.Call({Napi::String::New(env, NameOf(event.kind)), Napi::Number::New(env, event.process),
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

Napi::Value WatchStarts(const Napi::CallbackInfo &info) {
  std::set<std::string> names;
  Napi::Array list = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) names.insert(list.Get(i).As<Napi::String>().Utf8Value());
  TracerOf(info).GuardStarts();
  return TracerOf(info).Run(info.Env(), [names](TracerContext &context) -> Tracer::Settle {
    context.table.WatchStarts(ProgramNames(names));
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

Napi::Value Resume(const Napi::CallbackInfo &info) {
  pid_t process = info[1].As<Napi::Number>().Int32Value();
  return TracerOf(info).Run(info.Env(), [process](TracerContext &context) -> Tracer::Settle {
    context.table.Resume(process);
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

// Looked for once a process.
const Gadgets &GadgetsOf(const Target &target, TracerContext &context) {
  auto known = context.gadgets.find(target.pid());
  if (known == context.gadgets.end()) {
    known = context.gadgets.emplace(target.pid(), FindGadgets(target, ReadMaps(target.pid()))).first;
  }
  return known->second;
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
    BorrowResult r = Borrow(*target, GadgetsOf(*target, context), calls, context.table, context.timer, context.deadline);
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
  uint64_t unblock = info[3].IsUndefined() ? 0 : ToAddress(info[3], "the signals to unblock");
  return TracerOf(info).Run(info.Env(), [target, most, unblock](TracerContext &context) -> Tracer::Settle {
    auto missed = std::make_shared<std::vector<pid_t>>();
    auto copies = std::make_shared<std::vector<ThreadCopy>>(
        SnapshotThreads(*target, context.table, context.timer, context.deadline, most, unblock, *missed));
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

HandledFaults ToHandledFaults(const Napi::Value &value) {
  std::string name = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (name == "none") return HandledFaults::kNone;
  if (name == "access") return HandledFaults::kAccess;
  if (name == "all") return HandledFaults::kAll;
  ThrowArgument(value.Env(), "which faults the target handles is not said");
}

CallSpec CallOf(const Napi::Object &request) {
  CallSpec spec{};
  spec.function = ToAddress(request.Get("function"), "the function");
  auto words = [](const Napi::Value &value, std::vector<uint64_t> &into) {
    Napi::Array list = value.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); ++i) into.push_back(ToAddress(list.Get(i), "an argument"));
  };
  words(request.Get("integers"), spec.integers);
  words(request.Get("stack"), spec.stack);
  Napi::Array vectors = request.Get("vectors").As<Napi::Array>();
  for (uint32_t i = 0; i < vectors.Length(); ++i) {
    std::vector<uint8_t> bytes = Bytes(vectors.Get(i));
    spec.vectors.emplace_back();
    std::copy_n(bytes.begin(), std::min(bytes.size(), size_t{16}), spec.vectors.back().begin());
  }
  Napi::Array data = request.Get("data").As<Napi::Array>();
  for (uint32_t i = 0; i < data.Length(); ++i) {
    Napi::Object item = data.Get(i).As<Napi::Object>();
    size_t most = spec.integers.size() + spec.stack.size();
    spec.data.push_back({static_cast<size_t>(ToCount(item.Get("argument"), "an argument", most - 1)),
                         Bytes(item.Get("bytes"))});
  }
  if (spec.integers.size() > 6 || spec.vectors.size() > 8) {
    ThrowArgument(request.Env(), "more arguments than registers");
  }
  spec.limit_ns = ToCount(request.Get("timeLimitMs"), "the time limit", 3'600'000) * 1'000'000;
  Napi::Array needs = request.Get("needs").As<Napi::Array>();
  for (uint32_t i = 0; i < needs.Length(); ++i) {
    spec.needs.push_back(ToCount(needs.Get(i), "a system call", 1023));
  }
  spec.faults = ToHandledFaults(request.Get("faults"));
  spec.lock = ToAddress(request.Get("lock"), "the lock");
  spec.stops = ToAddress(request.Get("stops"), "the words about stops");
  spec.repeat_ns = ToCount(request.Get("repeatMs"), "the time to repeat it", 10'000) * 1'000'000;
  return spec;
}

Napi::Value MoveCall(const Napi::CallbackInfo &info) {
  TargetHandle target = TargetOf(info, 1);
  pid_t tid = info[2].As<Napi::Number>().Int32Value();
  uint64_t number = ToCount(info[3], "a system call", 1023);
  uint64_t sp = ToAddress(info[4], "a stack pointer");
  uint64_t runtime = ToAddress(info[5], "where it goes on");
  return TracerOf(info).Run(info.Env(), [=](TracerContext &context) -> Tracer::Settle {
    bool moved = MoveBlockedCall(*target, GadgetsOf(*target, context), tid, number, sp, runtime, context.table,
                                 context.timer, context.deadline);
    return [moved](Napi::Env env) { return Napi::Boolean::New(env, moved); };
  });
}

const char *NameOf(CallOutcome::Kind kind) {
  switch (kind) {
    case CallOutcome::Kind::kReturned: return "returned";
    case CallOutcome::Kind::kCrashed: return "crashed";
    case CallOutcome::Kind::kKept: return "kept";
    case CallOutcome::Kind::kTimedOut: return "timed-out";
    case CallOutcome::Kind::kRunning: return "running";
    default: return "left";
  }
}

Napi::Value CallOnThread(const Napi::CallbackInfo &info) {
  TargetHandle target = TargetOf(info, 1);
  CallSpec spec = CallOf(info[2].As<Napi::Object>());
  std::vector<CallCandidate> candidates;
  Napi::Array list = info[3].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    Napi::Object item = list.Get(i).As<Napi::Object>();
    candidates.push_back({item.Get("tid").As<Napi::Number>().Int32Value(), ToAddress(item.Get("pc"), "a pc"),
                          ToAddress(item.Get("sp"), "a stack pointer"),
                          ToCount(item.Get("call"), "a system call", 1 << 20)});
  }
  return TracerOf(info).Run(info.Env(), [target, spec, candidates](TracerContext &context) -> Tracer::Settle {
    CallOutcome r = CallFunction(*target, GadgetsOf(*target, context), spec, candidates, context.table, context.timer,
                                 context.deadline);
    return [r](Napi::Env env) {
      Napi::Object result = Napi::Object::New(env);
      Napi::Array integers = Napi::Array::New(env, 2);
      integers.Set(0u, ToBigInt(env, r.integers[0]));
      integers.Set(1u, ToBigInt(env, r.integers[1]));
      result.Set("outcome", NameOf(r.kind));
      result.Set("integers", integers);
      result.Set("vector", Napi::Buffer<uint8_t>::Copy(env, r.vector.data(), r.vector.size()));
      result.Set("signal", r.signal);
      result.Set("pc", ToBigInt(env, r.pc));
      result.Set("address", ToBigInt(env, r.address));
      result.Set("tid", r.tid);
      result.Set("heldUs", static_cast<double>(r.held_us));
      return result;
    };
  });
}

constexpr uint64_t kMomentLimitNs = 50'000'000;

Napi::Value ReadAtOneMoment(const Napi::CallbackInfo &info) {
  TargetHandle target = TargetOf(info, 1);
  std::vector<Range> ranges;
  Napi::Array list = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    Napi::Object item = list.Get(i).As<Napi::Object>();
    ranges.push_back({ToAddress(item.Get("address"), "an address"),
                      static_cast<size_t>(ToCount(item.Get("length"), "a length", kMostInMoment))});
  }
  return TracerOf(info).Run(info.Env(), [target, ranges](TracerContext &context) -> Tracer::Settle {
    auto moment = std::make_shared<Moment>(
        ReadTogether(*target, ranges, context.table, context.timer, context.deadline, kMomentLimitNs));
    return [moment, ranges](Napi::Env env) {
      Napi::Array contents = Napi::Array::New(env, moment->contents.size());
      for (uint32_t i = 0; i < moment->contents.size(); ++i) {
        const std::vector<uint8_t> &bytes = moment->contents[i];
        bool whole = bytes.size() == ranges[i].length;
        contents.Set(i, whole ? Napi::Value(Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size())) : env.Null());
      }
      Napi::Object result = Napi::Object::New(env);
      result.Set("contents", contents);
      result.Set("held", moment->held);
      result.Set("heldUs", static_cast<double>(moment->held_us));
      return result;
    };
  });
}

Napi::Value WriteAtOneMoment(const Napi::CallbackInfo &info) {
  TargetHandle target = TargetOf(info, 1);
  std::vector<Change> changes;
  Napi::Array list = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    Napi::Object item = list.Get(i).As<Napi::Object>();
    Change change{ToAddress(item.Get("address"), "an address"), Bytes(item.Get("bytes")), false, {}};
    Napi::Value expected = item.Get("expected");
    if (!expected.IsUndefined()) {
      change.has_expected = true;
      change.expected = Bytes(expected);
    }
    changes.push_back(std::move(change));
  }
  return TracerOf(info).Run(info.Env(), [target, changes](TracerContext &context) -> Tracer::Settle {
    auto r = std::make_shared<ChangeResult>(
        WriteTogether(*target, changes, context.table, context.timer, context.deadline, kMomentLimitNs));
    return [r](Napi::Env env) {
      Napi::Array before = Napi::Array::New(env, r->before.size());
      for (uint32_t i = 0; i < r->before.size(); ++i) {
        before.Set(i, Napi::Buffer<uint8_t>::Copy(env, r->before[i].data(), r->before[i].size()));
      }
      Napi::Array unexpected = Napi::Array::New(env, r->unexpected.size());
      for (uint32_t i = 0; i < r->unexpected.size(); ++i) unexpected.Set(i, r->unexpected[i]);
      Napi::Object result = Napi::Object::New(env);
      result.Set("written", r->written);
      result.Set("before", before);
      result.Set("unexpected", unexpected);
      result.Set("heldUs", static_cast<double>(r->held_us));
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
  Export<WatchStarts>(env, exports, "tracerWatchStarts");
  Export<Resume>(env, exports, "tracerResume");
  Export<BorrowThread>(env, exports, "tracerBorrow");
  Export<Install>(env, exports, "tracerInstall");
  Export<Snapshot>(env, exports, "tracerSnapshot");
  Export<CallOnThread>(env, exports, "tracerCall");
  Export<MoveCall>(env, exports, "tracerMoveCall");
  Export<ReadAtOneMoment>(env, exports, "tracerReadTogether");
  Export<WriteAtOneMoment>(env, exports, "tracerWriteTogether");
  Export<ReachFaultPoint>(env, exports, "faultPoint");
  Export<CountFaultPoints>(env, exports, "faultPointsReached");
}

}  // namespace polus
