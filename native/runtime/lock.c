#include "lock.h"

#include "actions.h"
#include "polus_runtime.h"

enum { SPINS = 2000, PATIENCE_NS = 2000000 };
enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };

/*
 * One word says both that the lock is taken and by whom, so that at no instruction a thread has it without
 * being known to: a signal handler of its own may ask, and the engine that has stopped it.
 */
struct polus_lock polus_lock __attribute__((aligned(64)));

/* For the gate's instructions, which reach no symbol that is exported. */
extern struct polus_lock polus_gate_lock __attribute__((alias("polus_lock"), visibility("hidden")));

static int fsgsbase;

uint64_t thread_identity(void) {
  uint64_t base;
  if (fsgsbase) {
    __asm__ volatile("rdfsbase %0" : "=r"(base));
  } else {
    /* The thread control block's first word is its own address (ELF TLS, variant II). */
    __asm__ volatile("mov %%fs:0, %0" : "=r"(base));
  }
  return base | 1; /* never 0, also where the base is */
}

void lock_start(int with_fsgsbase) { fsgsbase = with_fsgsbase; }

int lock_fsgsbase(void) { return fsgsbase; }

void lock_after_fork(void) { polus_lock.waiting = 0; }

int lock_is_mine(void) { return __atomic_load_n(&polus_lock.owner, __ATOMIC_RELAXED) == thread_identity(); }

static int take(uint64_t me) {
  uint64_t expected = 0;
  return __atomic_load_n(&polus_lock.owner, __ATOMIC_RELAXED) == 0 &&
         __atomic_compare_exchange_n(&polus_lock.owner, &expected, me, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static int take_soon(uint64_t me) {
  for (int spins = 0; spins < SPINS; spins++) {
    if (take(me)) return 1;
    __asm__ volatile("pause");
  }
  return 0;
}

static void wait_and_take(uint64_t me) {
  static const struct { int64_t seconds, nanoseconds; } patience = {0, PATIENCE_NS};
  __atomic_fetch_add(&polus_lock.waiting, 1, __ATOMIC_SEQ_CST);
  for (;;) {
    uint32_t turn = __atomic_load_n(&polus_lock.turn, __ATOMIC_SEQ_CST);
    /* Who has let it go for a moment has it again before we run: it is let go again soon. */
    if (take_soon(me)) break;
    /* With a limit: in the child of a fork nobody is left who would wake us. */
    (void)POLUS_CALL(SYS_futex, &polus_lock.turn, FUTEX_WAIT_PRIVATE, turn, &patience, 0, 0);
  }
  __atomic_fetch_sub(&polus_lock.waiting, 1, __ATOMIC_SEQ_CST);
}

void lock_acquire(void) {
  uint64_t me = thread_identity();
  if (__atomic_load_n(&polus_lock.owner, __ATOMIC_RELAXED) != me && !take_soon(me)) wait_and_take(me);
  polus_lock.depth++;
}

void lock_release(void) {
  if (--polus_lock.depth > 0) return;
  (void)__atomic_exchange_n(&polus_lock.owner, 0, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&polus_lock.waiting, __ATOMIC_SEQ_CST) == 0) return;
  __atomic_fetch_add(&polus_lock.turn, 1, __ATOMIC_SEQ_CST);
  (void)POLUS_CALL(SYS_futex, &polus_lock.turn, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

void lock_breathe(void) {
  lock_release();
  /* A thread that spins looks again within that time. */
  for (int i = 0; i < 16; i++) __asm__ volatile("pause");
  lock_acquire();
}

enum { SIG_BLOCK_ = 0, SIG_SETMASK_ = 2 };

static uint64_t block_signals(void) {
  uint64_t most = ~SIGNALS_OF_OURS, before = 0;
  (void)POLUS_CALL(SYS_rt_sigprocmask, SIG_BLOCK_, &most, &before, sizeof most, 0, 0);
  return before;
}

static void set_mask(uint64_t mask) { (void)POLUS_CALL(SYS_rt_sigprocmask, SIG_SETMASK_, &mask, NULL, sizeof mask, 0, 0); }

uint64_t lock_enter(void) {
  uint64_t before = block_signals();
  lock_acquire();
  return before;
}

void lock_leave(uint64_t mask) {
  lock_release();
  set_mask(mask);
}

void lock_acquire_open(void) {
  uint64_t me = thread_identity();
  if (__atomic_load_n(&polus_lock.owner, __ATOMIC_RELAXED) != me && !take_soon(me)) {
    /* A handler that left while we wait would leave us counted among those who wait. */
    uint64_t mask = block_signals();
    wait_and_take(me);
    set_mask(mask);
  }
  polus_lock.depth++;
}
