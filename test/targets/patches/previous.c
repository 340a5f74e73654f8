/* The next version of basic.c's function, whichever is below: its own, or this one once more. */
#include "../../../stdlib/include/polus.h"

extern long answer_before(long question) POLUS_PREVIOUS(answer);
long answer(long question) { return answer_before(question) + 2 * question + 1; }
