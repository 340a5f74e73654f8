// Relocation of entries: random bytes, and code of real files cut and changed anywhere.
#include "entries/relocate_entry.h"

#include "arch/x86_64/register_use.h"
#include "rounds.h"
#include "symbols/module.h"

namespace sanitize {

namespace {

void Move(std::vector<uint8_t> code, Random &random) {
  code.resize(random.Below(72));
  // A buffer of exactly that size, so that a byte read behind it is seen.
  const std::vector<uint8_t> exact(code);
  polus::EntryRequest request;
  request.code = exact.data();
  request.code_size = exact.size();
  request.address = random.Chance(50) ? 0x400000 + random.Below(1 << 20) : random.Word();
  request.destination = random.Chance(70) ? request.address + random.Below(uint64_t{1} << 31) : random.Word();
  request.minimum = random.Chance(80) ? 5 : 1 + random.Below(24);
  request.room = random.Below(96);
  request.size = random.Chance(30) ? 0 : random.Below(96);
  try {
    const polus::RelocatedEntry entry = polus::RelocateEntry(request);
    if (entry.length > exact.size()) throw std::runtime_error("an entry covers more than there is");
    for (const auto &[original, copy] : entry.boundaries) {
      if (original >= entry.length || copy >= entry.code.size()) {
        throw std::runtime_error("a boundary lies outside");
      }
    }
  } catch (const polus::Failure &) {
  }
  polus::x86_64::RegisterUse use;
  const polus::x86_64::RegisterUseDecoder decoder;
  if (decoder.Decode(exact.data(), exact.size(), &use)) {
    const auto known = polus::x86_64::RegisterSet::All();
    if (!known.Contains(use.reads) || !known.Contains(use.writes) || !use.writes.Contains(use.sets)) {
      throw std::runtime_error("an instruction uses registers that are none");
    }
    use.writes.Whole().Names();
  }
}

}  // namespace

size_t MoveEntries(const std::vector<std::string> &corpus, Random &random, const TimeSlice &slice) {
  std::vector<std::vector<uint8_t>> functions;
  for (const std::string &path : corpus) {
    polus::Module module(polus::LinkedFile::Open(path, "").file, 0x10000);
    for (const polus::Symbol &symbol : module.Linked().Symbols().All()) {
      if (!symbol.IsFunction() || symbol.size == 0) continue;
      if (const auto bytes = module.File().BytesAt(symbol.address, std::min<uint64_t>(symbol.size, 72))) {
        functions.emplace_back(bytes->data, bytes->data + bytes->size);
      }
    }
  }
  size_t rounds = 0;
  do {
    std::vector<uint8_t> code(72);
    for (uint8_t &byte : code) byte = static_cast<uint8_t>(random.Word());
    if (!functions.empty() && random.Chance(70)) {
      std::vector<uint8_t> real = functions[random.Below(functions.size())];
      if (random.Chance(60)) Mutate(real, random);
      std::copy(real.begin(), real.end(), code.begin());
    }
    Move(std::move(code), random);
    ++rounds;
  } while (!slice.Over());
  return rounds;
}

}  // namespace sanitize
