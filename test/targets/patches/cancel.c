#include <unistd.h>

long wait_for_byte(int descriptor) {
  char byte = 0;
  return read(descriptor, &byte, 1) == 1 ? byte + 1000 : -1;
}
