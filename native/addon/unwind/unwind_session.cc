#include "unwind/unwind_session.h"

#include <sys/uio.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "arch/x86_64/decoder.h"
#include "failure.h"

namespace polus {

namespace {

constexpr size_t kWord = sizeof(uint64_t);

std::string Hex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%" PRIx64, value);
  return text;
}

/** Order of the registers that the kernel saves in a signal frame, by DWARF's numbers. */
constexpr std::array<uint8_t, RegisterSet::kCount> kSignalFrameOrder = {
    8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16};
/** Offset of those registers in the ucontext that is at the top of the stack on signal return. */
constexpr uint64_t kSignalFrameRegisters = 40;

RegisterSet FromUserRegisters(const user_regs_struct& user) noexcept {
  RegisterSet set;
  const std::array<uint64_t, RegisterSet::kCount> values = {
      user.rax, user.rdx, user.rcx, user.rbx, user.rsi, user.rdi, user.rbp, user.rsp, user.r8,
      user.r9,  user.r10, user.r11, user.r12, user.r13, user.r14, user.r15, user.rip};
  for (size_t index = 0; index < values.size(); ++index) set.Set(index, values[index]);
  return set;
}

}  // namespace

/** libdwfl's callbacks, which find the session through the argument given when attaching. */
struct DwflThread {
  static pid_t Next(Dwfl*, void* session, void** thread) {
    // Only one thread is ever unwound at a time: by its number, never by iteration.
    if (*thread != nullptr) return 0;
    *thread = session;
    return static_cast<UnwindSession*>(session)->thread_->tid;
  }

  static bool Get(Dwfl*, pid_t, void* session, void** thread) {
    *thread = session;
    return true;
  }

  static bool Read(Dwfl*, Dwarf_Addr address, Dwarf_Word* result, void* session) {
    uint64_t word = 0;
    UnwindSession& unwinding = *static_cast<UnwindSession*>(session);
    if (!unwinding.ReadWord(address, &word)) {
      unwinding.unreadable_ = address;
      return false;
    }
    *result = word;
    return true;
  }

  static bool SetRegisters(Dwfl_Thread* thread, void* argument) {
    const UnwindSession& session = *static_cast<UnwindSession*>(argument);
    for (size_t index = 0; index < RegisterSet::kCount; ++index) {
      if (!session.current_.Knows(index)) continue;
      Dwarf_Word value = session.current_.value[index];
      // libdwfl looks up the first frame by its pc as it is; a return address may already belong to
      // the next function, so that the byte before it stands for the call.
      if (index == RegisterSet::kProgramCounter && !session.exact_) --value;
      if (!dwfl_thread_state_registers(thread, static_cast<int>(index), 1, &value)) return false;
    }
    return true;
  }

  static int Frame(Dwfl_Frame* frame, void* argument) {
    RegisterSet registers;
    for (size_t index = 0; index < RegisterSet::kCount; ++index) {
      Dwarf_Word value = 0;
      if (dwfl_frame_reg(frame, static_cast<unsigned>(index), &value) == 0) {
        registers.Set(index, value);
      }
    }
    Dwarf_Addr pc = 0;
    if (!dwfl_frame_pc(frame, &pc, nullptr)) return DWARF_CB_ABORT;
    registers.Set(RegisterSet::kProgramCounter, pc);
    return static_cast<UnwindSession*>(argument)->Visit(registers) ? DWARF_CB_OK : DWARF_CB_ABORT;
  }
};

namespace {

const Dwfl_Thread_Callbacks kThreadCallbacks = {
    DwflThread::Next, DwflThread::Get, DwflThread::Read, DwflThread::SetRegisters, nullptr, nullptr};

}  // namespace

UnwindSession::UnwindSession(pid_t pid, const std::vector<std::shared_ptr<Module>>& modules)
    : pid_(pid), dwfl_(BeginDwfl()) {
  dwfl_report_begin(dwfl_.get());
  for (const std::shared_ptr<Module>& module : modules) {
    if (!module->File().IsX86_64()) {
      throw Failure("WRONG_MACHINE", module->Path() + " is not code for 64-bit x86");
    }
    // The first module owns the session; keeping it here as well would keep both for ever.
    if (module != modules.front()) kept_.push_back(module);
    modules_.push_back(module.get());
    ReportFile(dwfl_.get(), module->Linked(), module->Extent());
  }
  dwfl_report_end(dwfl_.get(), nullptr, nullptr);
  if (!dwfl_attach_state(dwfl_.get(), nullptr, std::max<pid_t>(pid, 1), &kThreadCallbacks, this)) {
    throw Failure("CANNOT_UNWIND", std::string("libdwfl cannot be set up: ") + dwfl_errmsg(-1));
  }
}

