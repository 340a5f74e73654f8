long fetch(const volatile char *where) { return *where + 2; }
