/*
 * System calls that write into memory: the kernel answers EFAULT for a guarded page instead of raising a
 * signal, and a call that is made again may have lost what it had fetched. So where such memory is guarded,
 * the call gets other memory, and what it has written is stored as a caught store would be.
 */
#include "bounce.h"
#include "careful.h"
#include "lock.h"
#include "memory.h"
#include "syscalls.h"
#include "vectors.h"

enum kind {
  NOTHING = 0,
  FIXED,    /* `size` bytes */
  RESULT,   /* at most as many bytes as argument `by` says, and as many as the call returns */
  FILLED,   /* as many bytes as argument `by` says */
  ITEMS,    /* `size` bytes for each of as many as argument `by` says */
  LENGTH,   /* at most as many bytes as the 32 bits say that argument `by` points to */
  TEXT,     /* like RESULT, for a call that returns the text's address */
  CONTROL,  /* ioctl(2): by the number of the request */
  COMMAND,  /* fcntl(2): by the command */
  VECTOR,   /* readv(2): `by` is the number of buffers */
  MESSAGE,  /* recvmsg(2) */
};

struct out {
  uint8_t argument, kind, by;
  uint16_t size;
};

enum { MOST_OUT = 3, SMALL = 512, MOST_VECTORS = 1024, MOST_ANYWHERE = 1 << 20,
       MOST_TOGETHER = 1 << 30, STACK = 1 << 23 };

static const struct out outs[HOOK_COUNT][MOST_OUT] = {
    [HOOK_read] = {{1, RESULT, 2, 0}},
    [HOOK_pread64] = {{1, RESULT, 2, 0}},
    [HOOK_readv] = {{1, VECTOR, 2, 0}},
    [HOOK_preadv] = {{1, VECTOR, 2, 0}},
    [HOOK_recv] = {{1, RESULT, 2, 0}},
    [HOOK_recvfrom] = {{1, RESULT, 2, 0}, {4, LENGTH, 5, 0}, {5, FIXED, 0, 4}},
    [HOOK_recvmsg] = {{1, MESSAGE, 0, 0}},
    [HOOK_accept] = {{1, LENGTH, 2, 0}, {2, FIXED, 0, 4}},
    [HOOK_accept4] = {{1, LENGTH, 2, 0}, {2, FIXED, 0, 4}},
    [HOOK_getsockname] = {{1, LENGTH, 2, 0}, {2, FIXED, 0, 4}},
    [HOOK_getpeername] = {{1, LENGTH, 2, 0}, {2, FIXED, 0, 4}},
    [HOOK_getsockopt] = {{3, LENGTH, 4, 0}, {4, FIXED, 0, 4}},
    [HOOK_ioctl] = {{2, CONTROL, 1, 0}},
    [HOOK_fcntl] = {{2, COMMAND, 1, 0}},
    [HOOK_stat] = {{1, FIXED, 0, 144}},
    [HOOK_fstat] = {{1, FIXED, 0, 144}},
    [HOOK_lstat] = {{1, FIXED, 0, 144}},
    [HOOK_fstatat] = {{2, FIXED, 0, 144}},
    [HOOK_getcwd] = {{0, TEXT, 1, 0}},
    [HOOK_readlink] = {{1, RESULT, 2, 0}},
    [HOOK_readlinkat] = {{2, RESULT, 3, 0}},
    [HOOK_poll] = {{0, ITEMS, 1, 8}},
    [HOOK_ppoll] = {{0, ITEMS, 1, 8}},
    [HOOK_select] = {{1, FIXED, 0, 128}, {2, FIXED, 0, 128}, {3, FIXED, 0, 128}},
    [HOOK_pselect] = {{1, FIXED, 0, 128}, {2, FIXED, 0, 128}, {3, FIXED, 0, 128}},
    [HOOK_epoll_wait] = {{1, ITEMS, 2, 12}},
    [HOOK_epoll_pwait] = {{1, ITEMS, 2, 12}},
    [HOOK_nanosleep] = {{1, FIXED, 0, 16}},
    [HOOK_clock_nanosleep] = {{3, FIXED, 0, 16}},
    [HOOK_clock_gettime] = {{1, FIXED, 0, 16}},
    [HOOK_getrlimit] = {{1, FIXED, 0, 16}},
    [HOOK_getrusage] = {{1, FIXED, 0, 144}},
    [HOOK_uname] = {{0, FIXED, 0, 390}},
    [HOOK_sysinfo] = {{0, FIXED, 0, 112}},
    [HOOK_times] = {{0, FIXED, 0, 32}},
    [HOOK_pipe] = {{0, FIXED, 0, 8}},
    [HOOK_pipe2] = {{0, FIXED, 0, 8}},
    [HOOK_socketpair] = {{3, FIXED, 0, 8}},
    [HOOK_wait4] = {{1, FIXED, 0, 4}, {3, FIXED, 0, 144}},
    [HOOK_waitpid] = {{1, FIXED, 0, 4}},
    [HOOK_waitid] = {{2, FIXED, 0, 128}},
    [HOOK_getrandom] = {{0, RESULT, 1, 0}},
    /* They call the kernel by themselves. */
    [HOOK_getentropy] = {{0, FILLED, 1, 0}},
    [HOOK_arc4random_buf] = {{0, FILLED, 1, 0}},
    [HOOK_sigtimedwait] = {{1, FIXED, 0, 128}},
};

