long work(long value) { return value * 5 + 2; }
long work_third(long value) { return value * 7 + 3; }
