/*
 * pseudo_terminal COLUMNS ROWS COMMAND...: runs a command on a terminal of its own. What comes on standard
 * input is typed there; what it shows goes to standard output. Ends as the command ends.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returns 0 at the end of the input. */
static int copy(int from, int to) {
  char buffer[4096];
  ssize_t count = read(from, buffer, sizeof buffer);
  if (count < 0 && errno == EINTR) return 1;
  if (count <= 0) return 0;
  for (ssize_t done = 0; done < count;) {
    ssize_t written = write(to, buffer + done, (size_t)(count - done));
    if (written < 0 && errno != EINTR) return 0;
    if (written > 0) done += written;
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 4) return 125;
  struct winsize size = {.ws_col = (unsigned short)atoi(argv[1]), .ws_row = (unsigned short)atoi(argv[2])};
  int terminal;
  pid_t child = forkpty(&terminal, NULL, NULL, &size);
  if (child < 0) return 125;
  if (child == 0) {
    execvp(argv[3], argv + 3);
    _exit(127);
  }
  struct pollfd ends[2] = {{.fd = terminal, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  for (;;) {
    if (poll(ends, 2, -1) < 0 && errno != EINTR) break;
    if (ends[0].revents != 0 && !copy(terminal, 1)) break;
    /* Without anybody to type, the terminal stays; the command may still have something to show. */
    if (ends[1].revents != 0 && !copy(0, terminal)) ends[1].fd = -1;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
