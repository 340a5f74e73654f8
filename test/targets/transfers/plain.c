/* Transfer functions of many kinds, for plain_fields.test.ts: which bytes do they merely copy? */
#include <string.h>

#define NOINLINE __attribute__((noinline))

extern void *polus_twin_of(const void *old);

struct one {
  int hits, a, b;
  long sum;
  unsigned short flags;
  char name[20];
  struct one *next;
  double rate;
  float share;
  unsigned low : 3, high : 5;
  signed char tiny;
};
struct two {
  long sum, hits, b, a;
  unsigned flags;
  long more;
  char name[24];
  struct two *next;
  double rate, share;
  unsigned low : 4, high : 6;
  int tiny;
};

void widen_up(const struct one *from, struct two *to) {
  to->sum = from->sum, to->hits = from->hits, to->b = from->b, to->a = from->a;
  to->flags = from->flags, to->tiny = from->tiny, to->rate = from->rate;
  memcpy(to->name, from->name, sizeof from->name);
}
void widen_down(const struct two *from, struct one *to) {
  to->sum = from->sum, to->hits = (int)from->hits, to->b = (int)from->b, to->a = (int)from->a;
  to->flags = (unsigned short)from->flags, to->tiny = (signed char)from->tiny, to->rate = from->rate;
  memcpy(to->name, from->name, sizeof to->name);
}
/* A branch on one field, a sum of others; a call that looks at a pointer. */
void branch_up(const struct one *from, struct two *to) {
  to->sum = from->sum, to->b = from->b;
  to->more = 7;
  to->next = polus_twin_of(from->next);
  if (from->a > 5) to->more = from->hits * 2;
  to->flags = from->flags;
}
/* The same field twice: it is no plain one. */
void twice_up(const struct one *from, struct two *to) {
  to->sum = from->sum, to->hits = from->sum, to->b = from->b;
  to->a = from->a < 0 ? 0 : from->a;
}
/* One way stores it otherwise than the other. */
void sometimes_up(const struct one *from, struct two *to) {
  if (from->low == 2) to->hits = from->hits;
  else to->hits = (unsigned)from->hits;
  to->b = from->b;
}
/* What was stored is overwritten, or read again from the target. */
void again_up(const struct one *from, struct two *to) {
  to->sum = from->sum;
  to->hits = from->hits;
  to->hits = 3;
  to->b = from->b;
  to->more = to->b + 1;
  to->a = from->a;
}
void bits_up(const struct one *from, struct two *to) {
  to->low = from->low, to->high = from->high, to->share = from->share, to->a = from->a;
}
static NOINLINE void part(const struct one *from, struct two *to) { to->a = from->a, to->b = from->b; }
void parts_up(const struct one *from, struct two *to) {
  part(from, to);
  to->sum = from->sum, to->rate = from->rate;
}
/* Elsewhere than in the two objects: nothing can be said. */
void elsewhere_up(const struct one *from, struct two *to) {
  to->sum = from->sum;
  to->a = from->next->a;
}
long counter;
void global_up(const struct one *from, struct two *to) {
  to->sum = from->sum;
  to->a = counter;
}
void unknown_up(const struct one *from, struct two *to) {
  extern void other(const struct one *, struct two *);
  to->sum = from->sum;
  other(from, to);
}
void loop_up(const struct one *from, struct two *to) {
  to->sum = from->sum;
  for (long i = 0; i < from->hits; i++) to->more += i;
}
struct point { int x, y; };
struct shape { struct point at[3]; void *data; long count; };
struct shape_v2 { long count; struct point at[4]; void *data; };
void shape_up(const struct shape *from, struct shape_v2 *to) {
  memcpy(to->at, from->at, sizeof from->at);
  to->data = from->data, to->count = from->count;
}
void shape_down(const struct shape_v2 *from, struct shape *to) {
  memcpy(to->at, from->at, sizeof to->at);
  to->data = from->data, to->count = from->count;
}
/* The upper half is used: it does not become narrower. */
void halves_up(const struct shape *from, struct shape_v2 *to) {
  unsigned long all;
  memcpy(&all, &from->at[0], sizeof all);
  to->at[0].x = (int)all, to->at[1].y = (int)(all >> 32);
}
void swap_up(const struct shape *from, struct shape_v2 *to) {
  to->count = (long)__builtin_bswap64((unsigned long)from->count);
  to->data = from->data;
}
/* Sizes, for who tries them: what they copy from and to. */
const unsigned plain_sizes[] = {sizeof(struct one), sizeof(struct two), sizeof(struct shape), sizeof(struct shape_v2)};
