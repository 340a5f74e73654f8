/* Another answer for the same question. */
long answer(long question) { return question * 5 + 2; }
