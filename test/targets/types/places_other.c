/* The other unit of places.c: a static of the same name. */
#include "places.h"

static int positive = 3;
enum colour paint = GREEN;

int other(void) { return list->count + positive + (int)paint; }

int *keep(void) { return &positive; }
