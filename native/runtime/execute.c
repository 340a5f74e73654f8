#include "execute.h"

#include "context.h"
#include "memory.h"
#include "run.h"
#include "sites.h"
#include "syscalls.h"

enum {
  SLOT = 32, SLOTS = 8192, AREA = SLOT * SLOTS, /* 256 KiB of code, the scratch page right behind it */
  PLACES = 2 * SLOTS, /* of the table that finds equal copies */
  SCRATCH_END = 256, /* in the scratch page: where the copies find the address of polus_run_end */
  ARITHMETIC_FLAGS = 0x8d5, OTHER_FLAGS = 0x202, /* always one, and interrupts, which user code cannot turn off */
};

enum { NO_MEMORY = -12 }; /* ENOMEM */
enum { BELOW_OUR_FRAMES = 1024 };

/* The part of the frame that fxsave and xsave write (SDM volume 1, tables 10-2 and 13-1), and the kernel's own. */
enum {
  X87_INSTRUCTION = 8, X87_OPERAND = 16, VECTOR_CONTROL = 24,
  KERNEL_MAGIC = 464, KERNEL_FEATURES = 472, FRAME_MAGIC = 0x46505853,
  FEATURE_X87 = 1, FEATURES_VECTOR = 0xe6, /* SSE, AVX, and the three of AVX-512 */
  VECTOR_EXCEPTIONS = 0x3f, VECTOR_EXCEPTIONS_MASKED = 0x1f80,
};

static uint8_t *area;     /* executable */
static uint8_t *writable; /* the same memory */
static uint32_t used;     /* slots */
static uint16_t places[PLACES]; /* slot + 1 */
static int closed;        /* `writable` may be shared with another process: nothing more is put there */

uint8_t *polus_scratch(void) { return area + AREA; }

static long shared_memory(void) {
  return polus_mmap(NULL, AREA, POLUS_PROT_READ | POLUS_PROT_WRITE, POLUS_MAP_SHARED | POLUS_MAP_ANONYMOUS, -1, 0);
}

/* Puts the same memory, executable, at `area`: mremap(2) with an old size of 0 maps it a second time. */
static long map_executable(uint8_t *memory) {
  long at = polus_mremap(memory, 0, AREA, POLUS_MREMAP_MAYMOVE, NULL);
  if (polus_failed(at)) return at;
  long result = polus_mprotect((void *)at, AREA, POLUS_PROT_READ | POLUS_PROT_EXEC);
  if (!polus_failed(result)) {
    result = polus_mremap((void *)at, AREA, AREA, POLUS_MREMAP_MAYMOVE | POLUS_MREMAP_FIXED, area);
  }
  if (polus_failed(result)) polus_munmap((void *)at, AREA);
  return result;
}

int polus_execute_start(void) {
  enum { WHOLE = AREA + PAGE_SIZE };
  void (*end)(void) = polus_run_end;
  if (area != NULL) return 0;
  uint8_t *whole = pages_allocate(WHOLE);
  long memory = shared_memory(), result = memory;
  if (whole != NULL && !polus_failed(memory)) {
    area = whole;
    result = map_executable((uint8_t *)memory);
  }
  if (whole == NULL || polus_failed(result)) {
    if (!polus_failed(memory)) polus_munmap((void *)memory, AREA);
    if (whole != NULL) pages_release(whole, WHOLE);
    area = NULL;
    return whole == NULL ? NO_MEMORY : (int)result;
  }
  writable = (uint8_t *)memory;
  memcpy(polus_scratch() + SCRATCH_END, &end, sizeof end);
  return 0;
}

/* Slots never change once they are filled, so those of before the fork are right even in shared memory. */
int polus_execute_fork(void) {
  if (area == NULL) return 0;
  closed = 1;
  long memory = shared_memory(), result = memory;
  if (!polus_failed(memory)) {
    memcpy((void *)memory, area, used * SLOT);
    result = map_executable((uint8_t *)memory);
    if (!polus_failed(result)) {
      result = polus_mremap((void *)memory, AREA, AREA, POLUS_MREMAP_MAYMOVE | POLUS_MREMAP_FIXED, writable);
    }
    if (polus_failed(result)) polus_munmap((void *)memory, AREA);
  }
  closed = polus_failed(result);
  return closed ? (int)result : 0;
}

