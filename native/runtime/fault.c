#include "fault.h"

#include "actions.h"
#include "careful.h"
#include "lock.h"
#include "map.h"
#include "sites.h"
#include "slow.h"
#include "stops.h"
#include "store.h"
#include "syscalls.h"

enum { SA_SIGINFO_ = 4, SA_ONSTACK_ = 0x08000000, SA_NODEFER_ = 0x40000000, SA_RESTORER_ = 0x04000000 };
enum { SA_RESETHAND_ = (int)0x80000000 };
enum { PAGE_FAULT = 14, ERROR_WRITE = 2, SIG_SETMASK_ = 2, TRIES = 8 };

/** The head of siginfo_t, which is all that we read. */
struct signal_info {
  int32_t number, error, code, padding;
  uint64_t address;
};

typedef void simple_handler(int);
typedef void full_handler(int, struct signal_info *, struct user_context *);

static struct action theirs[2]; /* the program's: SIGSEGV, SIGTRAP */

__asm__(
    ".pushsection .text\n"
    ".type polus_restorer, @function\n"
    ".hidden polus_restorer\n"
    "polus_restorer:\n"
    "  mov $15, %eax\n" /* rt_sigreturn; debuggers know the frame by these two instructions */
    "  syscall\n"
    ".size polus_restorer, . - polus_restorer\n"
    ".popsection\n");
extern void polus_restorer(void);

/* What the kernel would have done if our handler did not stand before the program's. */
static void pass_on(int number, struct signal_info *info, struct user_context *user) {
  struct action *action = &theirs[number == SIGNAL_TRAP];
  struct action now = *action;
  if (now.handler == 1 && info->code <= 0) return;
  if (now.handler <= 1) {
    /* A fault comes again when we return, and ends the program where it happened; a sent signal does not. */
    struct action none = {0};
    (void)set_action(number, &none, NULL);
    if (info->code <= 0 || number == SIGNAL_TRAP) {
      long pid = POLUS_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0), tid = POLUS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
      (void)POLUS_CALL(SYS_tgkill, pid, tid, number, 0, 0, 0);
    }
    return;
  }
  if (now.flags & (uint32_t)SA_RESETHAND_) action->handler = 0;
  uint64_t mask = user->mask | now.mask;
  if (!(now.flags & SA_NODEFER_)) mask |= SIGNAL_BIT(number);
  /* Ours must stay open: a store to a guarded page inside the program's handler would end it. */
  mask &= ~SIGNAL_BIT(SIGNAL_SEGMENT);
  (void)POLUS_CALL(SYS_rt_sigprocmask, SIG_SETMASK_, &mask, NULL, 8, 0, 0);
  if (now.flags & SA_SIGINFO_) ((full_handler *)now.handler)(number, info, user);
  else ((simple_handler *)now.handler)(number);
}

/*
 * A page that is plain by now is worth another try, but a program may have faults of its own there: so the
 * same instruction of the same thread is tried a few times, not for ever.
 */
static int worth_another_try(const struct context *context) {
  static struct {
    uint64_t thread, instruction, address;
    int count;
  } last;
  uint64_t thread = thread_identity(), instruction = context->registers[CONTEXT_RIP];
  if (last.thread != thread || last.instruction != instruction || last.address != context->cr2) {
    last.thread = thread, last.instruction = instruction, last.address = context->cr2;
    last.count = 0;
  }
  return ++last.count < TRIES;
}

static int handle_store(struct page *page, struct user_context *user) {
  struct context *context = &user->context;
  if (slow_runs()) return slow_open(page, user) == 0;
  polus_control.traps++;
  if (sites_replace(context->registers[CONTEXT_RIP])) {
    /* Once the jump is there the thread takes it; until then the store is performed as any. */
    static const uint8_t jump = 0xe9;
    uint8_t first;
    if (careful_copy(&first, (const void *)context->registers[CONTEXT_RIP], 1) == 0 && first == jump) return 1;
  }
  sites_note(context->registers[CONTEXT_RIP]);
  switch (store_perform(context)) {
    case STORE_DONE: return 1;
    case STORE_FAULT: return 0;
    default: break;
  }
  if (slow_open(page, user) < 0) return 0;
  lock_acquire(); /* once more: it is kept until the step is done */
  return 1;
}

static int handle(struct user_context *user) {
  struct context *context = &user->context;
  struct page *page = page_of(context->cr2);
  if (page == NULL) return 0;
  switch (page->state) {
    case PAGE_GUARDED: return (context->error & ERROR_WRITE) != 0 && handle_store(page, user);
    case PAGE_RETIRED: return retired_page_touched(page, context->cr2) == 0;
    default: return worth_another_try(context);
  }
}

static void on_segment(int number, struct signal_info *info, struct user_context *user) {
  struct context *context = &user->context;
  if (info->code > 0 && context->trap == PAGE_FAULT) {
    uint64_t said = stops_said(context->cr2);
    context->registers[CONTEXT_RIP] += said;
    if (said > 0) return;
    if (lock_is_mine() && careful_fault(context)) return;
    lock_acquire();
    /* Looked at again under the lock: the page may have been opened since. */
    int handled = handle(user);
    lock_release();
    if (handled) {
      context->registers[CONTEXT_RIP] = sites_continue(context->registers[CONTEXT_RIP]);
      return;
    }
  }
  context->registers[CONTEXT_RIP] = sites_program_counter(context->registers[CONTEXT_RIP]);
  pass_on(number, info, user);
}

static void on_trap(int number, struct signal_info *info, struct user_context *user) {
  if (info->code <= 0 || !slow_runs()) {
    pass_on(number, info, user);
    return;
  }
  slow_close(user);
  lock_release();
  user->context.registers[CONTEXT_RIP] = sites_continue(user->context.registers[CONTEXT_RIP]);
}

static long install(int number, full_handler *handler, struct action *before) {
  long result = set_action(number, NULL, before);
  if (polus_failed(result)) return POLUS_FAULT_KERNEL + result;
  struct action ours = {
      (uint64_t)handler,
      SA_SIGINFO_ | SA_NODEFER_ | SA_RESTORER_ | (before->flags & SA_ONSTACK_),
      polus_restorer,
      ~SIGNAL_BIT(SIGNAL_SEGMENT),
  };
  result = set_action(number, &ours, NULL);
  return polus_failed(result) ? POLUS_FAULT_KERNEL + result : 0;
}

long fault_start(void) {
  long result = install(SIGNAL_TRAP, on_trap, &theirs[1]);
  return result < 0 ? result : install(SIGNAL_SEGMENT, on_segment, &theirs[0]);
}

long polus_runtime_action(long number, const void *to, void *before) {
  if (number != SIGNAL_SEGMENT && number != SIGNAL_TRAP) return -1;
  lock_acquire();
  struct action *action = &theirs[number == SIGNAL_TRAP];
  if (before != NULL) memcpy(before, action, sizeof *action);
  if (to != NULL) memcpy(action, to, sizeof *action);
  lock_release();
  return 0;
}
