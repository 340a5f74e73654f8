/*
 * Runs functions of entry_forms.S and their relocated copies. Prints where it was loaded and where
 * copies go, "BASE DESTINATION" in hexadecimal; then for each line of input
 *   run FUNCTION DESTINATION LENGTH CODE...   (hexadecimal; CODE as one string of digits)
 * runs FUNCTION for some arguments, overwrites its first LENGTH bytes by traps and a jump to the
 * copy that is written at DESTINATION, runs it again, puts the bytes back, and prints both results.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { kArguments = 24, kDestinationSize = 1 << 20 };

extern const char __ehdr_start[];

typedef long (*Function)(long);

static Function to_function(uintptr_t address) {
  Function function;
  memcpy(&function, &address, sizeof function);
  return function;
}

static void run(Function function, long *results) {
  for (int index = 0; index < kArguments; ++index) results[index] = function(index - 8);
}

int main(void) {
  const uintptr_t base = (uintptr_t)__ehdr_start;
  void *destination =
      mmap((void *)(base + (64ul << 20)), kDestinationSize, PROT_READ | PROT_WRITE | PROT_EXEC,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (destination == MAP_FAILED) return 1;
  printf("%lx %lx\n", (unsigned long)base, (unsigned long)destination);
  fflush(stdout);

  static char line[8192];
  while (fgets(line, sizeof line, stdin) != NULL) {
    unsigned long entry, copy, length;
    int used = 0;
    if (sscanf(line, "run %lx %lx %lx %n", &entry, &copy, &length, &used) != 3) return 2;
    unsigned char *place = (unsigned char *)copy;
    unsigned int byte;
    for (const char *text = line + used; sscanf(text, "%2x", &byte) == 1; text += 2) *place++ = byte;

    long before[kArguments], after[kArguments];
    run(to_function(entry), before);

    unsigned char *code = (unsigned char *)entry;
    const uintptr_t page = entry & ~4095ul;
    if (mprotect((void *)page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return 3;
    unsigned char saved[64];
    if (length < 5 || length > sizeof saved) return 4;
    memcpy(saved, code, length);
    memset(code, 0xcc, length);
    const int32_t distance = (int32_t)(copy - (entry + 5));
    code[0] = 0xe9;
    memcpy(code + 1, &distance, sizeof distance);
    run(to_function(entry), after);
    memcpy(code, saved, length);
    if (mprotect((void *)page, 8192, PROT_READ | PROT_EXEC) != 0) return 5;

    printf("before");
    for (int index = 0; index < kArguments; ++index) printf(" %ld", before[index]);
    printf(" after");
    for (int index = 0; index < kArguments; ++index) printf(" %ld", after[index]);
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
