/* /proc/PID/stat, taken apart. */
#ifndef TR_PROC_STAT_H
#define TR_PROC_STAT_H

#include <stdint.h>

/* Fields by their number in proc_pid_stat(5); the first two are the pid and the name. */
enum {
    STAT_PARENT = 4,
    STAT_USER_TICKS = 14,
    STAT_SYSTEM_TICKS = 15,
    STAT_THREADS = 20,
    STAT_START_TICKS = 22,
    STAT_VIRTUAL_BYTES = 23,
    STAT_RESIDENT_PAGES = 24,
    STAT_SLEEPS = 35,                    /* 0 where this user may not look into the process */
    STAT_ARGUMENTS = 48,                 /* address of the arguments: random at each exec; 0 likewise */
    STAT_EXIT_CODE = 52,                 /* as wait(2) gives it; 0 likewise */
    STAT_FIELDS
};

struct tr_proc_stat {
    uint64_t field[STAT_FIELDS];         /* those beyond what the kernel tells are 0 */
    const char *name;                    /* within the text */
    uint32_t name_bytes;
    char state;
};

/* Take a text apart. Returns 0 if it is not a stat file's. */
int tr_proc_stat_parse(char *text, struct tr_proc_stat *stat);

/* Read and take apart; `text` has room for `TR_PROC_STAT_BYTES`. */
#define TR_PROC_STAT_BYTES 2048
int tr_proc_stat_read(int folder, char *text, struct tr_proc_stat *stat);

/* Start in ns after boot. */
uint64_t tr_proc_stat_start(const struct tr_proc_stat *stat);

/* Ticks of the kernel's clock in ns. */
uint64_t tr_proc_ticks_ns(uint64_t ticks);

#endif
