/* Confinement of a target: what real servers do to their sessions. */
#include "target.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "target: %s: %s\n", what, strerror(errno));
  _exit(2);
}

/* Bytes of address space in use, from /proc/self/statm. */
static unsigned long address_space(void) {
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  require(file && fscanf(file, "%lu", &pages) == 1, "/proc/self/statm");
  fclose(file);
  return pages * (unsigned long)sysconf(_SC_PAGESIZE);
}

/* Fills what is free between the mappings from `from` to `to`, as /proc/self/maps shows them. */
static void crowd_gaps(unsigned long from, unsigned long to) {
  static struct {
    unsigned long start, end;
  } gaps[512];
  int count = 0;
  unsigned long last = from, start, end;
  FILE *maps = fopen("/proc/self/maps", "re");
  require(maps != NULL, "/proc/self/maps");
  while (fscanf(maps, "%lx-%lx%*[^\n]", &start, &end) == 2) {
    if (start > last && start > from && last < to && count < 512) {
      gaps[count].start = last;
      gaps[count++].end = start < to ? start : to;
    }
    if (end > last) last = end;
  }
  fclose(maps);
  for (int i = 0; i < count; i++) {
    if (gaps[i].end > gaps[i].start) {
      mmap((void *)gaps[i].start, gaps[i].end - gaps[i].start, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    }
  }
}

/*
 * Reserves all address space within 2 GiB of our own code, so that nothing can
 * be mapped where a near jump would reach it.
 */
static void crowd(void) {
  const unsigned long reach = 0x80000000ul, page = 4096;
  unsigned long here = (unsigned long)&crowd & ~(page - 1);
  unsigned long from = here > reach + 0x10000 ? here - reach : 0x10000;
  crowd_gaps(from, here + reach);
}

#define FIELD(member) ((unsigned)offsetof(struct seccomp_data, member))
#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(member))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define ALLOW_CALL(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), ALLOW
/* Allowed unless its third argument (the protection) asks for execution. */
#define ALLOW_UNLESS_EXECUTABLE(number)                                                            \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 4), LOAD(args[2]),                              \
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1), KILL, ALLOW

static void filter_calls(bool sigreturn) {
  struct sock_filter filter[] = {
      LOAD(arch),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      KILL,
      LOAD(nr),
      ALLOW_CALL(__NR_read),
      ALLOW_CALL(__NR_write),
      ALLOW_CALL(__NR_exit),
      ALLOW_CALL(__NR_exit_group),
      ALLOW_CALL(__NR_futex),
      ALLOW_CALL(__NR_nanosleep),
      ALLOW_CALL(__NR_clock_nanosleep),
      ALLOW_CALL(__NR_clock_gettime),
      ALLOW_CALL(__NR_poll),
      ALLOW_CALL(__NR_ppoll),
      ALLOW_CALL(__NR_epoll_wait),
      ALLOW_CALL(__NR_epoll_pwait),
      ALLOW_CALL(__NR_accept),
      ALLOW_CALL(__NR_restart_syscall),
      ALLOW_CALL(__NR_sched_yield),
      ALLOW_CALL(__NR_getpid),
      ALLOW_CALL(__NR_munmap),
      ALLOW_CALL(__NR_madvise),
      ALLOW_CALL(__NR_brk),
      ALLOW_CALL(__NR_rt_sigprocmask),
      /* A thread that was only just created makes these before its first own instruction. */
      ALLOW_CALL(__NR_rseq),
      ALLOW_CALL(__NR_set_robust_list),
      ALLOW_CALL(sigreturn ? __NR_rt_sigreturn : __NR_getpid),
      ALLOW_UNLESS_EXECUTABLE(__NR_mmap),
      KILL,
  };
  struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
  require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  require(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0,
          "seccomp");
}

void target_confine(void) {
  if (target_option("crowded")) crowd();
  long headroom = target_option_number("as-headroom", -1);
  if (headroom >= 0) {
    struct rlimit limit = {address_space() + (unsigned long)headroom, RLIM_INFINITY};
    limit.rlim_max = limit.rlim_cur;
    require(setrlimit(RLIMIT_AS, &limit) == 0, "RLIMIT_AS");
  }
  if (target_option("lock-future")) require(mlockall(MCL_CURRENT | MCL_FUTURE) == 0, "mlockall");
  const char *root = target_option("chroot");
  if (root) require(chroot(root) == 0 && chdir("/") == 0, "chroot");
  long user = target_option_number("uid", -1);
  if (user >= 0) {
    require(setresgid((gid_t)user, (gid_t)user, (gid_t)user) == 0, "setresgid");
    require(setresuid((uid_t)user, (uid_t)user, (uid_t)user) == 0, "setresuid");
    /* The kernel forgets it when the user changes. */
    prctl(PR_SET_PDEATHSIG, 9);
  }
  if (target_option("undumpable")) require(prctl(PR_SET_DUMPABLE, 0) == 0, "PR_SET_DUMPABLE");
  const char *filter = target_option("seccomp");
  if (filter) filter_calls(strcmp(filter, "no-sigreturn") != 0);
}
