/*
 * Tries what is said of a transfer function's plain fields:
 *
 *     try_plain OBJECT FUNCTION ROUNDS FIELD…     each field "FROM,SIZE,TO,SIZE,SIGNED"
 *
 * On sources with random bytes each field gets other random bytes; the target must change in the field alone,
 * and hold there what the field's new bytes are, widened or cut. Prints the first difference and ends with 1.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 512 };

typedef void transfer(const void *from, void *to);

/* What the patch imports. */
void *polus_twin_of(const void *old) { return old == NULL ? NULL : (char *)old + 64; }
void other(const void *from, void *to) { (void)from, (void)to; }

static uint64_t state = 88172645463325252;
static uint64_t random_word(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}
static void fill(uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(random_word() >> 24);
}

int main(int count, char **words) {
  void *object = count > 3 ? dlopen(words[1], RTLD_NOW) : NULL;
  transfer *function = object == NULL ? NULL : (transfer *)dlsym(object, words[2]);
  if (function == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 3;
  }
  static uint8_t from[LARGEST], before[LARGEST], after[LARGEST], target[LARGEST];
  for (long round = atol(words[3]); round > 0; round--) {
    for (int i = 4; i < count; i++) {
      unsigned at, size, to, width, sign;
      if (sscanf(words[i], "%u,%u,%u,%u,%u", &at, &size, &to, &width, &sign) != 5) return 3;
      fill(from, sizeof from), fill(target, sizeof target);
      memcpy(before, target, sizeof before);
      function(from, before);
      fill(from + at, size);
      memcpy(after, target, sizeof after);
      function(from, after);
      for (unsigned k = 0; k < width; k++) {
        uint8_t filler = sign && (from[at + size - 1] & 0x80) ? 0xff : 0;
        uint8_t expected = k < size ? from[at + k] : filler;
        if (after[to + k] != expected) {
          printf("%s %s: byte %u of the target is %02x, not %02x\n", words[2], words[i], to + k, after[to + k], expected);
          return 1;
        }
        before[to + k] = after[to + k];
      }
      if (memcmp(before, after, sizeof after) != 0) {
        printf("%s %s: it decides more than its field\n", words[2], words[i]);
        return 1;
      }
    }
  }
  return 0;
}