static unsigned put_relative(uint8_t *slot, unsigned at, const uint8_t *place, const uint8_t *end, const uint8_t *to) {
  int32_t distance = (int32_t)(to - (place + (end - slot)));
  memcpy(slot + at, &distance, sizeof distance);
  return at + (unsigned)sizeof distance;
}

/* What belongs into the slot at `place`. */
static void compose(const struct store *store, const uint8_t *place, uint8_t *slot) {
  static const uint8_t jump[] = {0x3e, 0xff, 0x25}; /* notrack jmp *… */
  unsigned size = store->copy_length;
  memset(slot, 0xcc, SLOT);
  memcpy(slot, store->copy, size);
  put_relative(slot, store->copy_displacement, place, slot + size, area + AREA);
  memcpy(slot + size, jump, sizeof jump);
  size += (unsigned)sizeof jump;
  put_relative(slot, size, place, slot + size + 4, area + AREA + SCRATCH_END);
}

/* mov of a register or of an immediate, as it stands in the copy (SDM volume 2, MOV). */
static void find_value(struct prepared *prepared) {
  const struct store *store = &prepared->store;
  const uint8_t *copy = store->copy;
  unsigned at = 0, rex = 0, modrm = store->copy_displacement - 1u;
  prepared->value = VALUE_COMPUTED;
  if (copy[at] == 0x66) at++;
  if ((copy[at] & 0xf0) == 0x40) rex = copy[at++];
  if (at + 1 != modrm) return;
  unsigned number = (copy[modrm] >> 3 & 7u) | (rex & 4 ? 8 : 0);
  unsigned immediate = store->copy_displacement + 4u, size = store->copy_length - immediate;
  switch (copy[at]) {
    case 0x88:
      if (rex == 0 && number >= 4) return; /* ah, ch, dh, bh */
      __attribute__((fallthrough));
    case 0x89:
      prepared->value = VALUE_REGISTER;
      prepared->source = (uint8_t)number;
      return;
    case 0xc6:
    case 0xc7:
      if ((number & 7) != 0 || size > 4) return;
      prepared->value = VALUE_IMMEDIATE;
      prepared->immediate = 0;
      memcpy(&prepared->immediate, copy + immediate, size);
      return;
  }
}

/* Equal instructions share a slot: a program has many stores, but few that differ but for their address. */
int polus_prepare(struct prepared *prepared) {
  const struct store *store = &prepared->store;
  uint8_t slot[SLOT];
  uint32_t hash = store->copy_length;
  if (area == NULL) return -1;
  find_value(prepared);
  for (unsigned i = 0; i < store->copy_length; i++) hash = (hash ^ store->copy[i]) * 0x01000193; /* FNV-1a */
  for (hash ^= hash >> 15;; hash++) {
    uint16_t *found = &places[hash % PLACES];
    uint32_t number = *found != 0 ? *found - 1u : used;
    const uint8_t *place = area + number * SLOT;
    if (number == SLOTS || (*found == 0 && closed)) return -1;
    compose(store, place, slot);
    if (*found == 0) {
      memcpy(writable + number * SLOT, slot, SLOT);
      *found = (uint16_t)(++used);
    } else if (memcmp(place, slot, SLOT) != 0) {
      continue;
    }
    prepared->code = place;
    return 0;
  }
}

static void load_state(const uint8_t *state, uint32_t features, int extended) {
  if (extended) __asm__ volatile("xrstor64 (%0)" : : "r"(state), "a"(features), "d"(0) : "memory");
  else __asm__ volatile("fxrstor64 (%0)" : : "r"(state) : "memory");
}

static void keep_x87(uint8_t *state, int extended) {
  if (extended) __asm__ volatile("xsave64 (%0)" : : "r"(state), "a"(FEATURE_X87), "d"(0) : "memory");
  else __asm__ volatile("fxsave64 (%0)" : : "r"(state) : "memory");
}