/* What may wait for long, while objects are created and their pages guarded: it gets other memory in any case. */
static const uint8_t may_wait[HOOK_COUNT] = {
    [HOOK_read] = 1, [HOOK_readv] = 1, [HOOK_recv] = 1, [HOOK_recvfrom] = 1, [HOOK_recvmsg] = 1,
    [HOOK_accept] = 1, [HOOK_accept4] = 1, [HOOK_poll] = 1, [HOOK_ppoll] = 1, [HOOK_select] = 1,
    [HOOK_pselect] = 1, [HOOK_epoll_wait] = 1, [HOOK_epoll_pwait] = 1, [HOOK_wait4] = 1, [HOOK_waitpid] = 1,
    [HOOK_waitid] = 1, [HOOK_sigtimedwait] = 1,
};

/** struct iovec and struct msghdr (socket(7)). */
struct vector {
  uint64_t at, size;
};
struct message {
  uint64_t name;
  uint32_t name_size, padding;
  struct vector *vectors;
  uint64_t count, control, control_size;
  int flags;
};

/** A buffer of the program's, and what the call gets in its place. */
struct buffer {
  uint64_t at, size;
  uint8_t *copy;
  uint8_t *before; /* what the copy held when the call was made; NULL: the call returns how much it has written */
};

/** All of a call's. */
struct bounced {
  struct buffer buffers[MOST_OUT];
  uint8_t small[2 * SMALL];
  size_t used;
  int count;
  int anywhere; /* also for memory that is not guarded yet */
  /* The call gets one buffer for all of these, which is nowhere (`at` 0) in the program: it may have many. */
  const struct vector *vectors;
  uint64_t vector_count;
};

/* FIONREAD and its like are older than the numbers that tell how much they write (ioctl_list(2)). */
static size_t size_of_control(uint64_t request) {
  size_t size = request >> 16 & 0x3fff, writes = request >> 31 & 1;
  return size != 0 ? (writes ? size : 0) : 64;
}

/* F_GETLK and F_OFD_GETLK (struct flock), F_GETOWN_EX. */
static size_t size_of_command(long command) {
  return command == 5 || command == 36 ? 32 : command == 16 ? 8 : 0;
}

