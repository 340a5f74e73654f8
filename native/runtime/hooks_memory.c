/* Hooks of what gives a process other memory, or other rights to it. */
#include "hooks.h"
#include "lock.h"
#include "map.h"
#include "syscalls.h"

enum { ERROR_MEMORY = 12 };

static long forked(enum hook_number number) {
  if (!polus_control.started) return previous_of(number)(0, 0, 0, 0, 0, 0);
  if (polus_runtime_before_fork() < 0) {
    set_errno(ERROR_MEMORY);
    return -1;
  }
  long child = previous_of(number)(0, 0, 0, 0, 0, 0);
  /* An int, and -1 where there is no child. */
  polus_runtime_after_fork((int)child == 0);
  return child;
}

long polus_hook__Fork(long a, long b, long c, long d, long e, long f) {
  (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
  return forked(HOOK__Fork);
}

long polus_hook_fork(long a, long b, long c, long d, long e, long f) {
  (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
  return forked(HOOK_fork);
}

/** Whether a page is guarded, and how many pages from there on are as it is, up to `last`. */
static int alike(uint64_t number, uint64_t last, uint64_t *count) {
  int first = (int)polus_runtime_guards((void *)(number * PAGE_SIZE), 1);
  for (*count = 1; number + *count <= last; ++*count) {
    if ((int)polus_runtime_guards((void *)((number + *count) * PAGE_SIZE), 1) != first) break;
  }
  return first;
}

/* Guarded pages stay as they are: the runtime makes them writable again when it lets them go. */
long polus_hook_mprotect(long at, long size, long protection, long d, long e, long f) {
  hooked_call *previous = previous_of(HOOK_mprotect);
  if (nothing_is_guarded() || size <= 0 || !polus_runtime_guards((void *)at, (size_t)size)) {
    return previous(at, size, protection, d, e, f);
  }
  uint64_t last = ((uint64_t)at + (uint64_t)size - 1) / PAGE_SIZE;
  for (uint64_t number = (uint64_t)at / PAGE_SIZE, count; number <= last; number += count) {
    if (alike(number, last, &count)) continue;
    long result = previous((long)(number * PAGE_SIZE), (long)(count * PAGE_SIZE), protection, d, e, f);
    if ((int)result != 0) return result;
  }
  return 0;
}

/* Objects go with their memory; other memory may come to the same place. */
long polus_hook_munmap(long at, long size, long c, long d, long e, long f) {
  if (polus_control.started && size > 0) polus_runtime_forget((const void *)at, (size_t)size);
  return previous_of(HOOK_munmap)(at, size, c, d, e, f);
}

/* What moves or shrinks is let go first: guarded pages cannot move, as the kernel would move ours. */
long polus_hook_mremap(long at, long size, long to_size, long flags, long to, long f) {
  if (polus_control.started && size > 0 && (to_size < size || (flags & POLUS_MREMAP_MAYMOVE) != 0)) {
    polus_runtime_forget((const void *)at, (size_t)size);
  }
  return previous_of(HOOK_mremap)(at, size, to_size, flags, to, f);
}
