/*
 * polus.h: what the author of a patch includes.
 *
 * A patch is an ordinary shared object (gcc -shared -fPIC). Whatever it does not define is looked up in
 * the running program. A plain name means the program's global of that name if there is one, else a
 * library's. The labels below say exactly which object is meant; they are assembler names, so the C name
 * stays as it is in the program. A file is looked for in the program first, then in the loaded libraries:
 *
 *     extern struct table store POLUS_GLOBAL(store);          a global of the program, never a library's
 *     extern unsigned hits POLUS_STATIC(hits, "table.c");     a static variable of table.c
 *     extern int grow(struct table *) POLUS_STATIC(grow, "table.c");
 *     extern int calls POLUS_STATIC_LOCAL(calls, 0, "table.c");
 *
 * Such a declaration must stand before the first use of the name. The patch must not define what it
 * declares so.
 */
#ifndef POLUS_H
#define POLUS_H

/* The program's own global variable or function `name`. */
#define POLUS_GLOBAL(name) __asm__(#name "$")

/* The static variable or function `name` of the source file `file` (a string: its name without folders). */
#define POLUS_STATIC(name, file) __asm__(#name "$" file)

/*
 * A static variable inside a function: the compiler numbers such variables, and the program's symbol
 * table shows the number (`calls.0`).
 */
#define POLUS_STATIC_LOCAL(name, number, file) __asm__(#name "." #number "$" file)

/*
 * The program's function `name` as it is below this patch: what an earlier update made of it, or the
 * program's own. So a new version can do something before or after the old one:
 *
 *     extern long serve_before(int) POLUS_PREVIOUS(serve);
 *     long serve(int n) { count++; return serve_before(n); }
 *
 * The other label means a static function of the source file `file`, or a function of a library (`file` is
 * "libfoo.so" then).
 */
#define POLUS_PREVIOUS(name) __asm__(#name "$$previous")
#define POLUS_PREVIOUS_IN(name, file) __asm__(#name "$" file "$$previous")

/*
 * Says that the function `new` of this patch takes the place of the program's `old` wherever a script
 * says `replace old` without `with`. At file scope, followed by a semicolon.
 *
 * It stores the text "old=new" in a section of its own: no address, so nothing to relocate, and nothing
 * that runs in the program.
 */
#define POLUS_REPLACE(old, new)                                                  \
  static const char polus_replace_##old[] __attribute__((                        \
      section(".polus_replace"), used, POLUS_RETAIN aligned(1))) = #old "=" #new

/*
 * Callers in the program may keep values in registers that the ABI lets `function` change: gcc -O2 does
 * so where it has compiled caller and callee together and seen that the callee leaves them alone
 * (-fipa-ra). polus finds such callers and refuses the update. Then say, behind the definition of the
 * new function, what it returns:
 *
 *     POLUS_KEEPS_REGISTERS(function);        an integer, a pointer, a float or a double
 *     POLUS_KEEPS_REGISTERS_VOID(function);   nothing
 *     POLUS_KEEPS_REGISTERS_PAIR(function);   a struct in two registers, or __int128
 *
 * Calls then come to `function__polus_keep`, which saves all registers but those of the result around a
 * call of `function`. That is right only if all its arguments are passed in registers: at most six
 * integers and pointers and eight floats and doubles, no struct of more than 16 bytes by value, no long
 * double, no `...`. Arguments on the stack would not be found.
 *
 * Compile the patch with the program's own -m flags: with -mavx and -mavx512f the wider registers are
 * saved too.
 */
#define POLUS_KEEPS_REGISTERS(function)                                                              \
  POLUS_KEEP(function, "rax xmm0", POLUS_KEEP_FIRST_KEPT_NOT, POLUS_KEEP_SECOND)
#define POLUS_KEEPS_REGISTERS_VOID(function)                                                         \
  POLUS_KEEP(function, "", POLUS_KEEP_FIRST, POLUS_KEEP_SECOND)
