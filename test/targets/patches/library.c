/* New versions for library.c's libraries. */
long shared_work_new(long value) { return value + 20; }
long hidden_new(long value) { return value * 3; }
long plugin_work_new(long value) { return value ^ 2; }
