/* Reading the text files of /proc. */

#if defined(__linux__)

#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "proc_text.h"

int64_t tr_proc_text(int folder, const char *name, char *text, size_t size)
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (file < 0)
        return -1;
    got = read(file, text, size - 1);    /* the kernel makes these texts in one piece: no second read for the end */
    close(file);
    text[got < 0 ? 0 : got] = 0;
    return got;
}

int tr_proc_folder(int proc, const char *pid)
{
    return openat(proc, pid, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

uint32_t tr_proc_pid(const char *name)
{
    uint32_t pid = 0;

    for (; *name >= '0' && *name <= '9' && pid < 100000000u; name++)
        pid = 10 * pid + (uint32_t)(*name - '0');
    return *name ? 0 : pid;
}

#endif
