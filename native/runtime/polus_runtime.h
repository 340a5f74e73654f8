/*
 * The runtime: what lives in a program while an update changes its data. This header is the contract
 * between the engine, which loads the runtime and calls it on a borrowed thread, and the runtime.
 *
 * A *set* holds the items of one update. An *item* is a kind of object whose layout changes; an *object*
 * has an old and a new copy. Between `begin` and `end` of a set both copies are write-protected: whoever
 * stores to one is caught by the handler of SIGSEGV, which performs the store, brings the other copy into
 * line, and lets the thread go on.
 *
 * The runtime is freestanding: no libc, no relocations, general registers only. All functions return
 * zero or a positive number, or a negative one of `polus_fault`. They may be called by any thread, also
 * one that was stopped at any instruction, and never wait for a lock of the program.
 */
#ifndef POLUS_RUNTIME_H
#define POLUS_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#define POLUS_EXPORT __attribute__((visibility("default")))

/** "POLUSRT1", little endian. */
#define POLUS_RUNTIME_MAGIC UINT64_C(0x31545253554c4f50)
#define POLUS_RUNTIME_LAYOUT 1
#define POLUS_MOST_SETS 64

enum polus_side { POLUS_OLD = 0, POLUS_NEW = 1 };

/** Results below zero. What the kernel refused is `POLUS_FAULT_KERNEL - errno`. */
enum polus_fault {
  POLUS_FAULT_NONE = 0,
  POLUS_FAULT_MEMORY = -1,    /* no memory, or no room in the tables */
  POLUS_FAULT_SET = -2,       /* no such set, or not in a state that permits it */
  POLUS_FAULT_ITEM = -3,      /* no such item, or sizes that make no sense */
  POLUS_FAULT_OVERLAP = -4,   /* the object overlaps one that is there already */
  POLUS_FAULT_UNMAPPED = -5,  /* the object is not in private, writable memory */
  POLUS_FAULT_STARTED = -6,   /* not started */
  POLUS_FAULT_SITE = -7,      /* an instruction that cannot be performed in a stub */
  POLUS_FAULT_KERNEL = -1000,
};

/** What a set is doing. The engine reads it in the control block; numbers never change their meaning. */
enum polus_set_state {
  POLUS_SET_FREE = 0,
  POLUS_SET_GATHERING = 1,  /* items and objects are being made known; nothing is protected */
  POLUS_SET_CONVERTING = 2, /* `begin` goes on: pages are protected and copies made, step by step */
  POLUS_SET_COHERENT = 3,   /* both copies are coherent: coexistence */
  POLUS_SET_LIFTING = 4,    /* `end` goes on */
  POLUS_SET_OLD = 5,        /* only the old copies live; the new ones are stale */
  POLUS_SET_NEW = 6,        /* only the new copies live; the old ones are retired */
};

struct polus_set_status {
  uint32_t state; /* polus_set_state */
  uint32_t from;  /* polus_side: which copies were the truth when `begin` was called last */
  uint64_t objects;
  uint64_t done; /* objects converted (CONVERTING) or let go (LIFTING) so far */
  uint64_t stray; /* touches of retired copies */
  uint64_t stray_at; /* address of the last one */
  int64_t fault; /* the first object that could not be made known to `polus_runtime_visit`: why; 0: none */
};

/**
 * Read by the engine, straight from memory; written by the runtime alone. Numbers are eight bytes wide,
 * counters only grow.
 */
struct polus_control {
  uint64_t magic;
  uint64_t layout;
  uint64_t started; /* 1: handlers are in place */
  uint64_t guarded_pages;
  uint64_t traps;     /* stores that were caught */
  uint64_t transfers; /* runs of forward and backward functions, and stores that were carried over without any */
  uint64_t slow;      /* stores that had to be single-stepped, with their page open */
  uint64_t slow_at;   /* address of the instruction of the last one */
  uint64_t rewritten; /* sites that store and synchronise directly */
  uint64_t forked;    /* children that got memory of their own */
  uint64_t damage;    /* first inconsistency the runtime met in itself: a polus_fault, as a number */
  struct polus_set_status sets[POLUS_MOST_SETS];
};

extern POLUS_EXPORT struct polus_control polus_control;

/**
 * Who has the runtime's lock. A thread whose fs base, with bit 0 set, is `owner` must not be borrowed to call the
 * runtime: it would be let in, being the holder, into the middle of what it does.
 */
struct polus_lock {
  uint64_t owner; /* 0: nobody */
  uint32_t depth; /* only its holder looks */
  uint32_t waiting;
  uint32_t turn;
  uint32_t padding;
};
extern POLUS_EXPORT struct polus_lock polus_lock;

/**
 * A store of two bytes' length to the first word faults, and says that the thread is not to be stopped at its system
 * calls from here on; one to the second word, that it is again.
 */
extern POLUS_EXPORT const uint64_t polus_stops[2];

/**
 * Entries of `polus_sites` and of `polus_hot`, and bytes of a site; a runtime that does not say has 64 of each, and
 * its sites end before `before`.
 */
