#include "call.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "../arch/x86_64/signal_frame.h"
#include "borrowed_thread.h"
#include "fault.h"
#include "seccomp_filter.h"
#include "threads.h"

namespace polus {

namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kStopLimitNs = 50'000'000;
// For putting a thread back; beyond the time limit of the call itself.
constexpr uint64_t kGraceNs = 1'000'000'000;
constexpr size_t kResultSize = 32;
constexpr size_t kVectorsAt = 160;    // xmm0 in the legacy area of an XSAVE image
constexpr size_t kTagWordAt = 4;      // abridged x87 tags
constexpr size_t kPresentAt = 512;    // mask of the components that are not in their initial state
constexpr uint64_t kSseState = 2;
constexpr uint64_t kStopsOn = 8;  // of the runtime's two words about stops; the first is for off
constexpr uint64_t kStopsStoreLength = 2;

// Left unblocked during a call: what the function itself raises. Blocked ones that the
// processor raises would kill the program at once.
constexpr int kSynchronous[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};

bool IsSynchronous(int signal) {
  return std::find(std::begin(kSynchronous), std::end(kSynchronous), signal) != std::end(kSynchronous);
}

uint64_t BlockedDuringCall() {
  uint64_t mask = ~uint64_t{0};
  for (int signal : kSynchronous) mask &= ~(uint64_t{1} << (signal - 1));
  return mask;
}

// Calls that have begun with forgetting what restart_syscall(2) would go on with, whatever becomes of them; the last
// one is the end of a handler.
bool ForgetsRestart(uint64_t number) {
  return number == SYS_nanosleep || number == SYS_clock_nanosleep || number == SYS_restart_syscall ||
         number == SYS_rt_sigreturn;
}

bool EndsSomething(uint64_t number) {
  return number == SYS_exit || number == SYS_exit_group || number == SYS_execve || number == SYS_execveat;
}

// What lies below the signal frame, at which addresses.
struct Layout {
  uint64_t stack;    // stack pointer at the call; arguments in memory begin here
  uint64_t results;  // rax, rdx, xmm0
  std::vector<uint8_t> bytes;  // from `stack` on
};

size_t DataSize(const CallSpec &spec) {
  size_t size = kResultSize + 32 + spec.stack.size() * 8;
  for (const CallSpec::Data &d : spec.data) size += d.bytes.size() + 15;
  return size;
}

// Arguments are taken by value: the addresses of the data are put into them.
Layout LayOut(uint64_t frame, const CallSpec &spec, std::vector<uint64_t> &integers) {
  std::vector<uint64_t> stack = spec.stack;
  uint64_t at = frame;
  std::vector<uint64_t> places;
  for (const CallSpec::Data &d : spec.data) {
    at = (at - d.bytes.size()) & ~uint64_t{15};
    places.push_back(at);
    (d.argument < integers.size() ? integers[d.argument] : stack.at(d.argument - integers.size())) = at;
  }
  Layout layout{};
  layout.results = (at - kResultSize) & ~uint64_t{15};
  layout.stack = (layout.results - stack.size() * 8) & ~uint64_t{15};
  layout.bytes.resize(frame - layout.stack);
  if (!stack.empty()) std::memcpy(layout.bytes.data(), stack.data(), stack.size() * 8);
  for (size_t i = 0; i < places.size(); ++i) {
    const std::vector<uint8_t> &bytes = spec.data[i].bytes;
    std::copy(bytes.begin(), bytes.end(), layout.bytes.begin() + static_cast<ptrdiff_t>(places[i] - layout.stack));
  }
  return layout;
}

// call *%r11; results to their place; rt_sigreturn on the frame, again should it be skipped.
std::vector<uint8_t> CallCode(const Layout &layout, uint64_t frame) {
  std::vector<uint8_t> code = {0x41, 0xff, 0xd3};
  auto at_stack = [&](std::initializer_list<uint8_t> opcode, uint64_t address) {
    code.insert(code.end(), opcode);
    auto offset = static_cast<uint32_t>(address - layout.stack);
    for (int i = 0; i < 4; ++i) code.push_back(static_cast<uint8_t>(offset >> (8 * i)));
  };
  at_stack({0x48, 0x89, 0x84, 0x24}, layout.results);       // mov %rax, …(%rsp)
  at_stack({0x48, 0x89, 0x94, 0x24}, layout.results + 8);   // mov %rdx, …(%rsp)
  at_stack({0x0f, 0x11, 0x84, 0x24}, layout.results + 16);  // movups %xmm0, …(%rsp)
  at_stack({0x48, 0x8d, 0xa4, 0x24}, frame + 8);            // lea …(%rsp), %rsp
  code.insert(code.end(), {0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xeb, 0xf7});
  return code;
}

// Offset behind the syscall instruction of CallCode, as seccomp filters see it.
constexpr uint64_t kCodeSyscallEnd = 3 + 4 * 8 + 7;

// The page that CallCode is written to, mapped as long as one lives.
class CodePage {
 public:
  CodePage(const Target &target, const Gadgets &gadgets, TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline)
      : target_(target), gadgets_(gadgets), table_(table), timer_(timer), deadline_(deadline) {
    RemoteCall map{SYS_mmap, {0, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, ~uint64_t{0}, 0}};
    int64_t result = Borrow(target, gadgets, {map}, table, timer, deadline).results.at(0);
    if (result < 0 && result > -4096) {
      throw SystemError("NO_BORROWABLE_THREAD", "no page for the call can be mapped", static_cast<int>(-result));
    }
    address_ = static_cast<uint64_t>(result);
  }
  ~CodePage() {
    if (address_ == 0 || !target_.Alive()) return;
    try {
      Borrow(target_, gadgets_, {{SYS_munmap, {address_, kPage}}}, table_, timer_, deadline_);
    } catch (const Failure &) {
      // One page stays behind.
    }
  }
  CodePage(const CodePage &) = delete;
  CodePage &operator=(const CodePage &) = delete;