#define POLUS_KEEPS_REGISTERS_PAIR(function)                                                         \
  POLUS_KEEP(function, "rax rdx xmm0 xmm1", POLUS_KEEP_FIRST_KEPT_NOT, POLUS_KEEP_SECOND_KEPT_NOT)

/* The text "!keeps F=F__polus_keep except R..." says so to polus, beside the lines of POLUS_REPLACE. */
#define POLUS_KEEP(function, results, FIRST, SECOND)                                                 \
  static const char polus_keeps_##function[] __attribute__((                                         \
      section(".polus_replace"), used, POLUS_RETAIN aligned(1))) =                                   \
      "!keeps " #function "=" #function "__polus_keep except " results POLUS_KEEP_NARROW;            \
  extern __typeof__(function) function __attribute__((used));                                        \
  __asm__(".pushsection .text.polus_keep,\"ax\",@progbits\n"                                         \
          ".set " #function "__polus_kept," #function "\n"                                           \
          ".globl " #function "__polus_keep\n"                                                       \
          ".type " #function "__polus_keep,@function\n"                                              \
          ".p2align 4\n" #function "__polus_keep:\n"                                                 \
          ".cfi_startproc\n"                                                                         \
          "sub $" POLUS_KEEP_FRAME ",%rsp\n"                                                         \
          ".cfi_adjust_cfa_offset " POLUS_KEEP_FRAME "\n"                                            \
          POLUS_KEEP_OTHERS(POLUS_KEEP_SAVE) FIRST(POLUS_KEEP_SAVE) SECOND(POLUS_KEEP_SAVE)          \
          "call " #function "__polus_kept\n"                                                         \
          POLUS_KEEP_OTHERS(POLUS_KEEP_LOAD) FIRST(POLUS_KEEP_LOAD) SECOND(POLUS_KEEP_LOAD)          \
          "add $" POLUS_KEEP_FRAME ",%rsp\n"                                                         \
          ".cfi_adjust_cfa_offset -" POLUS_KEEP_FRAME "\n"                                           \
          "ret\n"                                                                                    \
          ".cfi_endproc\n"                                                                           \
          ".size " #function "__polus_keep, . - " #function "__polus_keep\n"                         \
          ".popsection\n")

/* Within such a function: the return address of the program's call, as __builtin_return_address(0) is elsewhere. */
#define POLUS_KEPT_CALLER()                                                                          \
  ({                                                                                                 \
    void *polus_kept_caller;                                                                         \
    __asm__ volatile("mov " POLUS_KEEP_FRAME "(%1),%0"                                               \
                     : "=r"(polus_kept_caller)                                                       \
                     : "r"(__builtin_dwarf_cfa())                                                    \
                     : "memory");                                                                    \
    polus_kept_caller;                                                                               \
  })

#define POLUS_KEEP_SAVE(move, name, place) move " %" name "," place "(%rsp)\n"
#define POLUS_KEEP_LOAD(move, name, place) move " " place "(%rsp),%" name "\n"

