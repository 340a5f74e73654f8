#include "start_gate.h"

#include <elf.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fault.h"

namespace polus {

namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kMostWords = size_t{1} << 18;  // of arguments and environment
constexpr size_t kMostSegments = 64;

// brk(0), which every C library's loader has made a moment before: whatever filter the process
// has inherited permits it. The registers that it uses are nobody's at an entry point (System V
// ABI, "Process Initialization": rdx and rsp only).
constexpr uint8_t kGate[] = {0x31, 0xff,                          // xor %edi,%edi
                             0xb8, SYS_brk, 0x00, 0x00, 0x00,     // mov $SYS_brk,%eax
                             0x0f, 0x05,                          // syscall
                             0xff, 0x25, 0x00, 0x00, 0x00, 0x00};  // jmp *0(%rip)
constexpr size_t kAfterCall = 9;
constexpr size_t kGateSize = sizeof kGate + sizeof(uint64_t);

struct Start {
  uint64_t entry = 0;
  uint64_t entry_slot = 0;
  uint64_t loader = 0;  // 0: none
  uint64_t headers = 0;
  uint64_t header_count = 0;
};

// The stack as the kernel leaves it: argc, argv, NULL, envp, NULL, pairs of the auxiliary vector.
Start ReadStart(const Target &target, uint64_t sp) {
  Start start;
  std::vector<uint64_t> words;
  auto word = [&](size_t at) -> uint64_t {
    if (at >= kMostWords) return 0;
    while (words.size() <= at) {
      size_t known = words.size();
      words.resize(known + 512);
      uint64_t from = sp + known * 8;
      size_t got = target.ReadSome(TargetAddress{from}, words.data() + known, std::min<size_t>(512 * 8, kPage - from % kPage));
      words.resize(known + got / 8);
      if (got < 8) return 0;
    }
    return words[at];
  };
  size_t at = 1 + word(0) + 1;
  while (at < kMostWords && word(at) != 0) ++at;
  for (++at; at < kMostWords && word(at) != AT_NULL; at += 2) {
    uint64_t value = word(at + 1);
    switch (word(at)) {
      case AT_ENTRY:
        start.entry = value;
        start.entry_slot = sp + (at + 1) * 8;
        break;
      case AT_BASE: start.loader = value; break;
      case AT_PHDR: start.headers = value; break;
      case AT_PHNUM: start.header_count = value; break;
      default: break;
    }
  }
  return start;
}

// Room behind the code of an executable segment, up to the end of its last page. 0: none.
uint64_t RoomBehindCode(const Target &target, const Start &start) {
  if (start.header_count > kMostSegments) return 0;
  std::vector<Elf64_Phdr> headers(start.header_count);
  size_t size = headers.size() * sizeof(Elf64_Phdr);
  if (target.ReadSome(TargetAddress{start.headers}, headers.data(), size) != size) return 0;
  uint64_t bias = 0;
  for (const Elf64_Phdr &h : headers) {
    if (h.p_type == PT_PHDR) bias = start.headers - h.p_vaddr;
  }
  for (const Elf64_Phdr &h : headers) {
    if (h.p_type != PT_LOAD || (h.p_flags & PF_X) == 0 || h.p_memsz != h.p_filesz) continue;
    uint64_t end = (bias + h.p_vaddr + h.p_memsz + 15) & ~uint64_t{15};
    if (end % kPage != 0 && end % kPage + kGateSize <= kPage) return end;
  }
  return 0;
}

}  // namespace

bool ProgramNames::NameProgramOf(pid_t process) const {
  char link[PATH_MAX];
  ssize_t n = ::readlink(("/proc/" + std::to_string(process) + "/exe").c_str(), link, sizeof link);
  if (n <= 0) return false;
  std::string path(link, static_cast<size_t>(n));
  const std::string deleted = " (deleted)";
  if (path.size() > deleted.size() && path.compare(path.size() - deleted.size(), deleted.size(), deleted) == 0) {
    path.resize(path.size() - deleted.size());
  }
  return names_.count(path) != 0 || names_.count(path.substr(path.rfind('/') + 1)) != 0;
}

std::optional<StartGate> StartGate::Set(pid_t process, const user_regs_struct &registers) {
  StartGate gate(process);
  Start start = ReadStart(*gate.target_, registers.rsp);
  if (start.entry == 0) return std::nullopt;
  gate.entry_ = start.entry;
  gate.entry_slot_ = start.entry_slot;
  if (start.loader == 0) {
    if (registers.rip != start.entry) return std::nullopt;
    return gate;
  }
  gate.gate_ = RoomBehindCode(*gate.target_, start);
  if (gate.gate_ == 0) return std::nullopt;
  gate.covered_.resize(kGateSize);
  gate.target_->Read(TargetAddress{gate.gate_}, gate.covered_.data(), kGateSize);
  uint8_t code[kGateSize];
  std::memcpy(code, kGate, sizeof kGate);
  std::memcpy(code + sizeof kGate, &start.entry, sizeof start.entry);
  gate.target_->Write(TargetAddress{gate.gate_}, code, sizeof code);
  FaultPoint();
  gate.target_->Write(TargetAddress{gate.entry_slot_}, &gate.gate_, sizeof gate.gate_);
  FaultPoint();
  return gate;
}

bool StartGate::IsAt(const user_regs_struct &registers) const {
  if (gate_ == 0) return registers.rip == entry_;
  // Before the call its result reads -ENOSYS (arch/x86/entry).
  return registers.rip == gate_ + kAfterCall && static_cast<long long>(registers.rax) != -ENOSYS;
}

user_regs_struct StartGate::Passed(user_regs_struct registers) const {
  registers.rip = entry_;
  registers.orig_rax = ~0ull;  // there is no call to restart
  return registers;
}

void StartGate::Remove() const {
  if (gate_ == 0) return;
  target_->Write(TargetAddress{entry_slot_}, &entry_, sizeof entry_);
  FaultPoint();
  target_->Write(TargetAddress{gate_}, covered_.data(), covered_.size());
  FaultPoint();
}

}  // namespace polus
