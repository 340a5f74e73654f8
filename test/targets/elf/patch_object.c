/* A patch that needs everything a loader has to give. */
#include <stdio.h>
#include <string.h>

extern int target_variable;
extern int target_function(int);

static int own_static = 5;
int *own_pointer = &own_static;
int own_zeros[1000];
const char *const own_names[] = {"first", "second"};

#ifdef WITH_TLS
__thread int own_tls = 1;
#endif
#ifdef WITH_CONSTRUCTORS
__attribute__((constructor)) static void constructor_one(void) { own_static = 6; }
__attribute__((constructor)) void constructor_two(void) { own_static += 1; }
#endif
#ifdef WITH_TABLE
__attribute__((section(".polus_replace"), used)) static const char table[] =
    "target_function=replacement\0other=other_new";
#endif
#ifdef WITH_BAD_TABLE
__attribute__((section(".polus_replace"), used)) static const char table[] = "target_function";
#endif

int replacement(int x) {
  char buffer[32];
  memcpy(buffer, own_names[x & 1], 6);
  printf("%s %d\n", buffer, target_variable);
  return target_function(x) + own_static + own_zeros[x & 511] + *own_pointer;
}
