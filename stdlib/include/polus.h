/*
 * polus.h: what the author of a patch includes.
 *
 * A patch is an ordinary shared object (gcc -shared -fPIC). Whatever it does not define is looked up in
 * the running program. A plain name means the program's global of that name if there is one, else a
 * library's. The labels below say exactly which object is meant; they are assembler names, so the C name
 * stays as it is in the program:
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
 * Says that the function `new` of this patch takes the place of the program's `old` wherever a script
 * says `replace old` without `with`. At file scope, followed by a semicolon.
 *
 * It stores the text "old=new" in a section of its own: no address, so nothing to relocate, and nothing
 * that runs in the program.
 */
#define POLUS_REPLACE(old, new)                                                  \
  static const char polus_replace_##old[] __attribute__((                        \
      section(".polus_replace"), used, POLUS_RETAIN aligned(1))) = #old "=" #new

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
