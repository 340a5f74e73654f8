/* A library with two versions of one function. */
int old_answer(void) { return 1; }
int new_answer(void) { return 2; }
int plain(void) { return 3; }
__asm__(".symver old_answer, answer@VERSION_1");
__asm__(".symver new_answer, answer@@VERSION_2");
