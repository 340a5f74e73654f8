#include "table.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stats.h"

#define STRIPES 64
#define FIRST_BUCKETS 16

struct entry {
  struct entry *next;
  uint64_t hash;
  uint64_t ends_ms; /* 0: never */
  char *value;
  char key[];
};

struct stripe {
  pthread_mutex_t lock;
  size_t count;
  size_t buckets; /* a power of two, 0 until the first entry */
  struct entry **heads;
};

static struct stripe stripes[STRIPES] = {[0 ... STRIPES - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t hash_key(const char *key) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *key; key++) hash = (hash ^ (unsigned char)*key) * 0x100000001b3u;
  return hash ^ hash >> 29;
}

static struct stripe *lock_stripe(uint64_t hash) {
  struct stripe *stripe = &stripes[hash % STRIPES];
  pthread_mutex_lock(&stripe->lock);
  return stripe;
}

static bool has_ended(const struct entry *entry, uint64_t now) {
  return entry->ends_ms && entry->ends_ms <= now;
}

static struct entry **bucket_of(struct stripe *stripe, uint64_t hash) {
  return &stripe->heads[hash / STRIPES & (stripe->buckets - 1)];
}

static void unlink_entry(struct stripe *stripe, struct entry **link) {
  struct entry *entry = *link;
  *link = entry->next;
  stripe->count--;
  free(entry->value);
  free(entry);
}

/* The link that leads to the key's living entry, NULL if there is none; drops one that has ended. */
static struct entry **find_link(struct stripe *stripe, uint64_t hash, const char *key) {
  if (!stripe->buckets) return NULL;
  for (struct entry **link = bucket_of(stripe, hash); *link; link = &(*link)->next) {
    if ((*link)->hash != hash || strcmp((*link)->key, key) != 0) continue;
    if (!has_ended(*link, now_ms())) return link;
    unlink_entry(stripe, link);
    atomic_fetch_add(&stats.expired, 1);
    return NULL;
  }
  return NULL;
}

static bool grow(struct stripe *stripe) {
  if (stripe->buckets && stripe->count < stripe->buckets) return true;
  size_t buckets = stripe->buckets ? stripe->buckets * 2 : FIRST_BUCKETS;
  struct entry **heads = calloc(buckets, sizeof *heads);
  if (!heads) return stripe->buckets != 0;
  struct stripe grown = {.buckets = buckets, .heads = heads};
  for (size_t i = 0; i < stripe->buckets; i++) {
    struct entry *next;
    for (struct entry *entry = stripe->heads[i]; entry; entry = next) {
      struct entry **head = bucket_of(&grown, entry->hash);
      next = entry->next;
      entry->next = *head;
      *head = entry;
    }
  }
  free(stripe->heads);
  stripe->heads = heads;
  stripe->buckets = buckets;
  return true;
}

/* Sets under the stripe's lock. */
static enum table_result put(struct stripe *stripe, uint64_t hash, const char *key, const char *value,
                             uint64_t ends_ms) {
  struct entry **link = find_link(stripe, hash, key);
  char *copy = strdup(value);
  if (!copy) return TABLE_NO_MEMORY;
  if (link) {
    free((*link)->value);
    (*link)->value = copy;
    (*link)->ends_ms = ends_ms;
    return TABLE_OK;
  }
  size_t size = strlen(key) + 1;
  struct entry *entry = malloc(sizeof *entry + size);
  if (!entry || !grow(stripe)) {
    free(entry);
    free(copy);
    return TABLE_NO_MEMORY;
  }
  struct entry **head = bucket_of(stripe, hash);
  *entry = (struct entry){.next = *head, .hash = hash, .ends_ms = ends_ms, .value = copy};
  memcpy(entry->key, key, size);
  *head = entry;
  stripe->count++;
  return TABLE_OK;
}

enum table_result table_set(const char *key, const char *value, unsigned long ttl_ms) {
  uint64_t hash = hash_key(key);
  struct stripe *stripe = lock_stripe(hash);
  enum table_result result = put(stripe, hash, key, value, ttl_ms ? now_ms() + ttl_ms : 0);
  pthread_mutex_unlock(&stripe->lock);
  return result;
}