  uint64_t address() const { return address_; }
  // Somebody is still to come back to it.
  void Leave() { address_ = 0; }

 private:
  const Target &target_;
  const Gadgets &gadgets_;
  TraceeTable &table_;
  WaitTimer &timer_;
  HoldDeadline *deadline_;
  uint64_t address_ = 0;
};

class Call {
 public:
  Call(const Target &target, const CallSpec &spec, const CodePage &page, TraceeTable &table, WaitTimer &timer,
       BorrowedThread &thread, uint64_t stack_end, uint64_t known_call)
      : target_(target), spec_(spec), page_(page), table_(table), timer_(timer), thread_(thread), stack_end_(stack_end),
        known_call_(known_call) {}

  // The thread is stopped and fits. It is back, or has said good-bye, when this returns.
  CallOutcome Run() {
    uint64_t begun = MonotonicNanoseconds();
    saved_ = thread_.tracee().ExtendedState();
    thread_.Infect(target_, BlockedDuringCall(), known_call_);
    Begin();
    outcome_.held_us = (MonotonicNanoseconds() - begun) / 1000;
    limit_ = MonotonicNanoseconds() + spec_.limit_ns;
    thread_.SetDeadline(limit_ + kGraceNs);
    timer_.Arm(limit_);
    thread_.tracee().ContinueToSyscall();
    FaultPoint();
    while (!Step()) continue;
    return outcome_;
  }

 private:
  // Until the last of these writes the thread would go on with rt_sigreturn if we died.
  void Begin() {
    std::vector<uint64_t> integers = spec_.integers;
    layout_ = LayOut(thread_.frame(), spec_, integers);
    std::vector<uint8_t> code = CallCode(layout_, thread_.frame());
    target_.Write(TargetAddress{page_.address()}, code.data(), code.size());
    FaultPoint();
    target_.Write(TargetAddress{layout_.stack}, layout_.bytes.data(), layout_.bytes.size());
    FaultPoint();
    thread_.tracee().SetExtendedState(WithVectors());
    FaultPoint();
    user_regs_struct r = thread_.own();
    integers.resize(6);
    r.rdi = integers[0];
    r.rsi = integers[1];
    r.rdx = integers[2];
    r.rcx = integers[3];
    r.r8 = integers[4];
    r.r9 = integers[5];
    r.rax = spec_.vectors.size();
    r.r11 = spec_.function;
    r.rip = page_.address();
    r.rsp = layout_.stack;
    r.orig_rax = ~0ull;
    r.eflags &= ~0x500ull;  // no single step, string operations go upwards
    thread_.tracee().SetRegisters(r);
    FaultPoint();
  }

  // The thread's own state with the arguments in it, and an empty x87 stack.
  std::vector<uint8_t> WithVectors() const {
    std::vector<uint8_t> state = saved_;
    for (size_t i = 0; i < spec_.vectors.size(); ++i) {
      std::memcpy(state.data() + kVectorsAt + 16 * i, spec_.vectors[i].data(), 16);
    }
    uint64_t present = 0;
    std::memcpy(&present, state.data() + kPresentAt, sizeof present);
    if (!spec_.vectors.empty() && (present & kSseState) == 0) {
      // All sixteen count from now on; those that were initial are zero in the image too.
      present |= kSseState;
      std::memcpy(state.data() + kPresentAt, &present, sizeof present);
    }
    state[kTagWordAt] = 0;
    return state;
  }

