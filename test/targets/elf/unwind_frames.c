/*
 * Stops in known places and says where: for each scenario it prints a line
 *   NAME pid tid r15 r14 ... gs        (the 27 words of user_regs_struct, hexadecimal)
 * as a signal handler found the thread, which then waits until it is killed.
 * Built without frame pointers.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

static const char *scenario;
static volatile int sink;

/* Prints what the interrupted code's registers are; stays in the handler. */
static void report(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  const unsigned long words[27] = {
      r[REG_R15], r[REG_R14], r[REG_R13], r[REG_R12], r[REG_RBP], r[REG_RBX], r[REG_R11],
      r[REG_R10], r[REG_R9],  r[REG_R8],  r[REG_RAX], r[REG_RCX], r[REG_RDX], r[REG_RSI],
      r[REG_RDI], -1ul,       r[REG_RIP], 0x33,       r[REG_EFL], r[REG_RSP], 0x2b};
  char line[1024];
  int length = snprintf(line, sizeof line, "%s %d %ld", scenario, getpid(), syscall(SYS_gettid));
  for (int index = 0; index < 27; ++index) {
    length += snprintf(line + length, sizeof line - length, " %lx", words[index]);
  }
  line[length++] = '\n';
  if (write(1, line, length) != length) _exit(1);
  for (;;) pause();
}

/* Stops with SIGUSR1, whose handler reports. */
NOINLINE void stop_here(void) {
  sink = 1;
  __asm__ volatile("ud2");
  sink = 2;
}

NOINLINE int third(int x) {
  stop_here();
  return x + sink;
}
NOINLINE int second(int x) { return third(x + 1) * 2 + sink; }
NOINLINE int first(int x) { return second(x + 1) * 3 + sink; }

/* The reporting signal strikes while the handler of another is at work. */
static void other_handler(int signal) { sink = first(signal); }

NOINLINE int recurse(int depth) {
  if (depth == 0) stop_here();
  else recurse(depth - 1);
  return ++sink;
}

static int compare(const void *left, const void *right) {
  sink = *(const int *)left - *(const int *)right;
  stop_here();
  return sink;
}

static void *in_thread(void *argument) {
  sink = first(1);
  return argument;
}

/* A stub outside any module that has not touched the stack: ud2. */
NOINLINE int through_stub(void (*stub)(void)) {
  stub();
  return ++sink;
}

/* A function outside any module that keeps a frame pointer: push %rbp; mov %rsp,%rbp; ud2. */
static void (*outside_code(int with_frame))(void) {
  unsigned char *code =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) _exit(1);
  static const unsigned char frame[] = {0x55, 0x48, 0x89, 0xe5, 0x41, 0x54, 0x0f, 0x0b};
  static const unsigned char bare[] = {0x0f, 0x0b};
  memcpy(code, with_frame ? frame : bare, with_frame ? sizeof frame : sizeof bare);
  void (*function)(void);
  memcpy(&function, &code, sizeof function);
  return function;
}

int main(int count, char **arguments) {
  if (count < 2) return 2;
  scenario = arguments[1];
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = report;
  action.sa_flags = SA_SIGINFO;
  if (strcmp(scenario, "alternate") == 0) {
    static char stack[65536];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
  }
  sigaction(SIGILL, &action, NULL);

  if (strcmp(scenario, "plain") == 0) sink = first(1);
  if (strcmp(scenario, "signal") == 0 || strcmp(scenario, "alternate") == 0) {
    struct sigaction other;
    memset(&other, 0, sizeof other);
    other.sa_handler = other_handler;
    other.sa_flags = scenario[0] == 'a' ? SA_ONSTACK : 0;
    sigaction(SIGUSR2, &other, NULL);
    syscall(SYS_kill, getpid(), SIGUSR2);
  }
  if (strcmp(scenario, "recursion") == 0) recurse(500);
  if (strcmp(scenario, "callback") == 0) {
    int numbers[] = {3, 1, 2};
    qsort(numbers, 3, sizeof numbers[0], compare);
  }
  if (strcmp(scenario, "thread") == 0) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, in_thread, NULL) != 0) return 1;
    pthread_join(thread, NULL);
  }
  if (strcmp(scenario, "stub") == 0) sink = through_stub(outside_code(0));
  if (strcmp(scenario, "frame") == 0) sink = through_stub(outside_code(1));
  return 0;
}
