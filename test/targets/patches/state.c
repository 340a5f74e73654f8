/* Next versions of state.c's function, and checks over its data. */

extern volatile int plain_number __asm__("plain_number$");

long judge(long value) { return value + 2; }
long judge_third(long value) { return value + 3; }

int number_is_sane(void) { return plain_number >= 0 && plain_number <= 100; }
long patched_sum(long a, long b) { return 1000 + a + b; }
