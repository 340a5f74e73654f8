/* Uses IFUNCs of libc and of the program, by call and by address. */
#include <string.h>
#include <time.h>

extern long program_pick(long value) __asm__("pick$");

/* A table of addresses: relocated data that points to IFUNCs. */
static void *(*const copiers[])(void *, const void *, size_t) = {memcpy, memmove};
static size_t (*const volatile measure)(const char *) = strlen;

long digest(const char *text) {
  char copy[256];
  size_t length = measure(text);
  memset(copy, 0, sizeof copy);
  copiers[length & 1](copy, text, length + 1);
  if (strcmp(copy, text) != 0 || strchr(copy, '\0') != copy + length) return 1;
  /* Nothing else in the program asks for this one, and the kernel's vDSO has it. */
  if (time(NULL) < 1500000000) return 2;
  long sum = 0;
  for (size_t i = 0; i < length; i++) sum += (unsigned char)copy[i];
  return -program_pick(sum);
}
