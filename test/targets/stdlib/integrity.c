/*
 * A program whose code, imports and function pointers can be damaged.
 *
 *   code        changes an instruction of `answer`, which then gives 13
 *   unhook      puts the first bytes of `answer` back that it had at the start
 *   import      leads the import `toupper` to a function of the program's own
 *   handler     lets the function pointer `handler` lead into data
 *   forget      sets it to NULL
 *   look        what `answer`, `toupper` and the handler give
 */
#include "target.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Not by its header, which has it inline. */
int toupper(int c);

enum { ENTRY = 16 };

static int asked;
static unsigned char entry[ENTRY];
static long data[2];

/* Long enough to be redirected. */
__attribute__((noinline, noclone)) int answer(int plus) {
  asked += plus;
  if (asked < 0) return -1;
  return 42 + asked;
}

__attribute__((noinline)) static int usual(int x) { return x + 1; }

int (*handler)(int) = usual;

static int not_toupper(int c) { return c == 'a' ? '!' : c; }

static void with_code_writable(void *place, void (*change)(unsigned char *)) {
  unsigned long size = (unsigned long)sysconf(_SC_PAGESIZE);
  void *page = (void *)((unsigned long)place & -size);
  mprotect(page, 2 * size, PROT_READ | PROT_WRITE | PROT_EXEC);
  change(place);
  mprotect(page, 2 * size, PROT_READ | PROT_EXEC);
}

static void answer_13(unsigned char *code) {
  for (int i = 0; i < 64; i++) {
    if (code[i] == 42) {
      code[i] = 13;
      return;
    }
  }
}

static void put_entry(unsigned char *code) { memcpy(code, entry, ENTRY); }

extern const Elf64_Dyn _DYNAMIC[];
extern const char __executable_start[];

static unsigned long dynamic(Elf64_Sxword tag) {
  for (const Elf64_Dyn *d = _DYNAMIC; d->d_tag != DT_NULL; d++) {
    if (d->d_tag == tag) return d->d_un.d_ptr;
  }
  return 0;
}

/* The word through which the PLT reaches a function. */
static void **slot_of(const char *name) {
  const Elf64_Rela *relocations = (const Elf64_Rela *)dynamic(DT_JMPREL);
  const Elf64_Sym *symbols = (const Elf64_Sym *)dynamic(DT_SYMTAB);
  const char *names = (const char *)dynamic(DT_STRTAB);
  for (unsigned long i = 0; i < dynamic(DT_PLTRELSZ) / sizeof *relocations; i++) {
    const Elf64_Rela *r = &relocations[i];
    if (strcmp(names + symbols[ELF64_R_SYM(r->r_info)].st_name, name) == 0) {
      return (void **)(__executable_start + r->r_offset);
    }
  }
  return NULL;
}

static bool command(const char *line, char *reply, size_t size) {
  if (strcmp(line, "code") == 0) {
    with_code_writable((void *)answer, answer_13);
  } else if (strcmp(line, "unhook") == 0) {
    with_code_writable((void *)answer, put_entry);
  } else if (strcmp(line, "import") == 0) {
    *slot_of("toupper") = (void *)not_toupper;
  } else if (strcmp(line, "handler") == 0) {
    handler = (int (*)(int))(void *)data;
  } else if (strcmp(line, "forget") == 0) {
    handler = NULL;
  } else if (strcmp(line, "look") != 0) {
    return false;
  }
  snprintf(reply, size, "\"answer\":%d,\"upper\":\"%c\",\"handled\":%d", answer(0),
           toupper(line[0] < 'z' ? 'a' : 'b'), handler == usual ? handler(6) : -1);
  return true;
}

int main(int argc, char **argv) {
  memcpy(entry, (void *)answer, ENTRY);
  target_begin(argc, argv);
  target_on_command(command);
  return target_serve();
}
