/* The new version touches nothing but its result either. */
long preserve(void) { return 2; }
long preserve_third(void) { return 3; }
