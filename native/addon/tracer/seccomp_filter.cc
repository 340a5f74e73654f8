#include "seccomp_filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <cstring>

namespace polus {

namespace {

#ifndef PTRACE_SECCOMP_GET_FILTER
constexpr int kGetFilter = 0x420c;
#else
constexpr int kGetFilter = PTRACE_SECCOMP_GET_FILTER;
#endif

constexpr size_t kMostFilters = 256;

bool Allows(uint32_t verdict) {
  uint32_t action = verdict & SECCOMP_RET_ACTION_FULL;
  return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

}  // namespace

SeccompFilters SeccompFilters::Of(const Tracee &tracee, int mode) {
  SeccompFilters filters;
  if (mode == SECCOMP_MODE_STRICT) filters.strict_ = true;
  if (mode != SECCOMP_MODE_FILTER) return filters;
  for (size_t i = 0; i < kMostFilters; ++i) {
    long length = ::ptrace(static_cast<__ptrace_request>(kGetFilter), tracee.tid(), reinterpret_cast<void *>(i), nullptr);
    if (length < 0) {
      if (errno == ENOENT && i > 0) return filters;
      throw SystemError("SECCOMP_DENIES",
                        "the seccomp filters of thread " + std::to_string(tracee.tid()) + " cannot be looked at");
    }
    std::vector<sock_filter> program(static_cast<size_t>(length));
    if (::ptrace(static_cast<__ptrace_request>(kGetFilter), tracee.tid(), reinterpret_cast<void *>(i),
                 program.data()) != length) {
      throw SystemError("SECCOMP_DENIES",
                        "the seccomp filters of thread " + std::to_string(tracee.tid()) + " cannot be read");
    }
    filters.programs_.push_back(std::move(program));
  }
  throw Failure("SECCOMP_DENIES", "thread " + std::to_string(tracee.tid()) + " has too many seccomp filters");
}

bool SeccompFilters::Permits(long number, uint64_t instruction, const std::array<uint64_t, 6> &arguments) const {
  if (strict_) {
    return number == SYS_read || number == SYS_write || number == SYS_exit || number == SYS_rt_sigreturn;
  }
  for (const auto &program : programs_) {
    if (!Allows(RunSeccompProgram(program, number, instruction, arguments))) return false;
  }
  return true;
}

uint32_t RunSeccompProgram(const std::vector<sock_filter> &program, long number, uint64_t instruction,
                           const std::array<uint64_t, 6> &arguments) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = AUDIT_ARCH_X86_64;
  data.instruction_pointer = instruction;
  for (size_t i = 0; i < 6; ++i) data.args[i] = arguments[i];
  uint32_t words[sizeof data / 4];
  std::memcpy(words, &data, sizeof data);

  constexpr uint32_t kBad = SECCOMP_RET_KILL_PROCESS;
  uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = {};
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter &op = program[pc];
    switch (op.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (op.k % 4 != 0 || op.k >= sizeof data) return kBad;
        a = words[op.k / 4];
        break;
      case BPF_LD | BPF_W | BPF_LEN: a = sizeof data; break;
      case BPF_LDX | BPF_W | BPF_LEN: x = sizeof data; break;
      case BPF_LD | BPF_IMM: a = op.k; break;
      case BPF_LDX | BPF_IMM: x = op.k; break;
      case BPF_LD | BPF_MEM: if (op.k >= BPF_MEMWORDS) return kBad; a = memory[op.k]; break;
      case BPF_LDX | BPF_MEM: if (op.k >= BPF_MEMWORDS) return kBad; x = memory[op.k]; break;
      case BPF_ST: if (op.k >= BPF_MEMWORDS) return kBad; memory[op.k] = a; break;
      case BPF_STX: if (op.k >= BPF_MEMWORDS) return kBad; memory[op.k] = x; break;
      case BPF_MISC | BPF_TAX: x = a; break;
      case BPF_MISC | BPF_TXA: a = x; break;
      case BPF_ALU | BPF_ADD | BPF_K: a += op.k; break;
      case BPF_ALU | BPF_ADD | BPF_X: a += x; break;
      case BPF_ALU | BPF_SUB | BPF_K: a -= op.k; break;
      case BPF_ALU | BPF_SUB | BPF_X: a -= x; break;
      case BPF_ALU | BPF_MUL | BPF_K: a *= op.k; break;
      case BPF_ALU | BPF_MUL | BPF_X: a *= x; break;
      case BPF_ALU | BPF_DIV | BPF_K: if (op.k == 0) return kBad; a /= op.k; break;
      case BPF_ALU | BPF_DIV | BPF_X: if (x == 0) return SECCOMP_RET_KILL_THREAD; a /= x; break;
      case BPF_ALU | BPF_AND | BPF_K: a &= op.k; break;
      case BPF_ALU | BPF_AND | BPF_X: a &= x; break;
      case BPF_ALU | BPF_OR | BPF_K: a |= op.k; break;
      case BPF_ALU | BPF_OR | BPF_X: a |= x; break;
      case BPF_ALU | BPF_XOR | BPF_K: a ^= op.k; break;
      case BPF_ALU | BPF_XOR | BPF_X: a ^= x; break;
      case BPF_ALU | BPF_LSH | BPF_K: a = op.k < 32 ? a << op.k : 0; break;
      case BPF_ALU | BPF_LSH | BPF_X: a = x < 32 ? a << x : 0; break;
      case BPF_ALU | BPF_RSH | BPF_K: a = op.k < 32 ? a >> op.k : 0; break;
      case BPF_ALU | BPF_RSH | BPF_X: a = x < 32 ? a >> x : 0; break;
      case BPF_ALU | BPF_NEG: a = 0u - a; break;
      case BPF_JMP | BPF_JA: pc += op.k; break;
      case BPF_JMP | BPF_JEQ | BPF_K: pc += a == op.k ? op.jt : op.jf; break;
      case BPF_JMP | BPF_JEQ | BPF_X: pc += a == x ? op.jt : op.jf; break;
      case BPF_JMP | BPF_JGT | BPF_K: pc += a > op.k ? op.jt : op.jf; break;
      case BPF_JMP | BPF_JGT | BPF_X: pc += a > x ? op.jt : op.jf; break;
      case BPF_JMP | BPF_JGE | BPF_K: pc += a >= op.k ? op.jt : op.jf; break;
      case BPF_JMP | BPF_JGE | BPF_X: pc += a >= x ? op.jt : op.jf; break;
      case BPF_JMP | BPF_JSET | BPF_K: pc += (a & op.k) != 0 ? op.jt : op.jf; break;
      case BPF_JMP | BPF_JSET | BPF_X: pc += (a & x) != 0 ? op.jt : op.jf; break;
      case BPF_RET | BPF_K: return op.k;
      case BPF_RET | BPF_A: return a;
      default: return kBad;
    }
  }
  return kBad;
}

}  // namespace polus
