// Targets and their memory for JavaScript, and what the other bindings share of it.
#pragma once

#include <napi.h>

#include <memory>

#include "../napi_values.h"
#include "target.h"

namespace polus {

using TargetHandle = std::shared_ptr<Target>;

// The target in argument `index`; throws a TypeError if it is none.
TargetHandle TargetOf(const Napi::CallbackInfo &info, size_t index);

void InitMemory(Napi::Env env, Napi::Object exports);

}  // namespace polus