extern POLUS_EXPORT const uint64_t polus_table_sizes[3];

/** How often stores at an address were caught. Addresses that are rare give way to others. */
struct polus_hot {
  uint64_t address; /* of the instruction; 0: none */
  uint64_t count;
};
#define POLUS_MOST_HOT 512
extern POLUS_EXPORT struct polus_hot polus_hot[POLUS_MOST_HOT];

/**
 * A storing instruction of the program in whose place a jump leads to a stub, which stores and synchronises
 * without being caught. The stub holds, 109 bytes behind the return address of its call of `polus_site_entry`,
 * the address of this; the call returns with rsp 128 bytes lower than the program's, and 16 below that lies
 * where to go on: `instead` or `behind`.
 */
#define POLUS_STUB_SIZE 128
#define POLUS_MOST_MOVED 16
struct polus_site {
  uint64_t state;    /* polus_site_state */
  uint64_t address;  /* of the store; the jump stands there, or is to stand, or `before` bytes earlier */
  uint64_t replaced; /* bytes that it stands on */
  uint64_t stub;
  uint64_t instead;  /* a copy of the instruction, to be executed as it is */
  uint64_t behind;   /* what follows it */
  uint64_t hits;
  uint8_t original[32];
  /* Copies of the program's instructions, by their offsets in the stub and from the jump; `stub` 0: no more. */
  struct {
    uint16_t stub, program;
  } moved[POLUS_MOST_MOVED];
  uint64_t before; /* bytes of other instructions from the jump to the store */
};
enum polus_site_state {
  POLUS_SITE_FREE = 0,
  POLUS_SITE_KNOWN = 1, /* the jump may be in place, or not */
};
#define POLUS_MOST_SITES 256
extern POLUS_EXPORT struct polus_site polus_sites[POLUS_MOST_SITES];

/** Where stubs go. Not a C function. */
extern POLUS_EXPORT void polus_site_entry(void);

/**
 * Makes a site known; nothing leads to it yet. `code` holds the program's instruction, at least 15 bytes
 * where there are that many. Returns its number; POLUS_FAULT_SITE if the runtime does not perform such a store outside
 * a handler.
 */
POLUS_EXPORT long polus_runtime_site(uint64_t address, const uint8_t *code, size_t size, uint64_t stub);

/** Forgets a site that nothing leads to any more; a thread may still be in its stub. */
POLUS_EXPORT long polus_runtime_forget_site(long number);

/**
 * Puts the gate before all handlers of the program, or takes it away: signals that arrive while a thread has
 * the lock in a stub are put off until it has let it go.
 */
POLUS_EXPORT long polus_runtime_gate(long on);

/**
 * Puts the handlers of SIGSEGV and SIGTRAP in place; what is not ours goes on to the program's own.
 * `hwcap2` is AT_HWCAP2 of this machine (getauxval(3)): bit 1 says that FSGSBASE may be used. Calling it
 * again does nothing.
 */
POLUS_EXPORT long polus_runtime_start(unsigned long hwcap2);

/** A new set; returns its number. */
POLUS_EXPORT long polus_runtime_set(void);

/**
 * A forward or backward function of a patch. `to` holds what the other copy holds now; only what the
 * function makes differ after a store from what it makes before it is taken over, so that a store to one
 * field leaves the others of the twin alone, also those that do not survive the way there and back.
 */
typedef void polus_transfer(const void *from, void *to);

/** A new item of a set that gathers; sizes in bytes. Returns its number, unique in the process. */
POLUS_EXPORT long polus_runtime_item(long set, size_t old_size, size_t new_size, polus_transfer *forward,
                                     polus_transfer *backward);

/**
 * A field that the transfer functions merely copy, there and back: a store to it, and to nothing else, changes
 * nothing but its twin, which then holds the same, widened where it is wider. Written by the engine into the room
 * that `polus_runtime_fields` returns, in order of `at[0]`.
 */
struct polus_field {
  uint16_t at[2];    /* offsets in the copy that is stored to, and in its twin */
  uint8_t size[2];   /* bytes there; 0: empty */
  uint8_t is_signed; /* how it is widened */
  uint8_t padding;
};

/**
 * Room for so many fields of an item of a set that gathers, of its old copies and behind them of its new ones;
 * its address. What was said before is forgotten.
 */
POLUS_EXPORT long polus_runtime_fields(long item, size_t old_count, size_t new_count);

/** An object of which both copies have their places (globals). */
POLUS_EXPORT long polus_runtime_pair(long item, void *old_object, void *new_object);

/**
 * An object of the program; its new copy comes from the arena. Known ones are left as they are. In a
 * set that is coherent it is protected and converted at once; in one whose new copies alone live, converted.
 */
POLUS_EXPORT long polus_runtime_add(long item, void *old_object);

/**
 * `polus_runtime_add` in the shape that an `each` function calls: `context` is the item's number. It only
 * takes note of the object; `step` makes it known, after `begin` or in a set that is coherent. What goes wrong
 * stands in the set's `fault`.
 */
POLUS_EXPORT void polus_runtime_visit(void *object, void *context);

