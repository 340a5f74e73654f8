#ifndef POLUS_TRANSFERS_TRANSFERS_BINDING_H
#define POLUS_TRANSFERS_TRANSFERS_BINDING_H

#include <napi.h>

namespace polus {

void InitTransfers(Napi::Env env, Napi::Object exports);

}  // namespace polus

#endif
