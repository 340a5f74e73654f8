/* Five hundred functions many_1000 … many_1499, for the program and for its patch. */
#ifndef MANY_H
#define MANY_H

#define MANY_TEN(F, n)                                                                             \
  F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
#define MANY_HUNDRED(F, n)                                                                         \
  MANY_TEN(F, n##0) MANY_TEN(F, n##1) MANY_TEN(F, n##2) MANY_TEN(F, n##3) MANY_TEN(F, n##4)        \
  MANY_TEN(F, n##5) MANY_TEN(F, n##6) MANY_TEN(F, n##7) MANY_TEN(F, n##8) MANY_TEN(F, n##9)
#define MANY(F)                                                                                    \
  MANY_HUNDRED(F, 10) MANY_HUNDRED(F, 11) MANY_HUNDRED(F, 12) MANY_HUNDRED(F, 13)                  \
  MANY_HUNDRED(F, 14)

#define MANY_COUNT 500

#endif
