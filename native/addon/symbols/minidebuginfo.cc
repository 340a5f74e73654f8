#include "symbols/minidebuginfo.h"

#include <lzma.h>

#include <algorithm>
#include <vector>

#include "failure.h"

namespace polus {

namespace {

constexpr uint64_t kDecoderMemory = uint64_t{128} << 20;
constexpr size_t kLargestOutput = size_t{256} << 20;
constexpr size_t kStep = size_t{1} << 18;

struct Decoder {
  lzma_stream stream = LZMA_STREAM_INIT;
  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { lzma_end(&stream); }
};

/** Unpacks all of `input`, `false` if it is damaged or grows beyond the limit. */
bool Unpack(ByteView input, std::vector<uint8_t>* output) {
  Decoder decoder;
  if (lzma_stream_decoder(&decoder.stream, kDecoderMemory, 0) != LZMA_OK) return false;
  decoder.stream.next_in = input.data;
  decoder.stream.avail_in = input.size;
  for (;;) {
    const size_t done = output->size();
    if (done >= kLargestOutput) return false;
    output->resize(done + std::max(kStep, done / 2));
    decoder.stream.next_out = output->data() + done;
    decoder.stream.avail_out = output->size() - done;
    const lzma_ret result = lzma_code(&decoder.stream, LZMA_FINISH);
    output->resize(output->size() - decoder.stream.avail_out);
    if (result == LZMA_STREAM_END) return true;
    if (result != LZMA_OK) return false;
  }
}

}  // namespace

std::unique_ptr<ElfFile> UnpackMiniDebugInfo(const ElfFile& module) {
  const ElfSection* section = module.SectionNamed(".gnu_debugdata");
  Elf_Data* data = section == nullptr ? nullptr : module.Contents(*section);
  if (data == nullptr) return nullptr;
  std::vector<uint8_t> output;
  if (!Unpack({static_cast<const uint8_t*>(data->d_buf), data->d_size}, &output)) return nullptr;
  try {
    auto image = std::make_shared<FileImage>(FileImage::Copy(output.data(), output.size()));
    return ElfFile::FromImage(std::move(image), ".gnu_debugdata");
  } catch (const Failure&) {
    return nullptr;
  }
}

}  // namespace polus
