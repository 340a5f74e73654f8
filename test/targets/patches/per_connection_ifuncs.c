/* Another answer for the same question, by functions that libc chooses for the machine and the kernel. */
#include <string.h>
#include <time.h>

long answer(long question) {
  static const char words[] = "fünf";
  char copy[sizeof words];
  memcpy(copy, words, sizeof words);
  /* Wrong if the clock is, or a word's length: 5 bytes in UTF-8. */
  long factor = time(NULL) > 1500000000 ? (long)strlen(copy) : 0;
  return question * factor + 2;
}
