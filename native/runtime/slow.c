#include "slow.h"

#include "actions.h"
#include "coherence.h"
#include "lock.h"

enum { MOST_OPEN = 4 };
enum { TRAP_FLAG = 0x100 };

static struct {
  uint64_t owner; /* thread_identity() of the thread that steps; 0 */
  uint64_t mask;
  uint32_t count;
  struct page *pages[MOST_OPEN];
  uint8_t before[MOST_OPEN][PAGE_SIZE];
} open __attribute__((aligned(16)));

int slow_runs(void) { return open.owner != 0 && open.owner == thread_identity(); }

static int protect(const struct page *page, int protection) {
  return polus_failed(polus_mprotect((void *)(page->number * PAGE_SIZE), PAGE_SIZE, protection)) ? -1 : 0;
}

int slow_open(struct page *page, struct user_context *user) {
  if (open.count == MOST_OPEN) return -1;
  memcpy(open.before[open.count], page->alias, PAGE_SIZE);
  if (protect(page, POLUS_PROT_READ | POLUS_PROT_WRITE) < 0) return -1;
  open.pages[open.count++] = page;
  if (open.owner != 0) return 0;
  open.owner = thread_identity();
  /* No handler of the program's may run in between. */
  open.mask = user->mask;
  user->mask = ~SIGNALS_OF_OURS;
  user->context.flags |= TRAP_FLAG;
  polus_control.slow++;
  polus_control.slow_at = user->context.registers[CONTEXT_RIP];
  return 0;
}

/* Takes back what was stored, and stores it again as any store, so that the twins see before and after. */
static void carry(const struct page *page, const uint8_t *before) {
  static uint8_t after[PAGE_SIZE];
  memcpy(after, page->alias, PAGE_SIZE);
  memcpy(page->alias, before, PAGE_SIZE);
  for (size_t i = 0; i < PAGE_SIZE;) {
    if (after[i] == before[i]) {
      i++;
      continue;
    }
    size_t start = i;
    while (i < PAGE_SIZE && after[i] != before[i]) i++;
    (void)coherent_store(page->number * PAGE_SIZE + start, after + start, i - start);
  }
}

void slow_close(struct user_context *user) {
  user->mask = open.mask;
  user->context.flags &= ~(uint64_t)TRAP_FLAG;
  for (uint32_t i = 0; i < open.count; i++) {
    if (protect(open.pages[i], POLUS_PROT_READ) < 0) polus_control.damage = (uint64_t)POLUS_FAULT_KERNEL;
  }
  for (uint32_t i = 0; i < open.count; i++) carry(open.pages[i], open.before[i]);
  open.count = 0;
  open.owner = 0;
}
