/* System calls without libc (x86-64: syscall(2), "Architecture calling conventions"). Results are -errno. */
#ifndef POLUS_SYSCALLS_H
#define POLUS_SYSCALLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

static inline long polus_call6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

#define POLUS_CALL(number, a, b, c, d, e, f)                                                   \
  polus_call6((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

enum {
  POLUS_PROT_NONE = 0, POLUS_PROT_READ = 1, POLUS_PROT_WRITE = 2, POLUS_PROT_EXEC = 4,
  POLUS_MAP_SHARED = 1, POLUS_MAP_PRIVATE = 2, POLUS_MAP_FIXED = 0x10, POLUS_MAP_ANONYMOUS = 0x20,
  POLUS_MREMAP_MAYMOVE = 1, POLUS_MREMAP_FIXED = 2,
};

static inline int polus_failed(long result) { return result < 0 && result >= -4095; }

static inline long polus_mmap(void *at, size_t size, int protection, int flags, int descriptor, long offset) {
  return POLUS_CALL(SYS_mmap, at, size, protection, flags, descriptor, offset);
}
static inline long polus_munmap(void *at, size_t size) { return POLUS_CALL(SYS_munmap, at, size, 0, 0, 0, 0); }
static inline long polus_mprotect(void *at, size_t size, int protection) {
  return POLUS_CALL(SYS_mprotect, at, size, protection, 0, 0, 0);
}
static inline long polus_mremap(void *at, size_t size, size_t to_size, int flags, void *to) {
  return POLUS_CALL(SYS_mremap, at, size, to_size, flags, to, 0);
}

#endif
