#ifndef POLUS_OBJECTS_OBJECTS_BINDING_H
#define POLUS_OBJECTS_OBJECTS_BINDING_H

#include <napi.h>

namespace polus {

/** Registers readPatchObject. */
void InitObjects(Napi::Env env, Napi::Object exports);

}  // namespace polus

#endif
