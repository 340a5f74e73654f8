// Runs the plain C++ parts of the addon under sanitizers on damaged, random and real input.
//
//   driver SECONDS SEED TARGET FILE...
//
// TARGET is a program of test/targets; the FILEs are ELF files to damage. Prints what was done;
// a fault ends it through the sanitizer.
#include <cstdlib>

#include "rounds.h"

namespace sanitize {

void Mutate(std::vector<uint8_t> &bytes, Random &random) {
  static const uint64_t kValues[] = {0, 1, 0xff, 0x1000, 0x7fffffff, 0xffffffff, uint64_t{1} << 63, ~uint64_t{0}};
  for (uint64_t change = random.Below(6) + 1; change-- > 0 && !bytes.empty();) {
    // Headers come first and last; most of what there is to confuse lies there.
    size_t place = random.Below(bytes.size());
    if (random.Chance(35)) place = random.Below(std::min<size_t>(bytes.size(), 1200));
    if (random.Chance(35)) place = bytes.size() - 1 - random.Below(std::min<size_t>(bytes.size(), 4096));
    switch (random.Below(4)) {
      case 0: bytes[place] = static_cast<uint8_t>(random.Word()); break;
      case 1: bytes[place] = static_cast<uint8_t>(bytes[place] ^ (1u << random.Below(8))); break;
      case 2: {
        const uint64_t value = kValues[random.Below(std::size(kValues))];
        for (size_t i = 0; i < 8 && (place & ~size_t{7}) + i < bytes.size(); ++i) {
          bytes[(place & ~size_t{7}) + i] = static_cast<uint8_t>(value >> (8 * i));
        }
        break;
      }
      default:
        if (random.Chance(10)) bytes.resize(place);
    }
  }
}

}  // namespace sanitize

int main(int argc, char **argv) {
  using namespace sanitize;
  if (argc < 5) {
    std::fprintf(stderr, "usage: %s SECONDS SEED TARGET FILE...\n", argv[0]);
    return 2;
  }
  const double seconds = std::atof(argv[1]);
  const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  const std::vector<std::string> corpus(argv + 4, argv + argc);
  std::printf("seed %llu, %g s\n", static_cast<unsigned long long>(seed), seconds);
  std::fflush(stdout);
  Random random(seed);
  try {
    std::printf("target: %zu rounds\n", WorkOnTarget(argv[3], TimeSlice(seconds * 0.2)));
    std::fflush(stdout);
    std::printf("filters: %zu\n", RunFilters(random, TimeSlice(seconds * 0.1)));
    std::fflush(stdout);
    std::printf("entries: %zu\n", MoveEntries(corpus, random, TimeSlice(seconds * 0.2)));
    std::fflush(stdout);
    std::printf("stores: %zu\n", DecodeStores(corpus, random, TimeSlice(seconds * 0.1)));
    std::fflush(stdout);
    std::printf("files: %zu\n", ReadFiles(corpus, random, TimeSlice(seconds * 0.4)));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "failed: %s\n", error.what());
    return 1;
  }
  return 0;
}