static size_t size_of(const struct out *out, const long a[6]) {
  const uint32_t *length = (const uint32_t *)a[out->by];
  switch (out->kind) {
    case FIXED: return out->size;
    case RESULT:
    case FILLED:
    case TEXT: return a[out->by] < 0 ? 0 : (size_t)a[out->by];
    case ITEMS: return a[out->by] <= 0 ? 0 : (size_t)(uint32_t)a[out->by] * out->size;
    case LENGTH: return length == NULL ? 0 : *length;
    case CONTROL: return size_of_control((uint32_t)a[out->by]);
    case COMMAND: return size_of_command((int)a[out->by]);
    default: return 0;
  }
}

static int is_guarded(uint64_t at, size_t size) {
  return at != 0 && size != 0 && polus_runtime_concerns((const void *)at, size);
}

/* Objects are never created there. */
static int on_own_stack(uint64_t at) {
  uint64_t low = (uint64_t)__builtin_frame_address(0), block = thread_identity() & ~UINT64_C(1);
  /* The thread control block is at the upper end of a stack, but for the first thread's. */
  return at >= low && at - low < STACK && (block < low || at < block);
}

static int is_concerned(uint64_t at, size_t size, int anywhere) {
  if (is_guarded(at, size)) return 1;
  return anywhere && at != 0 && size != 0 && size <= MOST_ANYWHERE && !on_own_stack(at);
}

static int vectors_concerned(const struct vector *vectors, uint64_t count, int anywhere) {
  for (uint64_t i = 0; vectors != NULL && i < count && i < MOST_VECTORS; i++) {
    if (is_concerned(vectors[i].at, vectors[i].size, anywhere)) return 1;
  }
  return 0;
}

static int waits_anywhere(long number) { return may_wait[number] && versions_coexist(); }

/* By value: see hooks.h, so that what calls it can go on by a jump. */
__attribute__((noipa)) static int concerned(long number, long a, long b, long c, long d, long e, long f) {
  const long arguments[6] = {a, b, c, d, e, f};
  int anywhere = waits_anywhere(number);
  for (const struct out *out = outs[number]; out < outs[number] + MOST_OUT && out->kind != NOTHING; out++) {
    uint64_t at = (uint64_t)arguments[out->argument];
    if (at == 0) continue;
    if (out->kind == VECTOR) {
      if (vectors_concerned((const struct vector *)at, (uint64_t)(int)arguments[out->by], anywhere)) return 1;
    } else if (out->kind == MESSAGE) {
      const struct message *message = (const struct message *)at;
      if (is_concerned(at, sizeof *message, anywhere) || is_concerned(message->name, message->name_size, anywhere) ||
          is_concerned(message->control, message->control_size, anywhere) ||
          vectors_concerned(message->vectors, message->count, anywhere)) {
        return 1;
      }
    } else if (is_concerned(at, size_of(out, arguments), anywhere)) {
      return 1;
    }
  }
  return 0;
}

/* Where the program gives memory that is not there the kernel is to say so. */
static int copy_in(uint8_t *to, uint64_t at, size_t size) {
  uint64_t mask = lock_enter();
  int result = careful_copy(to, (const void *)at, size);
  lock_leave(mask);
  return result;
}

static uint8_t *reserve(struct bounced *all, size_t room) {
  if (all->used + room <= sizeof all->small) {
    all->used += room;
    return all->small + all->used - room;
  }
  uint8_t *at = pages_allocate(POLUS_OTHER_MEMORY_BEFORE + room);
  if (at == NULL) return NULL;
  *(uint64_t *)at = POLUS_OTHER_MEMORY;
  return at + POLUS_OTHER_MEMORY_BEFORE;
}

static void release(struct bounced *all, uint8_t *copy, size_t room) {
  if (copy >= all->small && copy < all->small + sizeof all->small) return;
  pages_release(copy - POLUS_OTHER_MEMORY_BEFORE, POLUS_OTHER_MEMORY_BEFORE + room);
}

static size_t room_of(const struct buffer *buffer) { return buffer->before == NULL ? buffer->size : 2 * buffer->size; }

/** How it is known what a call has written. */
enum written { RETURNED, CHANGED };