bool UnwindSession::IsFor(pid_t pid,
                          const std::vector<std::shared_ptr<Module>>& modules) const noexcept {
  return pid == pid_ && std::equal(modules_.begin(), modules_.end(), modules.begin(), modules.end(),
                                   [](const Module* left, const std::shared_ptr<Module>& right) {
                                     return left == right.get();
                                   });
}

Module* UnwindSession::ModuleAt(uint64_t address) const noexcept {
  for (Module* module : modules_) {
    const AddressRange extent = module->Extent();
    if (address >= extent.start && address < extent.end) return module;
  }
  return nullptr;
}

bool UnwindSession::ReadMemory(uint64_t address, void* buffer, size_t size) const {
  const ByteView& stack = thread_->stack;
  const uint64_t offset = address - thread_->stack_start;
  if (stack.size >= size && offset <= stack.size - size) {
    std::memcpy(buffer, stack.data + offset, size);
    return true;
  }
  if (pid_ <= 0) return false;
  const iovec local = {buffer, size};
  const iovec remote = {reinterpret_cast<void*>(address), size};
  return process_vm_readv(pid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

// The code that a signal handler returns to: mov $15 (rt_sigreturn) to eax or rax, then syscall.
bool UnwindSession::IsSignalReturn(uint64_t pc) const {
  static constexpr uint8_t kLong[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
  static constexpr uint8_t kShort[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};
  uint8_t code[sizeof kLong];
  if (!ReadMemory(pc, code, sizeof code)) {
    const Module* module = ModuleAt(pc);
    auto bytes = module == nullptr ? std::nullopt
                                   : module->File().BytesAt(pc - module->Bias(), sizeof code);
    if (!bytes) return false;
    std::memcpy(code, bytes->data, sizeof code);
  }
  return std::memcmp(code, kLong, sizeof kLong) == 0 || std::memcmp(code, kShort, sizeof kShort) == 0;
}

bool UnwindSession::HasCallFrameInformation(uint64_t pc) const {
  Dwfl_Module* module = dwfl_addrmodule(dwfl_.get(), pc);
  if (module == nullptr) return false;
  for (auto* find : {dwfl_module_eh_cfi, dwfl_module_dwarf_cfi}) {
    Dwarf_Addr bias = 0;
    Dwarf_CFI* cfi = find(module, &bias);
    Dwarf_Frame* frame = nullptr;
    if (cfi == nullptr || dwarf_cfi_addrframe(cfi, pc - bias, &frame) != 0) continue;
    std::free(frame);
    return true;
  }
  return false;
}

// Whether the instruction that ends at `address`, in some module's code, is a call.
bool UnwindSession::IsReturnAddress(uint64_t address) const {
  const Module* module = ModuleAt(address);
  if (module == nullptr) return false;
  bool is_text = false;
  for (const AddressRange& text : module->Text()) {
    is_text = is_text || (address > text.start && address <= text.end);
  }
  if (!is_text) return false;
  static const x86_64::Decoder decoder;
  for (size_t length = 2; length <= 8; ++length) {
    auto bytes = module->File().BytesAt(address - length - module->Bias(), length);
    x86_64::Instruction instruction;
    if (bytes && decoder.Decode(bytes->data, length, &instruction) &&
        instruction.Length() == length &&
        (instruction.Branch() == x86_64::RelativeBranch::kCall || instruction.IsIndirectCall())) {
      return true;
    }
  }
  return false;
}

Backtrace UnwindSession::Unwind(const ThreadState& thread, size_t most_frames) {
  Backtrace trace;
  thread_ = &thread;
  most_frames_ = most_frames;
  trace_ = &trace;
  exact_ = true;
  current_ = FromUserRegisters(thread.registers);
  if (most_frames == 0) {
    trace.incomplete = "no frames were asked for";
    return trace;
  }
  Append(current_, false);
  // Each turn adds at least one frame or ends, and the number of frames is bounded.
  for (;;) {
    End end = End::kManual;
    const uint64_t pc = current_.value[RegisterSet::kProgramCounter];
    if (!IsSignalReturn(pc) && HasCallFrameInformation(exact_ ? pc : pc - 1)) end = RunDwfl(&trace);
    if (end == End::kOldest) break;
    if (end == End::kManual && trace.frames.size() < most_frames_) {
      if (StepManually(&trace)) continue;
      break;
    }
    if (end != End::kFailed) {
      trace.incomplete = "there are more than " + std::to_string(most_frames_) + " frames";
    }
    break;
  }
  thread_ = nullptr;
  trace_ = nullptr;
  return trace;
}

void UnwindSession::Append(const RegisterSet& registers, bool signal_frame) {
  trace_->frames.push_back({registers.value[RegisterSet::kProgramCounter], std::nullopt, signal_frame});
  current_ = registers;
  unreadable_.reset();
}

UnwindSession::End UnwindSession::RunDwfl(Backtrace* trace) {
  first_of_stretch_ = true;
  end_ = End::kFailed;
  const int result = dwfl_getthread_frames(dwfl_.get(), thread_->tid, DwflThread::Frame, this);
  // libdwfl takes an unreadable return address for the end of the stack.
  if (result == 0 && !unreadable_) return End::kOldest;
  // Visit ended the stretch and said why.
  if (result == DWARF_CB_ABORT) return end_;
  if (unreadable_) {
    trace->incomplete = "the stack at " + Hex(*unreadable_) + " cannot be read";
    return End::kFailed;
  }
  const char* reason = dwfl_errmsg(-1);
  trace->incomplete = "the frame at " + Hex(current_.value[RegisterSet::kProgramCounter]) +
                      " cannot be unwound: " + (reason != nullptr ? reason : "unknown reason");
  return End::kFailed;
}

bool UnwindSession::Visit(const RegisterSet& registers) {
  if (first_of_stretch_) {
    first_of_stretch_ = false;
    return true;
  }
  const uint64_t old_stack = current_.value[RegisterSet::kStackPointer];
  const uint64_t new_stack = registers.value[RegisterSet::kStackPointer];
  if (!registers.Knows(RegisterSet::kStackPointer) || new_stack <= old_stack) {
    trace_->incomplete = "the stack does not lead on from the frame at " +
                         Hex(current_.value[RegisterSet::kProgramCounter]);
    end_ = End::kFailed;
    return false;
  }
  trace_->frames.back().cfa = new_stack;
  if (trace_->frames.size() >= most_frames_) {
    end_ = End::kLimit;
    return false;
  }
  Append(registers, false);
  exact_ = false;
  const uint64_t pc = registers.value[RegisterSet::kProgramCounter];
  if (IsSignalReturn(pc) || !HasCallFrameInformation(pc - 1)) {
    end_ = End::kManual;
    return false;
  }
  return true;
}

bool UnwindSession::StepManually(Backtrace* trace) {
  const uint64_t pc = current_.value[RegisterSet::kProgramCounter];
  if (IsSignalReturn(pc) ? StepThroughSignalFrame() : StepByHeuristics()) return true;
  const Module* module = ModuleAt(pc);
  trace->incomplete = module == nullptr
                          ? "no module covers " + Hex(pc)
                          : "there is no unwind information for " + Hex(pc) + " of " + module->Path();
  return false;
}

bool UnwindSession::StepThroughSignalFrame() {
  const uint64_t top = current_.value[RegisterSet::kStackPointer];
  std::array<uint64_t, RegisterSet::kCount> saved;
  if (!ReadMemory(top + kSignalFrameRegisters, saved.data(), sizeof saved)) return false;
  RegisterSet next;
  for (size_t index = 0; index < saved.size(); ++index) next.Set(kSignalFrameOrder[index], saved[index]);
  Append(next, true);
  exact_ = true;
  return true;
}

// A stub, or code written by hand, that has not touched the stack: the return address is on top. If
// not there, the frame pointer may lead on. Both only if a call stands before the address.
bool UnwindSession::StepByHeuristics() {
  const uint64_t stack = current_.value[RegisterSet::kStackPointer];
  const uint64_t frame = current_.value[RegisterSet::kFramePointer];
  RegisterSet next = current_;
  uint64_t address = 0;
  if (exact_ && ReadWord(stack, &address) && IsReturnAddress(address)) {
    next.Set(RegisterSet::kStackPointer, stack + kWord);
  } else {
    uint64_t caller_frame = 0;
    if (!current_.Knows(RegisterSet::kFramePointer) || frame < stack ||
        !ReadWord(frame, &caller_frame) || !ReadWord(frame + kWord, &address) ||
        !IsReturnAddress(address)) {
      return false;
    }
    next.Set(RegisterSet::kFramePointer, caller_frame);
    next.Set(RegisterSet::kStackPointer, frame + 2 * kWord);
  }
  next.Set(RegisterSet::kProgramCounter, address);
  trace_->frames.back().cfa = next.value[RegisterSet::kStackPointer];
  Append(next, false);
  exact_ = false;
  return true;
}

}  // namespace polus
