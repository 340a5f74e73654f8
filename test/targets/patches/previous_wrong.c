/* Asks for a version of a function that basic.c does not have. */
#include "../../../stdlib/include/polus.h"

extern long no_such_before(long question) POLUS_PREVIOUS(no_such);
long answer(long question) { return no_such_before(question); }
