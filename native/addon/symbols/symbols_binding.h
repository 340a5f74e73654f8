#ifndef POLUS_SYMBOLS_SYMBOLS_BINDING_H
#define POLUS_SYMBOLS_SYMBOLS_BINDING_H

#include <napi.h>

#include <memory>

namespace polus {

class ElfFile;
class Module;

/** Registers openModule, moduleInfo, findSymbols and the other readers of modules. */
void InitSymbols(Napi::Env env, Napi::Object exports);

/** The module behind a handle from openModule; throws INVALID_ARGUMENT for anything else. */
std::shared_ptr<Module> ToModule(const Napi::Value& value);

/**
 * The file that a patch's bytes are, copied.
 * @throws Failure WRONG_MACHINE, and what is no ELF file
 */
std::unique_ptr<ElfFile> ToPatchFile(const Napi::Value& value);

}  // namespace polus

#endif
