/*
 * 0079 and 0082: which bytes of a name are printed as they are (UTF-8 is, DEL is not), and the path of a new
 * file in the root folder.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sysutil.h"

#define vsf_sysutil_isprint vsf_sysutil_isprint_utf8
#include "taken/vsf_sysutil_isprint"
#define vsf_sysutil_realpath vsf_sysutil_realpath_of_root
#include "taken/vsf_sysutil_realpath"