/* The frame, 8 modulo 16 bytes: vector registers, then nine general ones, then masks. */
#if defined(__AVX512F__)
#define POLUS_KEEP_FRAME "(32*64+9*8+8*8)"
#define POLUS_KEEP_NARROW ""
#define POLUS_KEEP_GENERAL(MOVE, name, index) MOVE("mov", name, "32*64+8*" #index)
#define POLUS_KEEP_VECTOR(MOVE, index) MOVE("vmovups", "zmm" #index, "64*" #index)
#if defined(__AVX512BW__)
#define POLUS_KEEP_MASK(MOVE, index) MOVE("kmovq", "k" #index, "32*64+9*8+8*" #index)
#else
#define POLUS_KEEP_MASK(MOVE, index) MOVE("kmovw", "k" #index, "32*64+9*8+8*" #index)
#endif
#define POLUS_KEEP_MORE(MOVE)                                                                        \
  POLUS_KEEP_VECTOR(MOVE, 16) POLUS_KEEP_VECTOR(MOVE, 17) POLUS_KEEP_VECTOR(MOVE, 18)                \
  POLUS_KEEP_VECTOR(MOVE, 19) POLUS_KEEP_VECTOR(MOVE, 20) POLUS_KEEP_VECTOR(MOVE, 21)                \
  POLUS_KEEP_VECTOR(MOVE, 22) POLUS_KEEP_VECTOR(MOVE, 23) POLUS_KEEP_VECTOR(MOVE, 24)                \
  POLUS_KEEP_VECTOR(MOVE, 25) POLUS_KEEP_VECTOR(MOVE, 26) POLUS_KEEP_VECTOR(MOVE, 27)                \
  POLUS_KEEP_VECTOR(MOVE, 28) POLUS_KEEP_VECTOR(MOVE, 29) POLUS_KEEP_VECTOR(MOVE, 30)                \
  POLUS_KEEP_VECTOR(MOVE, 31) POLUS_KEEP_MASK(MOVE, 0) POLUS_KEEP_MASK(MOVE, 1)                      \
  POLUS_KEEP_MASK(MOVE, 2) POLUS_KEEP_MASK(MOVE, 3) POLUS_KEEP_MASK(MOVE, 4)                         \
  POLUS_KEEP_MASK(MOVE, 5) POLUS_KEEP_MASK(MOVE, 6) POLUS_KEEP_MASK(MOVE, 7)
#elif defined(__AVX__)
#define POLUS_KEEP_FRAME "(16*32+9*8)"
#define POLUS_KEEP_NARROW " zmm"
#define POLUS_KEEP_GENERAL(MOVE, name, index) MOVE("mov", name, "16*32+8*" #index)
#define POLUS_KEEP_VECTOR(MOVE, index) MOVE("vmovups", "ymm" #index, "32*" #index)
#define POLUS_KEEP_MORE(MOVE)
#else
#define POLUS_KEEP_FRAME "(16*16+9*8)"
#define POLUS_KEEP_NARROW " ymm zmm"
#define POLUS_KEEP_GENERAL(MOVE, name, index) MOVE("mov", name, "16*16+8*" #index)
#define POLUS_KEEP_VECTOR(MOVE, index) MOVE("movups", "xmm" #index, "16*" #index)
#define POLUS_KEEP_MORE(MOVE)
#endif

/* What may be the first result, and the second. */
#define POLUS_KEEP_FIRST(MOVE) POLUS_KEEP_GENERAL(MOVE, "rax", 0) POLUS_KEEP_VECTOR(MOVE, 0)
#define POLUS_KEEP_FIRST_KEPT_NOT(MOVE)
#define POLUS_KEEP_SECOND(MOVE) POLUS_KEEP_GENERAL(MOVE, "rdx", 1) POLUS_KEEP_VECTOR(MOVE, 1)
#define POLUS_KEEP_SECOND_KEPT_NOT(MOVE)

#define POLUS_KEEP_OTHERS(MOVE)                                                                      \
  POLUS_KEEP_GENERAL(MOVE, "rcx", 2) POLUS_KEEP_GENERAL(MOVE, "rsi", 3)                              \
  POLUS_KEEP_GENERAL(MOVE, "rdi", 4) POLUS_KEEP_GENERAL(MOVE, "r8", 5)                               \
  POLUS_KEEP_GENERAL(MOVE, "r9", 6) POLUS_KEEP_GENERAL(MOVE, "r10", 7)                               \
  POLUS_KEEP_GENERAL(MOVE, "r11", 8) POLUS_KEEP_VECTOR(MOVE, 2) POLUS_KEEP_VECTOR(MOVE, 3)           \
  POLUS_KEEP_VECTOR(MOVE, 4) POLUS_KEEP_VECTOR(MOVE, 5) POLUS_KEEP_VECTOR(MOVE, 6)                   \
  POLUS_KEEP_VECTOR(MOVE, 7) POLUS_KEEP_VECTOR(MOVE, 8) POLUS_KEEP_VECTOR(MOVE, 9)                   \
  POLUS_KEEP_VECTOR(MOVE, 10) POLUS_KEEP_VECTOR(MOVE, 11) POLUS_KEEP_VECTOR(MOVE, 12)                \
  POLUS_KEEP_VECTOR(MOVE, 13) POLUS_KEEP_VECTOR(MOVE, 14) POLUS_KEEP_VECTOR(MOVE, 15)                \
  POLUS_KEEP_MORE(MOVE)