static struct buffer *add_buffer(struct bounced *all, uint64_t at, size_t size, enum written how) {
  if (all->count == MOST_OUT) return NULL;
  size_t room = how == CHANGED ? 2 * size : size;
  uint8_t *copy = reserve(all, room);
  if (copy == NULL) return NULL;
  if (how == CHANGED && copy_in(copy, at, size) < 0) {
    release(all, copy, room);
    return NULL;
  }
  struct buffer *buffer = &all->buffers[all->count++];
  *buffer = (struct buffer){at, size, copy, how == CHANGED ? copy + size : NULL};
  if (how == CHANGED) memcpy(buffer->before, copy, size);
  return buffer;
}

/** Other memory for a buffer; the buffer itself where that need not be or there is none. */
static uint64_t instead(struct bounced *all, uint64_t at, size_t size, enum written how) {
  struct buffer *buffer = is_concerned(at, size, all->anywhere) ? add_buffer(all, at, size, how) : NULL;
  return buffer == NULL ? at : (uint64_t)buffer->copy;
}

/** The same for several at once: `one` is instead of all of them. 0: they need not be. The last thing to ask for. */
static int all_instead(struct bounced *all, struct vector *one, const struct vector *vectors, uint64_t count) {
  uint64_t size = 0;
  if (!vectors_concerned(vectors, count, all->anywhere)) return 0;
  for (uint64_t i = 0; i < count && i < MOST_VECTORS && size <= MOST_TOGETHER; i++) size += vectors[i].size;
  struct buffer *buffer = count > MOST_VECTORS || size > MOST_TOGETHER ? NULL : add_buffer(all, 0, size, RETURNED);
  if (buffer == NULL) return 0;
  *one = (struct vector){(uint64_t)buffer->copy, size};
  all->vectors = vectors, all->vector_count = count;
  return 1;
}

/* What has changed and nothing else: another thread may have stored beside it. */
static void store_changes(const struct buffer *buffer) {
  for (size_t from = 0, to; from < buffer->size; from = to + 1) {
    while (from < buffer->size && buffer->copy[from] == buffer->before[from]) from++;
    for (to = from; to < buffer->size && buffer->copy[to] != buffer->before[to];) to++;
    if (to > from) polus_runtime_store((void *)(buffer->at + from), buffer->copy + from, to - from);
  }
}

static void scatter(const struct bounced *all, const uint8_t *from, size_t size) {
  for (uint64_t i = 0; i < all->vector_count && size > 0; i++) {
    size_t part = all->vectors[i].size < size ? all->vectors[i].size : size;
    if (part > 0) polus_runtime_store((void *)all->vectors[i].at, from, part);
    from += part, size -= part;
  }
}

/** Stores what the call has written, which has returned `result`. */
static void give_back(struct bounced *all, long result) {
  for (struct buffer *buffer = all->buffers; buffer < all->buffers + all->count; buffer++) {
    size_t written = result <= 0 ? 0 : (size_t)result < buffer->size ? (size_t)result : buffer->size;
    if (buffer->before != NULL) store_changes(buffer);
    else if (buffer->at == 0) scatter(all, buffer->copy, written);
    else if (written > 0) polus_runtime_store((void *)buffer->at, buffer->copy, written);
    release(all, buffer->copy, room_of(buffer));
  }
}

static long make(struct way way, long a, long b, long c, long d, long e, long f) {
  return way.number == -1 ? previous_of(way.hook)(a, b, c, d, e, f) : POLUS_CALL(way.number, a, b, c, d, e, f);
}

/* A system call leaves the vector registers alone, as a function of the C library need not. */
static void give_back_by(struct way way, struct bounced *all, long result) {
  struct vectors vectors;
  if (way.number == -1) {
    give_back(all, result);
    return;
  }
  uint64_t mask = lock_enter();
  vectors_enter(&vectors);
  give_back(all, result);
  vectors_leave(&vectors);
  lock_leave(mask);
}

