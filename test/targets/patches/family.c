long first(long value) { return value + 1001; }
long second(long value) { return value * 2 + 1000; }