/*
 * Changed data. A patch that has `data` items in its script runs beside the old version: each object has an
 * old and a new copy, and after every store to one of them the other is brought into line, by a function of
 * the patch (`forward` from old to new, `backward` from new to old):
 *
 *     void session_up(const struct session *from, struct session_v2 *to) {
 *       to->hits = from->hits;                       wider now
 *       to->next = polus_twin_of(from->next);        pointers lead to the other version's objects
 *     }                                              to->since, which is new, is left alone
 *
 * Such a function runs at any moment, between any two stores of the program: it must cope with every state
 * of `from`, take no lock, call nothing that does, and store to nothing but `to` and its own variables. `to`
 * holds what the other copy holds now. Only what the function makes otherwise after a store than before is
 * taken over, so that a store to one field leaves the others of the twin alone, those too that the other
 * version cannot hold. Pointers into `to` itself are right: they come out as pointers into the object.
 *
 * Fields that it merely copies or widens, as `hits` above, are told by its machine code; stores to them are
 * carried over without running it, which is several times faster. For that it must have no loop (`memcpy` of
 * an array, not a loop over it), call nothing but `polus_twin_of`, `polus_copy_by`, `memcpy` and functions of
 * its own file, and read and write nothing but the two objects.
 *
 * Objects that come and go: `on new f` and `on free g` name functions of the program by which they do. These
 * go on returning and taking the old copies, whoever calls them: new code says `polus_twin_of(f(…))`, and
 * gives `g` either copy. They must do nothing but allocate and fill in, or free: what they would enter into
 * lists and tables would be the old ones.
 *
 * Locks, condition variables and whatever else is known by its address must not be part of an item.
 */

/* The other copy of an object of a data item, whichever of the two is given; NULL for NULL and for what is none. */
void *polus_twin_of(const void *object);

/*
 * The copy of an object that a function of a data item fills, whichever copy is given: with the item's forward
 * function the new one, with its backward function the old one; NULL for NULL and for what is none of the item's.
 */
void *polus_copy_by(const void *object, const void *transfer);

/*
 * Makes an object known that new code has allocated, by the program's own allocator and at least as large as the
 * old version needs it: its new copy, NULL if there is no memory. `forward` is the function of its data item.
 */
void *polus_adopt(void *object, const void *forward);

/* Memory for the patch, zeroed and aligned to 16, from pages of its own: safe in forward and backward functions. */
void *polus_allocate(__SIZE_TYPE__ size);
void polus_release(void *object);

/*
 * Shadow fields: memory beside an object whose layout stays as it is, found by its address and a number of the
 * patch's own choice. `polus_shadow` takes no lock and is safe in signal handlers; it returns NULL where there
 * is none. `polus_shadow_get` makes it, zeroed, if need be; `initialise` (or NULL) fills it before anybody else
 * sees it. End it when the object ends: with `polus_shadow_free`, or all of a key at once.
 */
void *polus_shadow(const void *object, unsigned long key);
void *polus_shadow_get(const void *object, unsigned long key, __SIZE_TYPE__ size,
                       void (*initialise)(void *field, const void *object, void *context), void *context);
long polus_shadow_free(const void *object, unsigned long key);
long polus_shadow_free_all(unsigned long key, void (*each)(void *field, const void *object));

/* Keeps the text through the linker's --gc-sections, where the compiler can say so. */
#ifdef __has_attribute
#if __has_attribute(retain)
#define POLUS_RETAIN retain,
#endif
#endif
#ifndef POLUS_RETAIN
#define POLUS_RETAIN
#endif

#endif
