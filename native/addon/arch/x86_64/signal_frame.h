// Builds the frame that rt_sigreturn(2) takes, so that the kernel itself restores a
// borrowed thread, with or without us. Layout: arch/x86/include/asm/sigframe.h,
// arch/x86/include/uapi/asm/sigcontext.h.
#pragma once

#include <sys/user.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace polus {

struct SignalFrame {
  // Where the bytes belong; the stack pointer on entry of the borrowed call.
  uint64_t address;
  std::vector<uint8_t> bytes;
};

// @param below      the frame ends at or under this address (the red zone is the caller's to leave)
// @param registers  what the thread is to go on with
// @param xstate     as PTRACE_GETREGSET/NT_X86_XSTATE gives it
// @param mask       blocked signals to go on with
// @param restorer   address of code that calls rt_sigreturn (`mov $15,%rax; syscall`)
SignalFrame BuildSignalFrame(uint64_t below, const user_regs_struct &registers, const std::vector<uint8_t> &xstate,
                             uint64_t mask, uint64_t restorer);

// Bytes that BuildSignalFrame needs below `below`, at most.
size_t SignalFrameSpace(size_t xstate_size);

}  // namespace polus
