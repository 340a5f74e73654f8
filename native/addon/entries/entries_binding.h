#ifndef POLUS_ENTRIES_ENTRIES_BINDING_H
#define POLUS_ENTRIES_ENTRIES_BINDING_H

#include <napi.h>

namespace polus {

/** Registers relocateEntry and branchesInto. */
void InitEntries(Napi::Env env, Napi::Object exports);

}  // namespace polus

#endif
