#include "store.h"

#include "careful.h"
#include "coherence.h"
#include "execute.h"
#include "lock.h"

/** What is known of the instruction at an address, as long as its bytes are the same. */
struct known {
  uint64_t at;
  uint8_t bytes[15];
  uint8_t state; /* known_state */
  struct prepared prepared;
};

enum known_state { KNOWN_NOTHING = 0, KNOWN_SLOW, KNOWN_READY };
enum { KNOWN = 4096, LONGEST = 15, REPEATED_AT_ONCE = 4096, BUFFER = 512 };

static struct known known[KNOWN];

uint64_t *polus_register(struct context *context, unsigned number) {
  static const uint8_t places[16] = {
      CONTEXT_RAX, CONTEXT_RCX, CONTEXT_RDX, CONTEXT_RBX, CONTEXT_RSP, CONTEXT_RBP, CONTEXT_RSI, CONTEXT_RDI,
      CONTEXT_R8,  CONTEXT_R9,  CONTEXT_R10, CONTEXT_R11, CONTEXT_R12, CONTEXT_R13, CONTEXT_R14, CONTEXT_R15,
  };
  return &context->registers[places[number & 15]];
}

static size_t fetch(uint64_t at, uint8_t *bytes) {
  if (careful_copy(bytes, (const void *)at, LONGEST) == 0) return LONGEST;
  size_t rest = PAGE_SIZE - at % PAGE_SIZE;
  return rest < LONGEST && careful_copy(bytes, (const void *)at, rest) == 0 ? rest : 0;
}

static const struct known *know(uint64_t at) {
  struct known *one = &known[(at * UINT64_C(0x9e3779b97f4a7c15) >> 32) % KNOWN];
  uint8_t bytes[LONGEST] = {0};
  size_t available;
  if (one->at == at && one->state != KNOWN_NOTHING) {
    size_t length = one->prepared.store.length;
    if (length > 0 && careful_copy(bytes, (const void *)at, length) == 0 && memcmp(bytes, one->bytes, length) == 0) return one;
  }
  available = fetch(at, bytes);
  memset(one, 0, sizeof *one);
  one->at = at;
  memcpy(one->bytes, bytes, available);
  struct store *store = &one->prepared.store;
  int stores = polus_decode(bytes, available, store);
  one->state = KNOWN_SLOW;
  if (!stores || store->form == STORE_UNKNOWN || store->form == STORE_CONTROL) return one;
  if (store->form == STORE_MODRM && polus_prepare(&one->prepared) < 0) return one;
  one->state = KNOWN_READY;
  return one;
}

static uint64_t segment_base(unsigned segment) {
  uint64_t base = 0;
  if (segment == SEGMENT_FS) base = thread_identity() & ~UINT64_C(1);
  return base;
}

static uint64_t effective_address(const struct store *store, struct context *context) {
  uint64_t at = (uint64_t)store->displacement;
  if (store->base == 16) at += context->registers[CONTEXT_RIP] + store->length;
  else if (store->base != NO_REGISTER) at += *polus_register(context, store->base);
  if (store->index != NO_REGISTER) at += *polus_register(context, store->index) * store->scale;
  if (store->needs & STORE_ADDRESS_32) at = (uint32_t)at;
  return at + segment_base(store->segment);
}

static enum store_outcome stored(struct context *context, const struct store *store, int result) {
  if (result < 0) return STORE_FAULT;
  context->registers[CONTEXT_RIP] += store->length;
  return STORE_DONE;
}

static enum store_outcome finish(struct context *context, const struct store *store, uint64_t at, const void *bytes) {
  return stored(context, store, coherent_store(at, bytes, store->size));
}

/*
 * A masked store over the end of a page: bytes outside of the mask may not be there, and may be others' in a
 * page that is not guarded. Which ones are stored shows in two runs, on any bytes and on their inverse.
 */
static enum store_outcome perform_masked(const struct prepared *prepared, struct context *context, uint64_t at) {
  size_t size = prepared->store.size;
  uint8_t first[64], *scratch = polus_scratch();
  memset(scratch, 0, size);
  polus_execute(prepared, context);
  memcpy(first, scratch, size);
  memset(scratch, 0xff, size);
  polus_execute(prepared, context);
  for (size_t start = 0, end; start < size; start = end) {
    end = start + 1;
    if (first[start] != scratch[start]) continue;
    while (end < size && first[end] == scratch[end]) end++;
    if (coherent_store(at + start, first + start, end - start) < 0) return STORE_FAULT;
  }
  context->registers[CONTEXT_RIP] += prepared->store.length;
  return STORE_DONE;
}

static enum store_outcome perform_operand(const struct prepared *prepared, struct context *context) {
  const struct store *store = &prepared->store;
  uint64_t at = effective_address(store, context);
  uint64_t *bit = NULL, offset = 0;
  if ((store->needs & STORE_GATES) && at % PAGE_SIZE + store->size > PAGE_SIZE) return perform_masked(prepared, context, at);
  if (store->needs & STORE_BIT) {
    /* Bit offsets in registers are signed and reach beyond the operand (SDM volume 2, BTS). */
    unsigned bits = 8u * store->size;
    bit = polus_register(context, store->bit_register);
    offset = *bit;
    int64_t distance = store->size == 8 ? (int64_t)offset : store->size == 4 ? (int32_t)offset : (int16_t)offset;
    at += (uint64_t)((distance >> (store->size == 8 ? 6 : store->size == 4 ? 5 : 4)) * store->size);
    *bit = offset & (bits - 1);
  }
  uint8_t bytes[64];
  uint8_t *scratch = polus_scratch();
  /* Over the end of a page it is read in any case: where the second page is not there, nothing of the first is stored. */
  int need_not_read = prepared->value != VALUE_COMPUTED && at % PAGE_SIZE + store->size <= PAGE_SIZE;
  int readable = need_not_read || careful_copy(scratch, (const void *)at, store->size) == 0;
  if (readable) {
    polus_execute(prepared, context);
    memcpy(bytes, scratch, store->size);
  }
  if (bit != NULL) *bit = offset;
  return readable ? finish(context, store, at, bytes) : STORE_FAULT;
}

