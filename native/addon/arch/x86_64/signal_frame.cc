#include "signal_frame.h"

#include <cpuid.h>

#include <algorithm>
#include <cstring>

namespace polus {

namespace {

// struct sigcontext_64
struct SigContext {
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags;
  uint16_t cs, gs, fs, ss;
  uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};
static_assert(sizeof(SigContext) == 256);

struct UserContext {
  uint64_t flags;
  uint64_t link;
  uint64_t stack_pointer;
  int32_t stack_flags;
  int32_t stack_padding;
  uint64_t stack_size;
  SigContext context;
  uint64_t mask;
};
static_assert(sizeof(UserContext) == 304);

struct RtFrame {
  uint64_t restorer;
  UserContext user;
  uint8_t info[128];
};
static_assert(sizeof(RtFrame) == 440);

constexpr uint64_t kFpXstate = 1;           // UC_FP_XSTATE
constexpr uint64_t kSigcontextSs = 2;       // UC_SIGCONTEXT_SS
constexpr uint64_t kStrictRestoreSs = 4;    // UC_STRICT_RESTORE_SS
constexpr uint32_t kMagic1 = 0x46505853;    // FP_XSTATE_MAGIC1
constexpr uint32_t kMagic2 = 0x46505845;    // FP_XSTATE_MAGIC2
constexpr size_t kSoftwareBytesAt = 464;
constexpr size_t kHeaderAt = 512;
constexpr size_t kLegacySize = 576;         // legacy area and header
constexpr uint64_t kTileData = uint64_t{1} << 18;
// A mode that sigaltstack refuses: rt_sigreturn squashes that error, and so leaves the
// thread's alternate stack, which ptrace cannot read, as it is.
constexpr int32_t kNoSuchStackMode = 0x40;

// Size of the uncompacted image for a set of features (CPUID leaf 0xD).
size_t ImageSize(uint64_t features) {
  size_t size = kLegacySize;
  for (unsigned i = 2; i < 63; ++i) {
    if ((features >> i & 1) == 0) continue;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(0xD, i, &a, &b, &c, &d) == 0) continue;
    if ((c & 1) != 0) continue;  // supervisor state, not in a user image
    size = std::max<size_t>(size, size_t{a} + b);
  }
  return size;
}

}  // namespace

size_t SignalFrameSpace(size_t xstate_size) { return sizeof(RtFrame) + xstate_size + 4 + 64 + 32; }

SignalFrame BuildSignalFrame(uint64_t below, const user_regs_struct &registers, const std::vector<uint8_t> &xstate,
                             uint64_t mask, uint64_t restorer) {
  // The first software word of ptrace's image is the mask of features that it describes.
  uint64_t features = 0, present = 0;
  if (xstate.size() >= kLegacySize) {
    std::memcpy(&features, xstate.data() + kSoftwareBytesAt, sizeof features);
    std::memcpy(&present, xstate.data() + kHeaderAt, sizeof present);
  }
  // AMX tiles are permitted a thread on demand; the kernel refuses a frame that is larger
  // than what this thread may have.
  if ((present & kTileData) == 0) features &= ~kTileData;
  size_t image = std::min(xstate.size(), ImageSize(features));

  uint64_t state_at = (below - image - 4) & ~uint64_t{63};
  uint64_t frame_at = ((state_at - sizeof(RtFrame)) & ~uint64_t{15}) - 8;

  SignalFrame frame{frame_at, std::vector<uint8_t>(state_at + image + 4 - frame_at)};
  RtFrame rt{};
  rt.restorer = restorer;
  rt.user.flags = kFpXstate | kSigcontextSs | kStrictRestoreSs;
  rt.user.stack_flags = kNoSuchStackMode;
  SigContext &c = rt.user.context;
  c.r8 = registers.r8;
  c.r9 = registers.r9;
  c.r10 = registers.r10;
  c.r11 = registers.r11;
  c.r12 = registers.r12;
  c.r13 = registers.r13;
  c.r14 = registers.r14;
  c.r15 = registers.r15;
  c.di = registers.rdi;
  c.si = registers.rsi;
  c.bp = registers.rbp;
  c.bx = registers.rbx;
  c.dx = registers.rdx;
  c.ax = registers.rax;
  c.cx = registers.rcx;
  c.sp = registers.rsp;
  c.ip = registers.rip;
  c.flags = registers.eflags;
  c.cs = static_cast<uint16_t>(registers.cs);
  c.ss = static_cast<uint16_t>(registers.ss);
  c.fpstate = state_at;
  rt.user.mask = mask;
  std::memcpy(frame.bytes.data(), &rt, sizeof rt);

  uint8_t *state = frame.bytes.data() + (state_at - frame_at);
  std::memcpy(state, xstate.data(), image);
  struct {
    uint32_t magic1, extended_size;
    uint64_t features;
    uint32_t image_size, padding[7];
  } software{kMagic1, static_cast<uint32_t>(image + 4), features, static_cast<uint32_t>(image), {}};
  static_assert(sizeof software == 48);
  std::memcpy(state + kSoftwareBytesAt, &software, sizeof software);
  std::memcpy(state + image, &kMagic2, sizeof kMagic2);
  return frame;
}

}  // namespace polus
