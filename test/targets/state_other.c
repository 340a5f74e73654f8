/* A static variable with the name of one in state.c. */
#include "state.h"

static volatile int shared_name = 2;

int other_shared_name(void) { return shared_name; }