enum table_result table_get(const char *key, char *value) {
  uint64_t hash = hash_key(key);
  struct stripe *stripe = lock_stripe(hash);
  struct entry **link = find_link(stripe, hash, key);
  if (link) strcpy(value, (*link)->value);
  pthread_mutex_unlock(&stripe->lock);
  return link ? TABLE_OK : TABLE_MISSING;
}

enum table_result table_delete(const char *key) {
  uint64_t hash = hash_key(key);
  struct stripe *stripe = lock_stripe(hash);
  struct entry **link = find_link(stripe, hash, key);
  if (link) unlink_entry(stripe, link);
  pthread_mutex_unlock(&stripe->lock);
  return link ? TABLE_OK : TABLE_MISSING;
}

enum table_result table_add(const char *key, long by, long *sum) {
  uint64_t hash = hash_key(key);
  struct stripe *stripe = lock_stripe(hash);
  struct entry **link = find_link(stripe, hash, key);
  enum table_result result = TABLE_NOT_A_NUMBER;
  long value = 0;
  char *end = NULL;
  errno = 0;
  if (link) value = strtol((*link)->value, &end, 10);
  if (errno == 0 && (!end || (end != (*link)->value && !*end)) && !__builtin_add_overflow(value, by, sum)) {
    char text[32];
    snprintf(text, sizeof text, "%ld", *sum);
    result = put(stripe, hash, key, text, link ? (*link)->ends_ms : 0);
  }
  pthread_mutex_unlock(&stripe->lock);
  return result;
}

enum table_result table_expire(const char *key, unsigned long ttl_ms) {
  uint64_t hash = hash_key(key);
  struct stripe *stripe = lock_stripe(hash);
  struct entry **link = find_link(stripe, hash, key);
  if (link) (*link)->ends_ms = ttl_ms ? now_ms() + ttl_ms : 0;
  pthread_mutex_unlock(&stripe->lock);
  return link ? TABLE_OK : TABLE_MISSING;
}

enum table_result table_ttl(const char *key, long *left_ms) {
  uint64_t hash = hash_key(key);
  struct stripe *stripe = lock_stripe(hash);
  struct entry **link = find_link(stripe, hash, key);
  if (link) {
    uint64_t now = now_ms(), ends = (*link)->ends_ms;
    *left_ms = !ends ? -1 : ends > now ? (long)(ends - now) : 0;
  }
  pthread_mutex_unlock(&stripe->lock);
  return link ? TABLE_OK : TABLE_MISSING;
}

void table_each(void (*visit)(const char *key, void *context), void *context) {
  uint64_t now = now_ms();
  for (size_t s = 0; s < STRIPES; s++) {
    struct stripe *stripe = lock_stripe(s);
    for (size_t i = 0; i < stripe->buckets; i++)
      for (struct entry *entry = stripe->heads[i]; entry; entry = entry->next)
        if (!has_ended(entry, now)) visit(entry->key, context);
    pthread_mutex_unlock(&stripe->lock);
  }
}

size_t table_sweep(void) {
  uint64_t now = now_ms();
  size_t dropped = 0;
  for (size_t s = 0; s < STRIPES; s++) {
    struct stripe *stripe = lock_stripe(s);
    for (size_t i = 0; i < stripe->buckets; i++) {
      struct entry **link = &stripe->heads[i];
      while (*link) {
        if (has_ended(*link, now)) {
          unlink_entry(stripe, link);
          dropped++;
        } else {
          link = &(*link)->next;
        }
      }
    }
    pthread_mutex_unlock(&stripe->lock);
  }
  atomic_fetch_add(&stats.expired, dropped);
  return dropped;
}

size_t table_count(void) {
  size_t count = 0;
  for (size_t s = 0; s < STRIPES; s++) {
    struct stripe *stripe = lock_stripe(s);
    count += stripe->count;
    pthread_mutex_unlock(&stripe->lock);
  }
  return count;
}
