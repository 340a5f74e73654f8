/* One function, called by --threads threads, in bursts with pauses of --pause-us. */
#include "target.h"

TARGET_PROBE(answer_probe, "answer")

static volatile long sink;
static long pause_us;

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
    if (turn % 256 == 0) target_sleep_us(pause_us);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  long threads = target_option_number("threads", 4);
  pause_us = target_option_number("pause-us", 200);
  for (long i = 0; i < threads; i++) target_thread(caller, (void *)(i * 1000 + 1));
  return target_serve();
}
