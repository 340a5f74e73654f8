/* One function, called without pause by --threads threads. */
#include "target.h"

TARGET_PROBE(answer_probe, "answer")

static volatile long sink;

TARGET_UPDATED long answer(long question) {
  sink = question;
  return question * 3 + 1;
}

static void *caller(void *argument) {
  long question = (long)argument;
  for (unsigned turn = 0; target_running(); turn++) {
    unsigned epoch = target_epoch();
    long result = answer(question);
    target_expect(&answer_probe, epoch, result, question * 3 + 1, question * 5 + 2,
                  question * 7 + 3);
    question = question % 100000 + 1;
    if (turn % 256 == 0) target_sleep_us(200);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  long threads = target_option_number("threads", 4);
  for (long i = 0; i < threads; i++) target_thread(caller, (void *)(i * 1000 + 1));
  return target_serve();
}
