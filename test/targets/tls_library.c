/* The library of tls.c. */
__thread long library_calls;
static __thread long library_spare[8];

long library_count(void);

__attribute__((noipa)) long library_count(void) {
  library_spare[library_calls & 7]++;
  return ++library_calls;
}
