/* What functions.c and its patch share: argument and result types. */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

struct pair {
  double first, second;
};

struct large {
  long values[6];
};

struct shape {
  char tag;
  double weight;
};

#endif
