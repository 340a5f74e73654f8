#pragma once

#include <napi.h>

namespace polus {

void InitTracer(Napi::Env env, Napi::Object exports);

}  // namespace polus
