/* One variable of every kind of C type: what is read by its debug information is compared with what
   the program itself says (offsetof, sizeof, values) and with what gdb prints. */
#include <complex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum color { RED, GREEN = 5, BLUE };
enum shift { LOW = -3, HIGH = 7 };
enum flags { READ = 1, WRITE = 2, EXECUTE = 4 };
enum wide { SMALL = 1, HUGE_ONE = 0x8000000000000000ULL };

typedef unsigned int count_t;
typedef struct point { int x, y; } point;
typedef int (*operation)(int, int);
typedef int row[4];

union number { int i; float f; unsigned char bytes[4]; };

struct bits {
  unsigned a : 3;
  int b : 5;
  unsigned long c : 40;
  _Bool d : 1;
  enum color e : 4;
  unsigned : 0;
  unsigned f : 7;
};

struct inner { char name[8]; point at; };

struct outer {
  struct inner first;
  struct inner many[2];
  union number u;
  struct { int left, right; };
  union { long whole; struct { int low, high; } halves; };
  struct outer *next;
  operation run;
  enum color color;
  const char *label;
  double ratio;
};

struct flexible { int length; short items[]; };
struct __attribute__((packed)) packed { char c; int i; short s; };
struct opaque;
struct empty_tail { char c; _Alignas(32) char d; };

static int add(int a, int b) { return a + b; }

char c = 'A';
signed char sc = -5;
unsigned char uc = 200;
short s = -1234;
unsigned short us = 54321;
int i = -123456789;
unsigned int ui = 4000000000u;
long l = -1234567890123456789L;
unsigned long ul = 12345678901234567890UL;
long long ll = -5LL;
unsigned long long ull = 77ULL;
__int128 i128 = (__int128)1 << 100;
unsigned __int128 u128 = ((unsigned __int128)1 << 127) + 3;
bool yes = true;
bool no = false;
float f = 1.5f;
double d = 3.141592653589793;
long double ld = 2.25L;
float complex fc = 1.0f + 2.0f * I;
double complex dc = 3.0 - 4.0 * I;
int8_t i8 = -8;
uint8_t u8 = 8;
int16_t i16 = -16;
uint16_t u16 = 16;
int32_t i32 = -32;
uint32_t u32 = 32;
int64_t i64 = -64;
uint64_t u64 = 64;
size_t size = 4096;
ptrdiff_t difference = -7;
intptr_t iptr = 99;
wchar_t wide_char = L'w';
count_t count = 42;
enum color color = GREEN;
enum color odd_color = (enum color)3;
enum shift shift = LOW;
enum flags flags = READ | EXECUTE;
enum wide wide = HUGE_ONE;
point p = { 3, -4 };
point points[3] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
union number u = { .i = 0x41424344 };
struct bits bits = { 5, -7, 0xabcdef0123, 1, BLUE, 99 };
struct outer tail = { .first = { "tail", { 9, 9 } }, .left = 1, .right = 2, .whole = 0x100000002,
                      .color = RED, .ratio = 0.5 };
struct outer o = { { "first", { 1, 2 } }, { { "m0", { 3, 4 } }, { "m1", { 5, 6 } } }, { .f = 2.5f },
                   { 10, 20 }, { .halves = { 30, 40 } }, &tail, add, BLUE, "label text", -0.125 };
struct packed packed = { 'p', 123456, -2 };
struct empty_tail aligned = { 'a', 'b' };
struct opaque *opaque;
int array[5] = { 1, 2, 3, 4, 5 };
int zeros[200];
int matrix[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
row rows[2] = { { 1, 2, 3, 4 }, { 5, 6, 7, 8 } };
char text[16] = "hello";
char full[4] = { 'f', 'u', 'l', 'l' };
char escaped[] = "tab\there \"quoted\" \001\377";
const char *string = "a constant string";
const char *const names[] = { "zero", "one", "two" };
char *null_string;
int *pointer = &array[2];
int **pointer_to_pointer = &pointer;
void *generic = &o;
int (*pointer_to_array)[3] = &matrix[1];
operation op = add;
operation operations[2] = { add, NULL };
void (*nothing)(void);
const int constant = 17;
volatile int changing = 18;
const volatile unsigned char both = 19;
_Atomic int atomic = 20;
atomic_ulong atomic_total = 21;
int *restrict restricted = &i;
struct { int a; struct { int b; } inner; } anonymous = { 1, { 2 } };
union { struct { short low, high; }; int both; } overlay = { .both = 0x00020001 };
static int hidden = 23;
__thread int per_thread = 24;
static __thread struct point per_thread_point = { 25, 26 };
struct flexible *flex;
static char storage[sizeof(struct flexible) + 4 * sizeof(short)];
int vector __attribute__((vector_size(16))) = { 1, 2, 3, 4 };

int next_ticket(void)
{
  static int ticket = 100;
  static struct point where = { 7, 8 };
  ticket += 1;
  where.x += hidden;
  return ticket + where.y + per_thread_point.x;
}

#define SHOW(type, member) printf("offset %s %s %zu\n", #type, #member, offsetof(type, member))

int main(void)
{
  flex = (struct flexible *)(void *)storage;
  flex->length = 4;
  for (short at = 0; at < 4; at++) flex->items[at] = (short)(at * 10);
  memset(zeros, 0, sizeof zeros);
  SHOW(struct outer, many);
  SHOW(struct outer, u);
  SHOW(struct outer, right);
  SHOW(struct outer, halves.high);
  SHOW(struct outer, next);
  SHOW(struct outer, ratio);
  SHOW(struct packed, s);
  SHOW(struct empty_tail, d);
  SHOW(struct flexible, items);
  printf("size struct outer %zu\n", sizeof(struct outer));
  printf("size struct bits %zu\n", sizeof(struct bits));
  printf("size struct packed %zu\n", sizeof(struct packed));
  printf("size struct empty_tail %zu\n", sizeof(struct empty_tail));
  printf("ticket %d\n", next_ticket());
  printf("ready\n");
  fflush(stdout);
  for (;;) pause();
}
