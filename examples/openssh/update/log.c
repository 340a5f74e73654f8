/* What Debian did about CVE-2024-6387: a signal handler wrote to the log, which no signal handler may. */
#include "includes.h"

#include <stdarg.h>
#include <unistd.h>

#include "log.h"

#define sshsigdie sshsigdie_quietly
#include "taken/sshsigdie"
#undef sshsigdie
