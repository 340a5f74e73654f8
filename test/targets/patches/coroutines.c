/* The new version yields twice. */
void yield_here(void);

long leaf(long value) { return value + 2; }

long stage(long value) {
  volatile long kept[2] = {value * 5, value * 15};
  yield_here();
  yield_here();
  return kept[0] + kept[1];
}
