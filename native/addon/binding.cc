// The addon's registration: one Init function for each folder.
#include <napi.h>

#include "symbols/symbols_binding.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  polus::InitSymbols(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(polus, Init)