  // Waits for what the thread does next; true once the call is over.
  bool Step() {
    Tracee &t = thread_.tracee();
    StopKind kind = t.Wait(interrupted_ ? limit_ + kGraceNs : limit_);
    if (kind == StopKind::kGone) thread_.Ended();
    if (kind == StopKind::kTimeout) {
      if (interrupted_) {
        // In a sleep that nothing interrupts: the function finishes when that ends.
        outcome_.kind = CallOutcome::Kind::kRunning;
        return true;
      }
      interrupted_ = true;
      t.Interrupt();
      return false;
    }
    user_regs_struct r = t.Registers();
    if (kind == StopKind::kSyscall) inside_ = !inside_;
    if (kind == StopKind::kClone) table_.NoteBirth(t);
    if (kind == StopKind::kSyscall && inside_) {
      if (r.orig_rax == SYS_rt_sigreturn && r.rsp == thread_.frame() + 8) return Returned();
      if (r.rsp >= thread_.own().rsp && r.rsp < stack_end_) return Left(r);
      if (EndsSomething(r.orig_rax)) return PutBack(CallOutcome::Kind::kKept, r);
      forgotten_ = forgotten_ || ForgetsRestart(r.orig_rax);
    }
    // A call that was interrupted: restart_syscall(2) would go on with that one.
    if (kind == StopKind::kSyscall && !inside_ && static_cast<long long>(r.rax) == kErestartRestartblock) forgotten_ = true;
    if (kind == StopKind::kSignal && t.signal() != 0) {
      if (SaidStops(t, r)) {
        GoOn(t);
        return false;
      }
      if (Handled(t)) {
        stops_ ? t.DeliverToSyscall() : t.Continue();
        return false;
      }
      if (Crashed(t, r)) return true;
    }
    if (interrupted_) {
      if (r.rsp >= thread_.own().rsp && r.rsp < stack_end_) return Left(r);
      return PutBack(CallOutcome::Kind::kTimedOut, r);
    }
    if (kind == StopKind::kGroupStop) {
      t.Continue();  // job control: it stays stopped
    } else {
      GoOn(t);
    }
    return false;
  }

  static siginfo_t SignalInfo(const Tracee &t) {
    siginfo_t info{};
    ::ptrace(PTRACE_GETSIGINFO, t.tid(), nullptr, &info);
    return info;
  }

  void GoOn(Tracee &t) const { stops_ ? t.ContinueToSyscall() : t.Continue(); }

  // True for the store by which the runtime says whether it is to be stopped at system calls. It is skipped.
  bool SaidStops(Tracee &t, user_regs_struct r) {
    if (spec_.stops == 0 || t.signal() != SIGSEGV) return false;
    siginfo_t info = SignalInfo(t);
    uint64_t word = reinterpret_cast<uint64_t>(info.si_addr) - spec_.stops;
    if (info.si_code <= 0 || word > kStopsOn || word % kStopsOn != 0) return false;
    stops_ = word == kStopsOn;
    inside_ = false;
    r.rip += kStopsStoreLength;
    t.SetRegisters(r);
    t.Swallow();
    FaultPoint();
    return true;
  }

  // True for a fault that the runtime's handlers are to have. The time limit still holds.
  bool Handled(Tracee &t) {
    if (spec_.faults == HandledFaults::kNone || interrupted_) return false;
    siginfo_t info = SignalInfo(t);
    if (t.signal() == SIGTRAP) return info.si_code == TRAP_TRACE;
    if (t.signal() != SIGSEGV || info.si_code <= 0) return false;
    return spec_.faults == HandledFaults::kAll || info.si_code == SEGV_ACCERR;
  }

  bool Crashed(Tracee &t, const user_regs_struct &r) {
    int signal = t.signal();
    siginfo_t info = SignalInfo(t);
    t.Swallow();
    if (IsSynchronous(signal) && (info.si_code > 0 || info.si_code == SI_TKILL)) {
      outcome_.signal = signal;
      if (info.si_code > 0) outcome_.address = reinterpret_cast<uint64_t>(info.si_addr);
      return PutBack(CallOutcome::Kind::kCrashed, r);
    }
    // Sent by somebody to the program, which is to have it when the thread is its own again.
    if (signal == SIGSTOP) {
      thread_.OweStop();
    } else {
      owed_.push_back(signal);
    }
    return false;
  }

