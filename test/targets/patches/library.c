/* New versions for library.c's libraries. */
long shared_work_new(long value) { return value + 20; }
/* A static variable of the library's. */
extern volatile long factor __asm__("factor$library_shared.c");
long hidden_new(long value) { return value * (factor + 1); }
long plugin_work_new(long value) { return value ^ 2; }
