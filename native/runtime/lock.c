#include "lock.h"

#include "syscalls.h"

enum { FREE = 0, HELD = 1, WAITED_FOR = 2, SPINS = 2000 };
enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };

static struct {
  uint32_t word;
  uint32_t depth; /* only its holder looks */
  uint64_t owner; /* 0: nobody; others may look, and only compare it with their own */
  int fsgsbase;
} lock __attribute__((aligned(64)));

uint64_t thread_identity(void) {
  uint64_t base;
  if (lock.fsgsbase) {
    __asm__ volatile("rdfsbase %0" : "=r"(base));
  } else {
    /* The thread control block's first word is its own address (ELF TLS, variant II). */
    __asm__ volatile("mov %%fs:0, %0" : "=r"(base));
  }
  return base | 1; /* never 0, also where the base is */
}

void lock_start(int fsgsbase) { lock.fsgsbase = fsgsbase; }

int lock_is_mine(void) { return __atomic_load_n(&lock.owner, __ATOMIC_RELAXED) == thread_identity(); }

static int take(uint32_t as) {
  uint32_t expected = FREE;
  return __atomic_compare_exchange_n(&lock.word, &expected, as, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void lock_acquire(void) {
  uint64_t me = thread_identity();
  if (__atomic_load_n(&lock.owner, __ATOMIC_RELAXED) == me) {
    lock.depth++;
    return;
  }
  int spins = 0;
  while (!take(HELD)) {
    if (++spins < SPINS) {
      __asm__ volatile("pause");
      continue;
    }
    /* Drepper, "Futexes are tricky", mutex 2: whoever waited takes it as waited for. */
    while (__atomic_exchange_n(&lock.word, WAITED_FOR, __ATOMIC_ACQUIRE) != FREE) {
      (void)POLUS_CALL(SYS_futex, &lock.word, FUTEX_WAIT_PRIVATE, WAITED_FOR, 0, 0, 0);
    }
    break;
  }
  __atomic_store_n(&lock.owner, me, __ATOMIC_RELAXED);
  lock.depth = 1;
}

void lock_release(void) {
  if (--lock.depth > 0) return;
  __atomic_store_n(&lock.owner, 0, __ATOMIC_RELAXED);
  if (__atomic_exchange_n(&lock.word, FREE, __ATOMIC_RELEASE) == WAITED_FOR) {
    (void)POLUS_CALL(SYS_futex, &lock.word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
  }
}

enum { SIG_BLOCK_ = 0, SIG_SETMASK_ = 2, SIGNAL_TRAP = 5, SIGNAL_SEGMENT = 11 };

uint64_t lock_enter(void) {
  /* Not the two that our own stores and steps may raise: the kernel kills whoever blocks those. */
  uint64_t most = ~(UINT64_C(1) << (SIGNAL_TRAP - 1) | UINT64_C(1) << (SIGNAL_SEGMENT - 1)), before = 0;
  (void)POLUS_CALL(SYS_rt_sigprocmask, SIG_BLOCK_, &most, &before, sizeof most, 0, 0);
  lock_acquire();
  return before;
}

void lock_leave(uint64_t mask) {
  lock_release();
  (void)POLUS_CALL(SYS_rt_sigprocmask, SIG_SETMASK_, &mask, NULL, sizeof mask, 0, 0);
}