  bool Returned() {
    std::array<uint8_t, kResultSize> results{};
    target_.Read(TargetAddress{layout_.results}, results.data(), results.size());
    std::memcpy(outcome_.integers.data(), results.data(), 16);
    std::memcpy(outcome_.vector.data(), results.data() + 16, 16);
    FaultPoint();
    return PutBack(CallOutcome::Kind::kReturned, thread_.tracee().Registers());
  }

  bool PutBack(CallOutcome::Kind kind, const user_regs_struct &r) {
    outcome_.kind = kind;
    outcome_.pc = r.rip;
    uint64_t until = MonotonicNanoseconds() + kGraceNs;
    thread_.SetDeadline(until);
    timer_.Arm(until);
    thread_.tracee().SetExtendedState(saved_);
    FaultPoint();
    bool lost = forgotten_ && static_cast<long long>(thread_.own().rax) == kErestartRestartblock;
    thread_.Cure(lost);
    for (int signal : owed_) ::kill(target_.pid(), signal);
    return true;
  }

  bool Left(user_regs_struct r) {
    outcome_.kind = CallOutcome::Kind::kLeft;
    outcome_.pc = r.rip;
    if (!inside_ && Tracee::HideInterruption(r)) thread_.tracee().SetRegisters(r);
    thread_.Forget();
    for (int signal : owed_) ::kill(target_.pid(), signal);
    return true;
  }

