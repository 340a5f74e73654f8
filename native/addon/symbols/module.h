#ifndef POLUS_SYMBOLS_MODULE_H
#define POLUS_SYMBOLS_MODULE_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "symbols/linked_file.h"

namespace polus {

class UnwindSession;

/** An ELF file as loaded at one address. Not for several threads at once. */
class Module {
 public:
  /**
   * @param linked what is loaded
   * @param load_address where the page is mapped that holds the start of the first PT_LOAD
   */
  Module(std::shared_ptr<LinkedFile> linked, uint64_t load_address);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  ~Module();

  /** What holds wherever the file is loaded. */
  LinkedFile& Linked() const noexcept { return *linked_; }
  const std::string& Path() const noexcept { return linked_->Path(); }
  const ElfFile& File() const noexcept { return linked_->File(); }
  /** Run-time minus link-time address (modulo 2^64). */
  uint64_t Bias() const noexcept { return bias_; }
  /** Page-aligned run-time range of all PT_LOADs. */
  AddressRange Extent() const noexcept;
  /** Run-time ranges of the executable PT_LOADs. */
  std::vector<AddressRange> Text() const;

  /** Run-time address of a symbol; for STT_TLS its offset. */
  uint64_t AddressOf(const Symbol& symbol) const noexcept {
    return symbol.type == STT_TLS ? symbol.address : symbol.address + bias_;
  }

  /** Covering symbol of a run-time address, `nullptr` if none. */
  const Symbol* SymbolAt(uint64_t address) { return linked_->SymbolAt(address - bias_); }

  /** Run-time start of the next function, or the end of the text segment. @throws OUT_OF_RANGE */
  uint64_t NextFunctionStart(uint64_t address) {
    return linked_->NextFunctionStart(address - bias_) + bias_;
  }

  /** File contents behind a run-time address. @throws Failure OUT_OF_RANGE */
  ByteView FileBytes(uint64_t address, uint64_t length) const;

  /** State that unwinding keeps between threads; owned here so that it ends with the module. */
  std::shared_ptr<UnwindSession>& Unwinding() noexcept { return unwinding_; }

 private:
  std::shared_ptr<LinkedFile> linked_;
  uint64_t bias_ = 0;
  std::shared_ptr<UnwindSession> unwinding_;
};

}  // namespace polus

#endif