static enum store_outcome perform_pop(const struct store *store, struct context *context) {
  uint64_t *stack = &context->registers[CONTEXT_RSP];
  uint8_t bytes[8];
  if (careful_copy(bytes, (const void *)*stack, store->size) < 0) return STORE_FAULT;
  *stack += store->size; /* before the address is computed (SDM volume 2, POP) */
  enum store_outcome outcome = finish(context, store, effective_address(store, context), bytes);
  if (outcome != STORE_DONE) *stack -= store->size;
  return outcome;
}

static enum store_outcome perform_absolute(const struct store *store, struct context *context) {
  return finish(context, store, effective_address(store, context), &context->registers[CONTEXT_RAX]);
}

struct string {
  const struct store *store;
  struct context *context;
  uint64_t mask; /* of addresses and of the count */
  int moves, down;
};

static void advance(struct string *string, enum context_register which, uint64_t bytes) {
  uint64_t *at = &string->context->registers[which];
  *at = (string->down ? *at - bytes : *at + bytes) & string->mask;
}

/* How many elements can be stored in one piece: as many as give what one after another gives. */
static uint64_t piece(const struct string *string, uint64_t to, uint64_t from, uint64_t count) {
  uint64_t size = string->store->size, most = BUFFER / size;
  if (string->down) most = 1;
  if (string->moves && to > from && to - from < BUFFER) {
    uint64_t apart = (to - from) / size;
    if (apart < most) most = apart == 0 ? 1 : apart;
  }
  return count < most ? count : most;
}

static int store_piece(struct string *string, uint64_t count, uint64_t to, uint64_t from) {
  uint8_t bytes[BUFFER];
  uint64_t size = string->store->size;
  if (string->moves) {
    if (careful_copy(bytes, (const void *)from, count * size) < 0) return -1;
  } else {
    for (uint64_t i = 0; i < count; i++) memcpy(bytes + i * size, &string->context->registers[CONTEXT_RAX], size);
  }
  return coherent_store(to, bytes, count * size);
}

/* As much as is guarded, but not too much at once: the thread comes back for the rest, as the processor would. */
static enum store_outcome perform_string(const struct store *store, struct context *context) {
  struct string string = {store, context, store->needs & STORE_ADDRESS_32 ? UINT32_MAX : UINT64_MAX,
                          store->string == 0xa4 || store->string == 0xa5, (context->flags & 0x400) != 0};
  uint64_t *counter = &context->registers[CONTEXT_RCX];
  int repeated = (store->needs & STORE_REPEATED) != 0;
  for (uint64_t done = 0; done < REPEATED_AT_ONCE;) {
    uint64_t count = repeated ? *counter & string.mask : 1;
    if (count == 0) break;
    uint64_t to = context->registers[CONTEXT_RDI] & string.mask;
    uint64_t from = (context->registers[CONTEXT_RSI] & string.mask) + segment_base(store->segment);
    const struct page *page = page_of(to);
    if (done > 0 && (page == NULL || page->state != PAGE_GUARDED)) return STORE_DONE;
    count = piece(&string, to, from, count);
    if (store_piece(&string, count, to, from) < 0) return done > 0 ? STORE_DONE : STORE_FAULT;
    advance(&string, CONTEXT_RDI, count * store->size);
    if (string.moves) advance(&string, CONTEXT_RSI, count * store->size);
    if (!repeated) {
      context->registers[CONTEXT_RIP] += store->length;
      return STORE_DONE;
    }
    *counter = (*counter - count) & string.mask;
    done += count * store->size;
  }
  if ((*counter & string.mask) == 0) context->registers[CONTEXT_RIP] += store->length;
  return STORE_DONE;
}

static enum store_outcome perform(const struct prepared *prepared, struct context *context) {
  const struct store *store = &prepared->store;
  switch (store->form) {
    case STORE_MODRM: return perform_operand(prepared, context);
    case STORE_STRING: return perform_string(store, context);
    case STORE_POP: return perform_pop(store, context);
    case STORE_ABSOLUTE: return perform_absolute(store, context);
    default: return STORE_SLOW;
  }
}

enum store_outcome store_perform(struct context *context) {
  const struct known *one = know(context->registers[CONTEXT_RIP]);
  if (one->state != KNOWN_READY || one->prepared.store.segment == SEGMENT_GS) return STORE_SLOW;
  return perform(&one->prepared, context);
}

static int is_guarded(const struct page *page) { return page != NULL && page->state == PAGE_GUARDED; }

enum store_outcome store_in_stub(const struct prepared *prepared, struct context *context) {
  const struct store *store = &prepared->store;
  uint64_t at = store->form == STORE_STRING ? context->registers[CONTEXT_RDI] : effective_address(store, context);
  const struct page *page = page_of(at);
  int one_page = at % PAGE_SIZE + store->size <= PAGE_SIZE;
  if (!is_guarded(page) && (one_page || !is_guarded(page_of(at + store->size - 1)))) return STORE_SLOW;
  if (!one_page || prepared->value == VALUE_COMPUTED) return perform(prepared, context);
  uint64_t value = polus_value(prepared, context);
  return stored(context, store, coherent_store_on(page, at, &value, store->size));
}