/* vcvtps2ph is the only store that raises floating-point exceptions. */
static int converts(const struct store *store) {
  const uint8_t *copy = store->copy;
  return (copy[0] == 0xc4 && (copy[1] & 31) == 3 && copy[3] == 0x1d) ||
         (copy[0] == 0x62 && (copy[1] & 7) == 3 && copy[4] == 0x1d);
}

/* The addresses that the x87 keeps of the last instruction and its operand: the thread's, not the copy's. */
static void correct_x87(uint8_t *state, const struct prepared *prepared, const struct context *context) {
  uint64_t instruction, operand;
  memcpy(&instruction, state + X87_INSTRUCTION, sizeof instruction);
  memcpy(&operand, state + X87_OPERAND, sizeof operand);
  if (instruction == (uint64_t)prepared->code) {
    memcpy(state + X87_INSTRUCTION, &context->registers[CONTEXT_RIP], sizeof instruction);
  }
  if (operand == (uint64_t)polus_scratch()) memcpy(state + X87_OPERAND, &context->cr2, sizeof operand);
}

static void run(const struct prepared *prepared, struct context *context) {
  memcpy(polus_current.registers, context->registers, sizeof polus_current.registers);
  polus_current.flags = (context->flags & ARITHMETIC_FLAGS) | OTHER_FLAGS;
  polus_current.code = prepared->code;
  /* In a stub signals are open: their frames go below what is ours of the stack. No such copy looks at it. */
  int in_stub = context->trap == CONTEXT_OF_STUB;
  if (in_stub) polus_current.registers[CONTEXT_RSP] = (uint64_t)__builtin_frame_address(0) - BELOW_OUR_FRAMES;
  polus_run();
  if (in_stub) polus_current.registers[CONTEXT_RSP] = context->registers[CONTEXT_RSP];
  memcpy(context->registers, polus_current.registers, sizeof polus_current.registers);
  context->flags = (context->flags & ~(uint64_t)ARITHMETIC_FLAGS) | (polus_current.flags & ARITHMETIC_FLAGS);
}

/* With exceptions masked, as one could not be delivered from here; their flags are kept. */
static void run_conversion(const struct prepared *prepared, struct context *context, uint8_t *state) {
  uint32_t control, after;
  memcpy(&control, state + VECTOR_CONTROL, sizeof control);
  after = control | VECTOR_EXCEPTIONS_MASKED;
  __asm__ volatile("ldmxcsr %0" : : "m"(after));
  run(prepared, context);
  __asm__ volatile("stmxcsr %0" : "=m"(after));
  control |= after & VECTOR_EXCEPTIONS;
  memcpy(state + VECTOR_CONTROL, &control, sizeof control);
}

uint64_t polus_value(const struct prepared *prepared, struct context *context) {
  return prepared->value == VALUE_REGISTER ? *polus_register(context, prepared->source)
                                           : (uint64_t)(int64_t)prepared->immediate;
}

void polus_execute(const struct prepared *prepared, struct context *context) {
  if (prepared->value != VALUE_COMPUTED) {
    uint64_t value = polus_value(prepared, context);
    memcpy(polus_scratch(), &value, sizeof value);
    return;
  }
  unsigned needs = prepared->store.needs;
  uint8_t *state = context->fpstate;
  uint32_t magic = 0, features = 0;
  if (state == NULL || !(needs & (STORE_VECTOR | STORE_X87))) {
    run(prepared, context);
    return;
  }
  memcpy(&magic, state + KERNEL_MAGIC, sizeof magic);
  memcpy(&features, state + KERNEL_FEATURES, sizeof features);
  int extended = magic == FRAME_MAGIC;
  uint32_t wanted = (needs & STORE_VECTOR ? FEATURES_VECTOR : 0) | (needs & STORE_X87 ? FEATURE_X87 : 0);
  load_state(state, features & wanted, extended);
  if (converts(&prepared->store)) run_conversion(prepared, context, state);
  else run(prepared, context);
  if (needs & STORE_X87) {
    keep_x87(state, extended);
    correct_x87(state, prepared, context);
  }
}
