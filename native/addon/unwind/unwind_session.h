#ifndef POLUS_UNWIND_UNWIND_SESSION_H
#define POLUS_UNWIND_UNWIND_SESSION_H

#include <sys/types.h>
#include <sys/user.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "symbols/dwarf_reader.h"
#include "symbols/module.h"

namespace polus {

/** A stopped thread's state, copied. */
struct ThreadState {
  pid_t tid = 0;
  user_regs_struct registers = {};
  uint64_t stack_start = 0;
  ByteView stack;
};

struct UnwoundFrame {
  uint64_t pc = 0;
  /** Canonical frame address: the stack pointer before the call that made the frame. */
  std::optional<uint64_t> cfa;
  /** Whether a signal interrupted the frame at `pc`, so that `pc` is no return address. */
  bool signal_frame = false;
};

struct Backtrace {
  std::vector<UnwoundFrame> frames;
  /** Why the oldest frame was not reached; empty if it was. */
  std::string incomplete;
};

/** The general registers in DWARF's numbering; 16 is the instruction pointer. */
struct RegisterSet {
  static constexpr size_t kCount = 17;
  static constexpr size_t kFramePointer = 6;
  static constexpr size_t kStackPointer = 7;
  static constexpr size_t kProgramCounter = 16;

  std::array<uint64_t, kCount> value = {};
  /** One bit for each register that is known. */
  uint32_t known = 0;

  void Set(size_t index, uint64_t content) noexcept {
    value[index] = content;
    known |= uint32_t{1} << index;
  }
  bool Knows(size_t index) const noexcept { return ((known >> index) & 1) != 0; }
};

/**
 * Unwinds threads of one process by call frame information (libdwfl), through signal frames by the
 * kernel's layout, and where neither applies by return address or frame pointer if that is
 * plausible. What is parsed of the modules is kept from thread to thread.
 */
class UnwindSession {
 public:
  /**
   * @param pid whose memory is read where the copied stack does not reach
   * @param modules of the process; the first must outlive the session, the others are kept alive
   * @throws Failure WRONG_MACHINE, CANNOT_UNWIND
   */
  UnwindSession(pid_t pid, const std::vector<std::shared_ptr<Module>>& modules);
  UnwindSession(const UnwindSession&) = delete;
  UnwindSession& operator=(const UnwindSession&) = delete;

  /** Whether this session is for these and no others. */
  bool IsFor(pid_t pid, const std::vector<std::shared_ptr<Module>>& modules) const noexcept;

  /** Unwinds one thread, youngest frame first, at most `most_frames` of them. */
  Backtrace Unwind(const ThreadState& thread, size_t most_frames);

 private:
  friend struct DwflThread;

  /** Why the frames of one stretch ended. */
  enum class End { kOldest, kManual, kLimit, kFailed };

  End RunDwfl(Backtrace* trace);
  /** Called for each frame that libdwfl finds; `false` ends the stretch. */
  bool Visit(const RegisterSet& registers);
  bool StepManually(Backtrace* trace);
  bool StepThroughSignalFrame();
  bool StepByHeuristics();
  bool IsSignalReturn(uint64_t pc) const;
  bool IsReturnAddress(uint64_t address) const;
  bool HasCallFrameInformation(uint64_t pc) const;
  bool ReadMemory(uint64_t address, void* buffer, size_t size) const;
  bool ReadWord(uint64_t address, uint64_t* word) const { return ReadMemory(address, word, 8); }
  Module* ModuleAt(uint64_t address) const noexcept;
  void Append(const RegisterSet& registers, bool signal_frame);

  const pid_t pid_;
  std::vector<Module*> modules_;
  std::vector<std::shared_ptr<Module>> kept_;
  DwflHandle dwfl_;

  // Of the thread that is being unwound.
  const ThreadState* thread_ = nullptr;
  size_t most_frames_ = 0;
  Backtrace* trace_ = nullptr;
  /** Registers of the newest frame in `trace_`. */
  RegisterSet current_;
  /** Whether `current_`'s pc is exact: the youngest frame's, or one that a signal interrupted. */
  bool exact_ = true;
  /** Whether libdwfl is about to give the frame that is already in `trace_` again. */
  bool first_of_stretch_ = false;
  End end_ = End::kOldest;
  /** Address that could not be read since the newest frame, if any. */
  std::optional<uint64_t> unreadable_;
};

}  // namespace polus

#endif
