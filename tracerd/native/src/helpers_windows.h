/* Helpers of programs for eBPF for Windows, by the names of platforms/windows.py. */
#ifndef TR_HELPERS_WINDOWS_H
#define TR_HELPERS_WINDOWS_H

#include "helpers.h"

/* NULL: it is none of these. */
tr_helper *tr_windows_helper(const char *name);

#endif
