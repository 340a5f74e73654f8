#include "borrowed_thread.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../arch/x86_64/signal_frame.h"
#include "fault.h"
#include "threads.h"

namespace polus {

namespace {

constexpr uint64_t kStackMargin = 4096;

// Number of the system call that ends at `pc`, if the instruction before it loads that (`mov
// $N,%eax; syscall`, as C libraries have it); else that of restart_syscall(2).
uint64_t NumberBefore(const Target &target, uint64_t pc) {
  uint8_t code[7];
  uint32_t number = 0;
  if (target.ReadSome(TargetAddress{pc - sizeof code}, code, sizeof code) != sizeof code || code[0] != 0xb8 ||
      code[5] != 0x0f || code[6] != 0x05) {
    return SYS_restart_syscall;
  }
  std::memcpy(&number, code + 1, sizeof number);
  return number;
}

}  // namespace

const Mapping *MappingOf(const std::vector<Mapping> &maps, uint64_t address) {
  auto after = std::upper_bound(maps.begin(), maps.end(), address,
                                [](uint64_t a, const Mapping &m) { return a < m.start; });
  if (after == maps.begin()) return nullptr;
  const Mapping &m = *(after - 1);
  return address < m.end ? &m : nullptr;
}

bool RoomOnOwnStack(const std::vector<Mapping> &maps, pid_t process, pid_t tid, uint64_t sp, uint64_t fs_base,
                    size_t space) {
  const Mapping *m = MappingOf(maps, sp - 1);
  if (m == nullptr || !m->write || m->shared) return false;
  bool own = false;
  if (m->path == "[stack]") {
    own = tid == process;
  } else if (m->path.empty()) {
    // glibc and musl put a thread's control block at the top of the stack they made for it.
    own = fs_base > sp && fs_base < m->end;
  }
  return own && sp >= m->start + kRedZone + space + kStackMargin;
}

bool InRestartableSequence(const Target &target, const Tracee &tracee, const user_regs_struct &registers) {
  struct {
    uint64_t area;
    uint32_t size, signature, flags, padding;
  } configuration{};
  constexpr int kGetRseqConfiguration = 0x420f;
  if (::ptrace(static_cast<__ptrace_request>(kGetRseqConfiguration), tracee.tid(),
               reinterpret_cast<void *>(sizeof configuration), &configuration) < 0 ||
      configuration.area == 0) {
    return false;
  }
  uint64_t section = 0;  // struct rseq.rseq_cs
  if (target.ReadSome(TargetAddress{configuration.area + 8}, &section, sizeof section) != sizeof section || section == 0) {
    return false;
  }
  struct {
    uint32_t version, flags;
    uint64_t start, length, abort;
  } cs{};
  if (target.ReadSome(TargetAddress{section}, &cs, sizeof cs) != sizeof cs) return true;
  return registers.rip - cs.start < cs.length;
}

BorrowedThread::~BorrowedThread() {
  if (tracee_ == nullptr || tracee_->gone() || !tracee_->stopped()) return;
  // The thread is held: its process cannot have been replaced by another of that number.
  if (owed_stop_) ::kill(tracee_->process(), SIGSTOP);
  table_.Release(*tracee_);
}

bool BorrowedThread::Stop() {
  tracee_->AskToStop();
  for (;;) {
    switch (tracee_->Wait(deadline_ns_)) {
      case StopKind::kInterrupt:
      case StopKind::kGroupStop:
        return true;
      case StopKind::kTimeout:
        return false;
      case StopKind::kGone:
        Lost();
        throw Failure("NO_SUCH_THREAD", "the borrowed thread has ended");
      case StopKind::kClone:
        table_.NoteBirth(*tracee_);
        tracee_->Continue();
        break;
      case StopKind::kExec:
        table_.Executed(*std::exchange(tracee_, nullptr));
        throw Failure("TARGET_GONE", "the process has executed another program");
      case StopKind::kSignal: {
        user_regs_struct registers = tracee_->Registers();
        if (Tracee::HideInterruption(registers)) tracee_->SetRegisters(registers);
        tracee_->Continue();
        break;
      }
      default:
        tracee_->Continue();
        break;
    }
  }
}

void BorrowedThread::Infect(const Target &target, uint64_t blocked, uint64_t known_call) {
  own_ = tracee_->Registers();
  // At once: should we die, the program is not to see an EINTR of ours.
  if (Tracee::HideInterruption(own_)) tracee_->SetRegisters(own_);
  call_ = own_.orig_rax;
  if (call_ == SYS_restart_syscall && known_call != 0) call_ = known_call;
  if (call_ == SYS_restart_syscall) call_ = NumberBefore(target, own_.rip);
  mask_ = tracee_->SignalMask();
  xstate_ = tracee_->ExtendedState();

  SignalFrame frame = BuildSignalFrame(own_.rsp - kRedZone, Alone(), xstate_, mask_, gadgets_.sigreturn);
  frame_ = frame.address;
  FaultPoint();
  target.Write(TargetAddress{frame_}, frame.bytes.data(), frame.bytes.size());
  FaultPoint();
  // First the registers, then the mask: if we die in between, the frame restores both.
  tracee_->SetRegisters(Harmless());
  infected_ = true;
  FaultPoint();
  tracee_->SetSignalMask(blocked);
  FaultPoint();
}

int64_t BorrowedThread::Run(const RemoteCall &call) {
  // Until the kernel has entered a call, the one that would run without us is rt_sigreturn.
  tracee_->SetRegisters(Harmless());
  tracee_->ContinueToSyscall();
  AwaitSyscallStop();
  FaultPoint();
  user_regs_struct r = tracee_->Registers();
  r.orig_rax = static_cast<unsigned long long>(call.number);
  r.rsp = frame_;
  r.rdi = call.arguments[0];
  r.rsi = call.arguments[1];
  r.rdx = call.arguments[2];
  r.r10 = call.arguments[3];
  r.r8 = call.arguments[4];
  r.r9 = call.arguments[5];
  tracee_->SetRegisters(r);
  FaultPoint();
  tracee_->ContinueToSyscall();
  FaultPoint();
  AwaitSyscallStop();
  FaultPoint();
  return static_cast<int64_t>(tracee_->Registers().rax);
}

void BorrowedThread::Cure(bool run_again) {
  if (!infected_) return;
  tracee_->Interrupt();
  tracee_->SetRegisters(Harmless());
  tracee_->Continue();
  for (;;) {
    StopKind kind = tracee_->Wait(deadline_ns_);
    if (kind == StopKind::kInterrupt || kind == StopKind::kGroupStop) break;
    if (kind == StopKind::kGone) Ended();
    if (kind == StopKind::kTimeout) throw Failure("CANNOT_STOP", "the borrowed thread did not come back");
    tracee_->Continue();
  }
  FaultPoint();
  tracee_->SetSignalMask(mask_);
  FaultPoint();
  tracee_->SetRegisters(run_again ? Alone() : own_);
  infected_ = false;
  FaultPoint();
}

void BorrowedThread::Ended() {
  Lost();
  throw Failure("TARGET_GONE", "the borrowed thread has ended");
}

void BorrowedThread::Forget() {
  tracee_->SetSignalMask(mask_);
  infected_ = false;
}

// About to call rt_sigreturn on the frame: what the thread does if it is let go.
user_regs_struct BorrowedThread::Harmless() const {
  user_regs_struct r = own_;
  r.rip = gadgets_.syscall_return;
  r.rax = SYS_rt_sigreturn;
  r.orig_rax = ~0ull;
  r.rsp = frame_ + 8;
  r.eflags &= ~0x100ull;  // no single step
  return r;
}

// What the kernel is to put back if we are not there to do it: an interrupted call is run again
// from its own instruction (time-outs start anew, which the tracer's way, in Cure, avoids).
user_regs_struct BorrowedThread::Alone() const {
  user_regs_struct alone = own_;
  if (Tracee::InterruptedCall(alone)) {
    alone.orig_rax = ~0ull;
    if (call_ == SYS_restart_syscall) {
      alone.rax = static_cast<unsigned long long>(-EINTR);  // as the kernel would have it
    } else {
      alone.rax = call_;
      alone.rip -= 2;
    }
  }
  return alone;
}

void BorrowedThread::AwaitSyscallStop() {
  for (;;) {
    switch (tracee_->Wait(deadline_ns_)) {
      case StopKind::kSyscall:
        return;
      case StopKind::kGone:
        Ended();
      case StopKind::kTimeout:
        throw Failure("CANNOT_STOP", "a borrowed call did not return in time");
      case StopKind::kSignal:
        // All others are masked: somebody stops the process. Not in the middle of our call.
        if (tracee_->signal() == SIGSTOP) owed_stop_ = true;
        tracee_->ContinueToSyscall();
        break;
      default:
        tracee_->ContinueToSyscall();
        break;
    }
  }
}

}  // namespace polus
