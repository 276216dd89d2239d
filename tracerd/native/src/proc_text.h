/* Reading the text files of /proc. */
#ifndef TR_PROC_TEXT_H
#define TR_PROC_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Read a file of a process's folder: at most `size` - 1 bytes, NUL-terminated. Returns their number, or -1. */
int64_t tr_proc_text(int folder, const char *name, char *text, size_t size);

/* Open a process's folder. What is read through it is of that process only: if it is gone, reading fails, even when
   another process has its pid. -1: there is no such process. */
int tr_proc_folder(int proc, const char *pid);

/* The pid that a name in /proc is, or 0. */
uint32_t tr_proc_pid(const char *name);

#endif
