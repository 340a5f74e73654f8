/* The store: a hash table of strings, split in stripes that are locked one by one. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>

/* Longest key and value, without the final NUL. */
#define KEY_LIMIT 255
#define VALUE_LIMIT 4000

enum table_result { TABLE_OK, TABLE_MISSING, TABLE_NOT_A_NUMBER, TABLE_NO_MEMORY };

/* `ttl_ms` 0: the entry stays for ever. */
enum table_result table_set(const char *key, const char *value, unsigned long ttl_ms);

/* Copies the value, NUL included, into `value` (VALUE_LIMIT + 1 bytes). */
enum table_result table_get(const char *key, char *value);

enum table_result table_delete(const char *key);

/* Adds to a value that is a whole number (0 where there is none); the sum is stored in `*sum`. */
enum table_result table_add(const char *key, long by, long *sum);

/* `ttl_ms` 0 takes the end of life away. */
enum table_result table_expire(const char *key, unsigned long ttl_ms);

/* Milliseconds left, -1 for ever. */
enum table_result table_ttl(const char *key, long *left_ms);

/* Calls `visit` for every living key, a stripe locked at a time; `visit` must not call the table. */
void table_each(void (*visit)(const char *key, void *context), void *context);

/* Drops what has ended its life; returns how many. */
size_t table_sweep(void);

size_t table_count(void);

#endif
