/* New versions for tls.c; the thread-local variables are the running program's. */
extern __thread long program_calls_here __asm__("calls_here$tls.c");
extern __thread long program_calls_total __asm__("calls_total$");
extern __thread long library_calls;

long count_here(long amount) {
  program_calls_here += amount;
  program_calls_total++;
  return program_calls_here + (1L << 40);
}

long library_count_new(void) { return ++library_calls + (1L << 40); }
