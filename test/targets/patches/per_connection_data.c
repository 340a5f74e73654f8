/* Another answer, and the first one in a struct with room for the number of questions. */
struct answers {
  long asked, first;
};

struct answers new_answers;

long answer(long question) {
  new_answers.asked++;
  return question * 5 + 2;
}

void answers_up(const long *old, struct answers *new) { new->first = *old; }
void answers_down(const struct answers *new, long *old) { *old = new->first; }

/* Objects that are named one by one are asked for on a thread that holds no lock. */
void each_answer(void (*visit)(void *object, void *data), void *data) {
  (void)visit;
  (void)data;
}