/** The reverse: an object that new code has made; its old copy comes from the arena. */
POLUS_EXPORT long polus_runtime_add_new(long item, void *new_object);

/** Forgets an object (either copy), which is about to be freed. Returns 1 if it was known, else 0. */
POLUS_EXPORT long polus_runtime_remove(void *object);

/**
 * The same for a function that frees objects: returns the copy that is the program's own, from its allocator,
 * which may be the other one. `object` itself if it was not known.
 */
POLUS_EXPORT void *polus_runtime_disown(void *object);

/** Forgets all objects that have a copy in these bytes, which are about to become other memory. */
POLUS_EXPORT void polus_runtime_forget(const void *at, size_t size);

/**
 * Makes a set coherent, the copies of `from` being the truth. `step` does the work.
 * From GATHERING (`from` old), OLD (old) or NEW (new).
 */
POLUS_EXPORT long polus_runtime_begin(long set, long from);

/** Ends coherence; the copies of `keep` live on, in private memory; the others are retired. */
POLUS_EXPORT long polus_runtime_end(long set, long keep);

/** Works on what `begin` or `end` started for about `microseconds`; returns 0 when it is done, else 1. */
POLUS_EXPORT long polus_runtime_step(long set, long microseconds);

/** Forgets a set that gathers, or of which only the old copies live. Its number is used again. */
POLUS_EXPORT long polus_runtime_drop(long set);

/**
 * The calls around fork, by the hooks of libc's functions; `child` says on whose side it returned. Where the
 * first one fails nothing may be forked; the second must not be called then.
 */
POLUS_EXPORT long polus_runtime_before_fork(void);
POLUS_EXPORT void polus_runtime_after_fork(long child);

/** Whether a store to these bytes would be caught: 1 or 0. */
POLUS_EXPORT long polus_runtime_guards(const void *at, size_t size);

/**
 * The same, or whether it may any moment, since something on one of the pages is being converted: a system call that
 * is blocked must have no such memory to write to.
 */
POLUS_EXPORT long polus_runtime_concerns(const void *at, size_t size);

/**
 * Makes known what `each` functions have named, for so many microseconds, and guards nothing yet. Returns 1 while
 * there is more.
 */
POLUS_EXPORT long polus_runtime_ready(long set, long microseconds);

/** Stores bytes as a caught store would: for system calls that the hooks perform aside. */
POLUS_EXPORT void polus_runtime_store(void *at, const void *bytes, size_t size);

/**
 * The program's own action for SIGSEGV or SIGTRAP, which stands behind ours: rt_sigaction(2) with the
 * kernel's structures (handler, flags, restorer, mask: four words of eight bytes). -1 for other signals.
 */
POLUS_EXPORT long polus_runtime_action(long signal, const void *to, void *before);

enum polus_hook_flags {
  POLUS_HOOK_NEEDED = 1,      /* without it no data may change */
  POLUS_HOOK_ALTERNATIVE = 2, /* only where the one before it is not there */
  POLUS_HOOK_CALLED = 4,      /* not redirected: we only call it */
  POLUS_HOOK_IDLE = 8,        /* may be passed by while nothing is guarded … */
};
/** … if the second argument is not NULL, only where it points to 32 bits of which none of these is set. */
#define POLUS_HOOK_UNLESS(bits) (POLUS_HOOK_IDLE | (uint64_t)(bits) << 32)

/**
 * A function of the C library that stays redirected to one of the runtime's for as long as the process
 * lives, at whatever level its updates stand. `previous` calls the function as it was; the engine writes it
 * before the first call can come, and `door`: the byte that is zero while it may be passed by, or NULL.
 */
struct polus_hook {
  char name[24];
  void *hook;
  void *previous;
  uint64_t flags;
  uint8_t *door;
};

/** The last one has no name. */
extern POLUS_EXPORT struct polus_hook polus_hooks[];

/**
 * Where a thread goes on that has been blocked since before its memory was guarded, in a call that native/runtime/blocked.c
 * knows: with all registers as they are at the return of that call but rcx, which says where that is. Call frame
 * information leads through it.
 */
extern POLUS_EXPORT void polus_blocked(void);

/**
 * Stands this many bytes before memory of the runtime's own that a call was given in the place of the program's: a
 * thread that is blocked there needs no other.
 */
#define POLUS_OTHER_MEMORY UINT64_C(0x4f534c504f574e21)
#define POLUS_OTHER_MEMORY_BEFORE 64

/**
 * Clears SIGSEGV and SIGTRAP from the masks of all of the program's handlers: a thread that blocks a signal
 * which the processor raises is killed. The engine does the same to the threads' own masks.
 */
POLUS_EXPORT long polus_runtime_unblock(void);

/* For patches; documented in polus.h. */
POLUS_EXPORT void *polus_twin_of(const void *object);
POLUS_EXPORT void *polus_copy_by(const void *object, const void *transfer);
POLUS_EXPORT void *polus_adopt(void *object, const void *forward);
POLUS_EXPORT void *polus_allocate(size_t size);
POLUS_EXPORT void polus_release(void *object);

#endif
