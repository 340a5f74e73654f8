// The interpreter of seccomp programs on random ones: near the valid ones, and far from them.
#include "rounds.h"
#include "tracer/seccomp_filter.h"

namespace sanitize {

size_t RunFilters(Random &random, const TimeSlice &slice) {
  static const uint16_t kCodes[] = {
      BPF_LD | BPF_W | BPF_ABS,   BPF_LD | BPF_W | BPF_LEN, BPF_LD | BPF_IMM,           BPF_LD | BPF_MEM,
      BPF_LDX | BPF_MEM,          BPF_LDX | BPF_IMM,        BPF_ST,                     BPF_STX,
      BPF_MISC | BPF_TAX,         BPF_MISC | BPF_TXA,       BPF_ALU | BPF_DIV | BPF_X,  BPF_ALU | BPF_DIV | BPF_K,
      BPF_ALU | BPF_LSH | BPF_X,  BPF_ALU | BPF_RSH | BPF_K, BPF_ALU | BPF_NEG,         BPF_ALU | BPF_MUL | BPF_X,
      BPF_JMP | BPF_JA,           BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JGT | BPF_X, BPF_JMP | BPF_JSET | BPF_K,
      BPF_RET | BPF_K,            BPF_RET | BPF_A,
  };
  size_t rounds = 0;
  do {
    std::vector<sock_filter> program(random.Below(24));
    for (sock_filter &operation : program) {
      operation.code = random.Chance(95) ? kCodes[random.Below(std::size(kCodes))]
                                         : static_cast<uint16_t>(random.Word());
      operation.jt = static_cast<uint8_t>(random.Below(random.Chance(90) ? 8 : 256));
      operation.jf = static_cast<uint8_t>(random.Below(random.Chance(90) ? 8 : 256));
      operation.k = static_cast<uint32_t>(random.Chance(80) ? random.Below(72) : random.Word());
    }
    std::array<uint64_t, 6> arguments;
    for (uint64_t &argument : arguments) argument = random.Word();
    polus::RunSeccompProgram(program, static_cast<long>(random.Below(460)), random.Word(), arguments);
    ++rounds;
  } while (!slice.Over());
  return rounds;
}

}  // namespace sanitize
