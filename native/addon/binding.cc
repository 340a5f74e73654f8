// The addon's registration: one Init function for each folder.
#include <napi.h>

#include "entries/entries_binding.h"
#include "memory/memory_binding.h"
#include "objects/objects_binding.h"
#include "symbols/symbols_binding.h"
#include "tracer/tracer_binding.h"
#include "transfers/transfers_binding.h"
#include "types/types_binding.h"
#include "unwind/unwind_binding.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  polus::InitEntries(env, exports);
  polus::InitMemory(env, exports);
  polus::InitSymbols(env, exports);
  polus::InitObjects(env, exports);
  polus::InitTracer(env, exports);
  polus::InitTransfers(env, exports);
  polus::InitTypes(env, exports);
  polus::InitUnwind(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(polus, Init)
