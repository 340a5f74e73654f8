#include "symbols/module.h"

#include <utility>

#include "failure.h"
#include "unwind/unwind_session.h"

namespace polus {

Module::Module(std::shared_ptr<LinkedFile> linked, uint64_t load_address)
    : linked_(std::move(linked)), bias_(load_address - linked_->FirstPage()) {}

Module::~Module() = default;

AddressRange Module::Extent() const noexcept {
  const AddressRange extent = linked_->Extent();
  return {extent.start + bias_, extent.end + bias_};
}

std::vector<AddressRange> Module::Text() const {
  std::vector<AddressRange> ranges = linked_->Text();
  for (AddressRange& range : ranges) range = {range.start + bias_, range.end + bias_};
  return ranges;
}

ByteView Module::FileBytes(uint64_t address, uint64_t length) const {
  if (auto bytes = File().BytesAt(address - bias_, length)) return *bytes;
  throw Failure("OUT_OF_RANGE", Path() + " holds nothing for these addresses");
}

}  // namespace polus
