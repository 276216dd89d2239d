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

/* The same by a process's (or thread's) number. */
int64_t tr_proc_text_of(uint32_t pid, const char *name, char *text, size_t size);

/* The number behind "\nKEY:\t" in a status file, or `otherwise`. */
uint32_t tr_proc_number(const char *text, const char *key, uint32_t otherwise);

/* How much of a task's shown name is its own, at most 15 bytes. */
uint32_t tr_proc_name_bytes(const char *name, uint32_t bytes);

/* Make of `got` bytes of a cmdline file (-1: not readable) arguments that each end with a NUL: all, with *whole, if they
   are fewer than `most`, which is what was read at most; else only the first. Returns their bytes, at most `most`. */
uint32_t tr_proc_arguments(char *line, int64_t got, uint32_t most, int *whole);

/* The pid that a name in /proc is, or 0. */
uint32_t tr_proc_pid(const char *name);

#endif
