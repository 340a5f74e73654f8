// The decoder that lives in targets: random bytes, and code of real files cut and changed anywhere.
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "rounds.h"

extern "C" {
#include "../../../native/runtime/decode.h"
}

namespace sanitize {

namespace {

constexpr size_t kLongest = 15;

bool IsRegister(uint8_t number) { return number < 16 || number == NO_REGISTER; }

// What the executor relies on without looking again.
void Check(const store &found, bool stores, size_t available) {
  if (!stores) return;
  bool right = found.length > 0 && found.length <= available && found.length <= kLongest &&
               found.form <= STORE_CONTROL && (IsRegister(found.base) || found.base == 16) &&
               IsRegister(found.index) && found.index != 4 && found.size <= 64 &&
               (found.scale & (found.scale - 1)) == 0 && found.scale >= 1 && found.scale <= 8;
  if (found.form == STORE_MODRM) {
    right = right && found.size > 0 && found.copy_length <= kLongest &&
            found.copy_displacement + 4 <= found.copy_length;
  }
  if (!right) throw std::runtime_error("a store that cannot be");
}

}  // namespace

size_t DecodeStores(const std::vector<std::string> &corpus, Random &random, const TimeSlice &slice) {
  std::vector<uint8_t> text;
  for (const std::string &path : corpus) {
    std::ifstream file(path, std::ios::binary);
    text.insert(text.end(), std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  size_t rounds = 0;
  do {
    for (unsigned i = 0; i < 1000; ++i, ++rounds) {
      std::vector<uint8_t> code(random.Below(kLongest + 6));
      const size_t start = random.Below(text.size());
      const bool real = random.Chance(60) && text.size() - start > code.size();
      for (size_t k = 0; k < code.size(); ++k) code[k] = real ? text[start + k] : static_cast<uint8_t>(random.Word());
      if (real && random.Chance(50)) Mutate(code, random);
      code.shrink_to_fit();  // so that a byte read behind it is seen
      store found;
      const int stores = polus_decode(code.data(), code.size(), &found);
      Check(found, stores != 0, code.size());
    }
  } while (!slice.Over());
  return rounds;
}

}  // namespace sanitize