  const Target &target_;
  const CallSpec &spec_;
  const CodePage &page_;
  TraceeTable &table_;
  WaitTimer &timer_;
  BorrowedThread &thread_;
  uint64_t stack_end_;
  uint64_t known_call_;
  std::vector<uint8_t> saved_;
  Layout layout_{};
  CallOutcome outcome_;
  std::vector<int> owed_;   // signals that were sent meanwhile
  uint64_t limit_ = 0;
  bool inside_ = false;     // a system call
  bool stops_ = true;       // at each of them
  bool interrupted_ = false;
  bool forgotten_ = false;  // how to go on with what was interrupted by borrowing
};

void AskFilters(const Tracee &tracee, pid_t process, const Gadgets &gadgets, uint64_t page, const CallSpec &spec) {
  int mode = SeccompMode(process, tracee.tid());
  if (mode == 0) return;
  SeccompFilters filters = SeccompFilters::Of(tracee, mode);
  if (!filters.Permits(SYS_rt_sigreturn, gadgets.syscall_return + 2, {}) ||
      !filters.Permits(SYS_rt_sigreturn, page + kCodeSyscallEnd, {})) {
    throw Failure("SECCOMP_DENIES", "the seccomp filter of process " + std::to_string(process) +
                                        " denies rt_sigreturn, without which no thread can be borrowed safely");
  }
  for (uint64_t number : spec.needs) {
    if (!filters.Permits(static_cast<int>(number), spec.function, {})) {
      throw Failure("SECCOMP_DENIES", "the seccomp filter of process " + std::to_string(process) +
                                          " denies system call " + std::to_string(number) +
                                          ", which keeping two versions of data coherent takes");
    }
  }
}

// Why a stopped thread cannot be used; none if it can.
std::optional<std::string> Objection(const Target &target, const Tracee &t, const user_regs_struct &r,
                                     const CallCandidate &candidate, const CallSpec &spec,
                                     const std::vector<Mapping> &maps) {
  if (r.cs != 0x33) throw Failure("WRONG_ARCHITECTURE", "thread " + std::to_string(t.tid()) + " runs 32-bit code");
  bool anywhere = candidate.pc == 0 && candidate.sp == 0;
  if (!anywhere && (r.rip != candidate.pc || r.rsp != candidate.sp)) return "they go on while they are looked at";
  if (InRestartableSequence(target, t, r)) return "they were inside restartable sequences";
  uint64_t owner = 0;
  if (spec.lock != 0) target.Read(TargetAddress{spec.lock}, &owner, sizeof owner);
  if (owner == (r.fs_base | 1)) return "they were about to store to data that changes";
  size_t space = SignalFrameSpace(t.ExtendedState().size()) + DataSize(spec) + kCallStack;
  if (!RoomOnOwnStack(maps, target.pid(), t.tid(), r.rsp, r.fs_base, space)) {
    return "none stands on a stack of its own with room for a call";
  }
  return std::nullopt;
}

// On the first candidate that fits.
CallOutcome CallOnce(const Target &target, const Gadgets &gadgets, const CallSpec &spec, CodePage &page,
                     const std::vector<Mapping> &maps, const std::vector<CallCandidate> &candidates, TraceeTable &table,
                     WaitTimer &timer, HoldDeadline *deadline) {
  pid_t process = target.pid();
  long options = table.OptionsFor(process);
  std::string last = "it has none that sleeps or runs";
  for (const CallCandidate &candidate : candidates) {
    if (HasShadowStack(process, candidate.tid)) {
      throw Failure("SHADOW_STACK", "process " + std::to_string(process) + " runs with a shadow stack");
    }
    Tracee *tracee = nullptr;
    try {
      tracee = &table.Attach(process, candidate.tid, options);
    } catch (const Failure &e) {
      if (Is(e, "NO_SUCH_THREAD")) continue;
      throw;
    }
    // Should we be stopped during the call, the thread is not to wait for us at a system call
    // for longer than the call may take anyway.
    HoldPermit permit(deadline, kStopLimitNs + spec.limit_ns + 2 * kGraceNs);
    uint64_t until = MonotonicNanoseconds() + kStopLimitNs;
    timer.Arm(until);
    try {
      BorrowedThread thread(table, *tracee, gadgets, until);
      if (!thread.Stop()) {
        last = "thread " + std::to_string(candidate.tid) + " did not stop";
        timer.Disarm();
        continue;
      }
      user_regs_struct r = tracee->Registers();
      if (auto objection = Objection(target, *tracee, r, candidate, spec, maps)) {
        last = *objection;
        if (Tracee::HideInterruption(r)) tracee->SetRegisters(r);
        timer.Disarm();
        continue;
      }
      AskFilters(*tracee, process, gadgets, page.address(), spec);
      Call call(target, spec, page, table, timer, thread, MappingOf(maps, r.rsp - 1)->end,
                candidate.call);
      CallOutcome outcome = call.Run();
      outcome.tid = candidate.tid;
      if (outcome.kind == CallOutcome::Kind::kRunning) page.Leave();
      timer.Disarm();
      return outcome;
    } catch (const Failure &e) {
      timer.Disarm();
      if (Is(e, "NO_SUCH_THREAD")) continue;
      // Wherever that happened, the thread may still have to come back by itself.
      page.Leave();
      throw;
    }
  }
  timer.Disarm();
  if (!target.Alive()) throw Failure("TARGET_GONE", "process " + std::to_string(process) + " has ended");
  throw Failure("NO_BORROWABLE_THREAD", "no thread of process " + std::to_string(process) + " can be borrowed: " + last);
}

constexpr int kLooksAtFirst = 25;
constexpr uint64_t kLookNs = 200'000;
constexpr uint64_t kMostRestNs = 5'000'000;

bool Sleeps(pid_t process, pid_t tid) {
  char state = ThreadState(process, tid);
  return state == 'S' || state == 'I';
}

void Rest(uint64_t nanoseconds) {
  struct timespec pause = {0, static_cast<long>(nanoseconds)};
  nanosleep(&pause, nullptr);
}

// The program has the processor for as long as it was just used. The first one is given a while more to go back to
// sleep, or to work if it has been woken; then any other that sleeps is to be taken.
std::vector<CallCandidate> NextTurn(pid_t process, std::vector<CallCandidate> candidates, uint64_t used_ns) {
  Rest(std::min(used_ns, kMostRestNs));
  for (int look = 0; look < kLooksAtFirst; ++look) {
    if (Sleeps(process, candidates.front().tid)) return candidates;
    Rest(kLookNs);
  }
  std::stable_partition(candidates.begin(), candidates.end(),
                        [process](const CallCandidate &c) { return Sleeps(process, c.tid); });
  return candidates;
}

}  // namespace

CallOutcome CallFunction(const Target &target, const Gadgets &gadgets, const CallSpec &spec,
                         const std::vector<CallCandidate> &candidates, TraceeTable &table, WaitTimer &timer,
                         HoldDeadline *deadline) {
  pid_t process = target.pid();
  if (DataSize(spec) > kMostCallData) throw Failure("CALL_TOO_LARGE", "the arguments are too large for a borrowed stack");
  CodePage page(target, gadgets, table, timer, deadline);
  std::vector<Mapping> maps = ReadMaps(process);
  uint64_t until = MonotonicNanoseconds() + spec.repeat_ns;
  std::vector<CallCandidate> turn = candidates;
  for (;;) {
    uint64_t begun = MonotonicNanoseconds();
    CallOutcome outcome = CallOnce(target, gadgets, spec, page, maps, turn, table, timer, deadline);
    bool again = spec.repeat_ns > 0 && outcome.kind == CallOutcome::Kind::kReturned && outcome.integers[0] == 1;
    uint64_t now = MonotonicNanoseconds();
    if (!again || now >= until) return outcome;
    FaultPoint();
    turn = NextTurn(process, candidates, now - begun);
  }
}

}  // namespace polus
