#ifndef POLUS_TYPES_TYPES_BINDING_H
#define POLUS_TYPES_TYPES_BINDING_H

#include <napi.h>

namespace polus {

/** Registers debugNames, debugStatics, debugBeginning and debugType. */
void InitTypes(Napi::Env env, Napi::Object exports);

}  // namespace polus

#endif