static void begin(struct bounced *all, struct way way) {
  all->count = 0, all->used = 0;
  all->vectors = NULL, all->vector_count = 0;
  all->anywhere = way.number != -1 || waits_anywhere(way.hook);
}

static long bounce_message(struct way way, const long a[6]) {
  struct message *original = (struct message *)a[1];
  struct bounced all;
  struct vector one;
  struct message message = *original;
  begin(&all, way);
  message.name = instead(&all, original->name, original->name_size, CHANGED);
  message.control = instead(&all, original->control, original->control_size, CHANGED);
  if (all_instead(&all, &one, original->vectors, original->count)) message.vectors = &one, message.count = 1;
  long result = make(way, a[0], (long)&message, a[2], a[3], a[4], a[5]);
  give_back_by(way, &all, result);
  if (result < 0) return result;
  message.vectors = original->vectors, message.count = original->count;
  message.name = original->name, message.control = original->control;
  if (is_guarded((uint64_t)original, sizeof message)) polus_runtime_store(original, &message, sizeof message);
  else *original = message;
  return result;
}

__attribute__((noinline)) long bounce(struct way way, long a, long b, long c, long d, long e, long f) {
  const long before[6] = {a, b, c, d, e, f};
  long now[6] = {a, b, c, d, e, f};
  struct bounced all;
  struct vector one;
  const struct out *first = outs[way.hook];
  if (first->kind == MESSAGE) return bounce_message(way, before);
  begin(&all, way);
  for (const struct out *out = first; out < first + MOST_OUT && out->kind != NOTHING; out++) {
    uint64_t at = (uint64_t)before[out->argument];
    if (out->kind != VECTOR) {
      now[out->argument] = (long)instead(&all, at, size_of(out, before), out->kind == RESULT ? RETURNED : CHANGED);
    } else if (all_instead(&all, &one, (const struct vector *)at, (uint64_t)(int)before[out->by])) {
      now[out->argument] = (long)&one, now[out->by] = 1;
    }
  }
  long result = make(way, now[0], now[1], now[2], now[3], now[4], now[5]);
  give_back_by(way, &all, result);
  return first->kind == TEXT && result != 0 && result == now[first->argument] ? before[first->argument] : result;
}

#define BOUNCED(name)                                                                         \
  long polus_hook_##name(long a, long b, long c, long d, long e, long f) {                    \
    if (!nothing_is_guarded() && concerned(HOOK_##name, a, b, c, d, e, f)) {                  \
      return bounce((struct way){HOOK_##name, -1}, a, b, c, d, e, f);                         \
    }                                                                                         \
    return previous_of(HOOK_##name)(a, b, c, d, e, f);                                        \
  }

BOUNCED(read) BOUNCED(pread64) BOUNCED(readv) BOUNCED(preadv)
BOUNCED(recv) BOUNCED(recvfrom) BOUNCED(recvmsg)
BOUNCED(accept) BOUNCED(accept4) BOUNCED(getsockname) BOUNCED(getpeername) BOUNCED(getsockopt)
BOUNCED(ioctl) BOUNCED(fcntl)
BOUNCED(stat) BOUNCED(fstat) BOUNCED(lstat) BOUNCED(fstatat)
BOUNCED(getcwd) BOUNCED(readlink) BOUNCED(readlinkat)
BOUNCED(poll) BOUNCED(ppoll) BOUNCED(select) BOUNCED(pselect) BOUNCED(epoll_wait) BOUNCED(epoll_pwait)
BOUNCED(nanosleep) BOUNCED(clock_nanosleep) BOUNCED(clock_gettime)
BOUNCED(getrlimit) BOUNCED(getrusage) BOUNCED(uname) BOUNCED(sysinfo) BOUNCED(times)
BOUNCED(pipe) BOUNCED(pipe2) BOUNCED(socketpair)
BOUNCED(wait4) BOUNCED(waitpid) BOUNCED(waitid)
BOUNCED(getrandom) BOUNCED(getentropy) BOUNCED(arc4random_buf) BOUNCED(sigtimedwait)
