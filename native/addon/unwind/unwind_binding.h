#ifndef POLUS_UNWIND_UNWIND_BINDING_H
#define POLUS_UNWIND_UNWIND_BINDING_H

#include <napi.h>

namespace polus {

/** Registers unwind. */
void InitUnwind(Napi::Env env, Napi::Object exports);

}  // namespace polus

#endif
