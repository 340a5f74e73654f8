/* How instructions store, and who else stores at the same time. */
#include "hazards.h"

#include <immintrin.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

static struct item *middle(void) { return (struct item *)(pages + PAGE - 32); } /* crosses a page */

/* Neighbours of the item on its page, each written by one thread alone, without a lock. */
static volatile uint64_t *neighbour(int which) { return (volatile uint64_t *)(pages + 64 + 8 * which); }

enum { THREADS = 4, TURNS = 20000 };
static struct item *shared_item;
static pthread_mutex_t item_lock = PTHREAD_MUTEX_INITIALIZER;

static void *write_neighbour(void *which) {
  for (int i = 0; i < TURNS; i++) *neighbour((int)(long)which) += 1;
  return NULL;
}

static void *write_item(void *unused) {
  (void)unused;
  for (int i = 0; i < TURNS; i++) {
    pthread_mutex_lock(&item_lock);
    ((volatile struct item *)shared_item)->total += 1;
    pthread_mutex_unlock(&item_lock);
  }
  return NULL;
}

/* A page that is opened for one thread's store is open for its siblings, and what is put back is put over theirs. */
static void siblings(void) {
  long set;
  pthread_t threads[2 * THREADS];
  shared_item = (struct item *)(pages + 1024);
  struct item_v2 *new = make_coherent(shared_item, &set);
  for (long i = 0; i < 2 * THREADS; i++) pthread_create(&threads[i], NULL, i < THREADS ? write_neighbour : write_item, (void *)i);
  for (int i = 0; i < 2 * THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) CHECK(*neighbour(i) == TURNS);
  CHECK(shared_item->total == THREADS * TURNS && agree(shared_item, new));
  take_back(set);
}

static void *count_atomically(void *unused) {
  (void)unused;
  for (int i = 0; i < TURNS; i++) {
    uint64_t *total = &shared_item->total;
    switch (i % 3) {
      case 0: __atomic_fetch_add(total, 1, __ATOMIC_SEQ_CST); break;
      case 1: __atomic_add_fetch(total, 1, __ATOMIC_RELAXED); break;
      default: {
        uint64_t seen = __atomic_load_n(total, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(total, &seen, seen + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) continue;
      }
    }
  }
  return NULL;
}

static void atomics(void) {
  long set;
  pthread_t threads[THREADS];
  shared_item = (struct item *)(pages + 1024);
  struct item_v2 *new = make_coherent(shared_item, &set);
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, count_atomically, NULL);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  CHECK(shared_item->total == THREADS * TURNS && agree(shared_item, new));
  take_back(set);
}

static void repeat_move(void *to, const void *from, size_t count, int down) {
  if (down) __asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
  else __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

/* Lengths around the runtime's own buffers, both directions, over themselves, across the page. */
static void strings(void) {
  static unsigned char expected[2 * PAGE], model[2 * PAGE];
  long set;
  struct item *old = middle();
  struct item_v2 *new = make_coherent(old, &set);
  unsigned seed = 7;
  for (int turn = 0; turn < 400; turn++) {
    seed = seed * 1664525u + 1013904223u;
    size_t length = turn < 100 ? (seed >> 16) % 8 : (seed >> 8) % 3000, to = PAGE - 1500 + (seed >> 20) % 1000;
    size_t from = to + (seed >> 4) % 300 - 150;
    int down = seed >> 31;
    memcpy(model, pages, sizeof model);
    if (down) repeat_move(model + to + length, model + from + length, length, 1);
    else repeat_move(model + to, model + from, length, 0);
    if (down) repeat_move(pages + to + length, pages + from + length, length, 1);
    else repeat_move(pages + to, pages + from, length, 0);
    memcpy(expected, pages, sizeof expected);
    CHECK(memcmp(expected, model, sizeof model) == 0 && agree(old, new));
    void *at = pages + to;
    size_t words = length / 8;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"((uint64_t)seed * seed) : "memory");
    CHECK(at == pages + to + length / 8 * 8 && words == 0 && agree(old, new));
  }
  take_back(set);
}

__attribute__((target("avx2"))) static void wide_store(unsigned char *to, const unsigned char *from) {
  _mm256_storeu_si256((__m256i *)to, _mm256_loadu_si256((const __m256i *)from));
}

/* Vector stores at every offset around the page boundary. */
static void vectors(void) {
  long set;
  struct item *old = middle();
  struct item_v2 *new = make_coherent(old, &set);
  unsigned char source[64];
  int wide = __builtin_cpu_supports("avx2");
  for (int offset = -80; offset < 160; offset++) {
    for (int i = 0; i < 64; i++) source[i] = (unsigned char)(offset + i * 3);
    unsigned char *to = pages + PAGE + offset;
    _mm_storeu_si128((__m128i *)to, _mm_loadu_si128((const __m128i *)source));
    CHECK(memcmp(to, source, 16) == 0 && agree(old, new));
    if (wide) {
      wide_store(to, source);
      CHECK(memcmp(to, source, 32) == 0 && agree(old, new));
    }
  }
  /* The rounding mode and the sums that are under way in registers survive the handler. */
  double sum = 0;
  for (int i = 1; i < 2000; i++) {
    sum += 1.0 / i;
    ((volatile struct item *)old)->count = i;
  }
  double plain = 0;
  for (int i = 1; i < 2000; i++) plain += 1.0 / i;
  CHECK(sum == plain && agree(old, new));
  take_back(set);
}

/* Instructions that are not performed aside: single-stepped with their page open. */
static void slowly(void) {
  static unsigned char area[512] __attribute__((aligned(64)));
  long set;
  struct item *old = (struct item *)(pages + 1024);
  struct item_v2 *new = make_coherent(old, &set);
  for (int i = 0; i < 100; i++) {
    void *to = pages + 1024 - 256 + 64 * (i % 8);
    __asm__ volatile("fxsave64 (%0)" : : "r"(to) : "memory");
    __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
    CHECK(memcmp(to, area, 400) == 0 && agree(old, new));
  }
  CHECK(runtime.control->slow > 0);
  take_back(set);
}

__attribute__((target("avx2"))) static void masked_store(int *to, const int *mask, const int *from) {
  _mm256_maskstore_epi32(to, _mm256_loadu_si256((const __m256i *)mask), _mm256_loadu_si256((const __m256i *)from));
}

/* Masked stores whose operand reaches into a page that is not there, and into one that somebody else writes. */
static void masked(void) {
  if (!__builtin_cpu_supports("avx2")) {
    strings(); /* so that something was caught */
    return;
  }
  unsigned char *area = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED || munmap(area + PAGE, PAGE) != 0) exit(3);
  long set;
  struct item *old = (struct item *)(area + PAGE - sizeof *old);
  struct item_v2 *new = make_coherent(old, &set);
  int from[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (int keep = 1; keep <= 7; keep++) {
    int mask[8] = {0};
    for (int i = 0; i < keep; i++) mask[i] = i % 2 == 0 ? -1 : 0;
    int *to = (int *)(area + PAGE) - keep;
    for (int i = 0; i < keep; i++) to[i] = 100 + i;
    masked_store(to, mask, from);
    for (int i = 0; i < keep; i++) CHECK(((volatile int *)to)[i] == (i % 2 == 0 ? i + 1 : 100 + i));
    CHECK(agree(old, new));
  }
  take_back(set);
}

const struct hazard stores[] = {
    {"siblings", siblings}, {"atomics", atomics}, {"strings", strings}, {"vectors", vectors}, {"slowly", slowly}, {"masked", masked}, {NULL, NULL},
};
