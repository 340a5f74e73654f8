#include "gates.h"

#include "actions.h"
#include "context.h"
#include "lock.h"
#include "memory.h"
#include "polus_runtime.h"

enum { SIG_SETMASK_ = 2, SA_SIGINFO_ = 4, INFORMATION = 128, MOST_DEFERRED = 256 };
/** Marks a handler that was set without SA_SIGINFO, in a bit that no address of a program's code has. */
#define PLAIN (UINT64_C(1) << 63)

/* Where the gate leads; read without the lock, each word whole. Entries stay, for signals that are on their way. */
uint64_t polus_gate_handlers[LAST_SIGNAL + 1] __attribute__((visibility("hidden")));
uint8_t polus_gate_fsgsbase __attribute__((visibility("hidden")));

static struct {
  long process; /* whose handlers stand behind the gate; 0: nobody's */
  uint8_t plain[LAST_SIGNAL + 1];
  struct action kernel[LAST_SIGNAL + 1]; /* what the kernel was told */
} gates;

/* Signals that were put off. An entry is its owner's from `owner` set to `owner` zero. */
static struct deferred {
  uint64_t owner;
  uint64_t turn; /* the highest of one owner's is of the frame that interrupted the stub */
  uint64_t mask;
  uint8_t information[INFORMATION];
} deferred[MOST_DEFERRED];
static uint64_t deferred_turn;
static uint32_t deferred_count;

void polus_gate(void) __attribute__((visibility("hidden")));

/* Destroys what a handler may destroy, and neither rdi, rsi nor rdx. */
__asm__(
    ".pushsection .text\n"
    ".hidden polus_gate\n.type polus_gate, @function\n"
    "polus_gate:\n"
    "  cmpb $0, polus_gate_fsgsbase(%rip)\n"
    "  je 1f\n"
    "  rdfsbase %rax\n"
    "  jmp 2f\n"
    "1: mov %fs:0, %rax\n"
    "2: or $1, %rax\n"
    "  cmp polus_gate_lock(%rip), %rax\n"
    "  je polus_gate_defer\n"
    "  lea polus_gate_handlers(%rip), %rax\n"
    "  movslq %edi, %rcx\n"
    "  mov (%rax,%rcx,8), %rax\n"
    "  btr $63, %rax\n"
    "  notrack jmp *%rax\n"
    ".size polus_gate, . - polus_gate\n"
    ".popsection\n");

static uint64_t gate(void) { return (uint64_t)polus_gate; }

void polus_gate_defer(int number, const void *information, struct user_context *user) __attribute__((visibility("hidden")));
void polus_gate_defer(int number, const void *information, struct user_context *user) {
  /* The holder of the lock is the only one who takes an entry, and all but one of its signals are blocked from now on. */
  for (unsigned i = 0;; i = (i + 1) % MOST_DEFERRED) { /* owners empty theirs without the lock, and at once */
    struct deferred *one = &deferred[i];
    if (__atomic_load_n(&one->owner, __ATOMIC_ACQUIRE) != 0) continue;
    memcpy(one->information, information, INFORMATION);
    one->mask = user->mask;
    one->turn = ++deferred_turn;
    __atomic_store_n(&one->owner, thread_identity(), __ATOMIC_RELAXED);
    __atomic_fetch_add(&deferred_count, 1, __ATOMIC_RELAXED);
    break;
  }
  /* With SA_RESETHAND the action is gone by now, and the signal will be delivered once more. */
  struct action now;
  if (!polus_failed(set_action(number, NULL, &now)) && now.handler == 0) (void)set_action(number, &gates.kernel[number], NULL);
  user->mask = ~SIGNALS_OF_OURS;
}

/* Sends this thread again what was put off. Returns whether there was any; then signals are blocked, and `mask` was before. */
static int send_again(uint64_t *mask) {
  uint64_t me = thread_identity(), latest = 0;
  long process = 0, thread = 0;
  for (unsigned i = 0; i < MOST_DEFERRED; i++) {
    struct deferred *one = &deferred[i];
    if (__atomic_load_n(&one->owner, __ATOMIC_RELAXED) != me) continue;
    if (process == 0) {
      process = POLUS_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0);
      thread = POLUS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
    }
    if (one->turn > latest) latest = one->turn, *mask = one->mask;
    int32_t number;
    memcpy(&number, one->information, sizeof number);
    (void)POLUS_CALL(SYS_rt_tgsigqueueinfo, process, thread, number, one->information, 0, 0);
    __atomic_fetch_sub(&deferred_count, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&one->owner, 0, __ATOMIC_RELEASE);
  }
  return process != 0;
}

void gates_release(void) {
  int last = polus_lock.depth == 1;
  lock_release();
  /* Looked at afterwards: one may have been put off at the last instruction before. */
  if (!last || __atomic_load_n(&deferred_count, __ATOMIC_RELAXED) == 0) return;
  uint64_t mask;
  if (send_again(&mask)) (void)POLUS_CALL(SYS_rt_sigprocmask, SIG_SETMASK_, &mask, NULL, sizeof mask, 0, 0);
}

static int may_be_covered(long number) {
  return number >= 1 && number <= LAST_SIGNAL && number != SIGNAL_KILL && number != SIGNAL_STOP &&
         number != SIGNAL_SEGMENT && number != SIGNAL_TRAP;
}

int gates_cover(long number) {
  return gates.process != 0 && may_be_covered(number) &&
         POLUS_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0) == gates.process;
}

void gates_hide(long number, uint64_t *handler, uint32_t *flags) {
  if (*handler <= 1) return;
  __atomic_store_n(&polus_gate_handlers[number], *handler | (*flags & SA_SIGINFO_ ? 0 : PLAIN), __ATOMIC_RELAXED);
  *handler = gate();
  *flags |= SA_SIGINFO_; /* what is put off needs it, and no handler can tell */
}

void gates_show(uint64_t was, uint64_t *handler, uint32_t *flags) {
  if (*handler != gate()) return;
  *handler = was & ~PLAIN;
  if (was & PLAIN) *flags &= ~(uint32_t)SA_SIGINFO_;
}

uint64_t gates_handler(long number) { return polus_gate_handlers[number]; }

void gates_remember(long number, uint64_t handler) {
  __atomic_store_n(&polus_gate_handlers[number], handler, __ATOMIC_RELAXED);
}

void gates_installed(long number) { (void)set_action(number, NULL, &gates.kernel[number]); }

void gates_after_fork(void) {
  if (gates.process != 0) gates.process = POLUS_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0);
  /* Of those who had put something off only the one that forks is here, and it has not. */
  memset(deferred, 0, sizeof deferred);
  deferred_count = 0;
}

long polus_runtime_gate(long on) {
  uint64_t mask = lock_enter();
  polus_gate_fsgsbase = (uint8_t)lock_fsgsbase();
  gates.process = on ? POLUS_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0) : 0;
  for (long number = 1; number <= LAST_SIGNAL; number++) {
    struct action action;
    if (!may_be_covered(number) || polus_failed(set_action(number, NULL, &action))) continue;
    uint32_t flags = (uint32_t)action.flags;
    int stands = action.handler == gate();
    if (stands == (on != 0) || (on && action.handler <= 1)) continue;
    if (on) gates_hide(number, &action.handler, &flags);
    else gates_show(gates_handler(number), &action.handler, &flags);
    action.flags = (action.flags & ~(uint64_t)UINT32_MAX) | flags;
    (void)set_action(number, &action, NULL);
    gates.kernel[number] = action;
  }
  lock_leave(mask);
  return 0;
}
