/* Where there is no Linux: the functions of border/proc.h refuse, so that the border is the same. */

#if !defined(__linux__)

#include <stddef.h>
#include <stdint.h>

#include "proc.h"

#define NO_SUCH_CALL -38                 /* -ENOSYS, Linux's number */

int64_t tr_proc_read(struct tr_proc_row *rows, uint32_t capacity, uint32_t wants)
{
    (void)rows; (void)capacity; (void)wants;
    return NO_SUCH_CALL;
}

int tr_proc_describe(uint32_t pid, uint64_t identity, struct tr_proc_description *description)
{
    (void)pid; (void)identity; (void)description;
    return 0;
}

int64_t tr_proc_sockets(struct tr_proc_socket *rows, uint32_t capacity, int way)
{
    (void)rows; (void)capacity; (void)way;
    return NO_SUCH_CALL;
}

uint32_t tr_proc_owners(const uint32_t *pids, uint32_t pid_count, const uint64_t *inodes, uint32_t *owners,
                        uint32_t count)
{
    (void)pids; (void)pid_count; (void)inodes; (void)owners; (void)count;
    return 0;
}

#endif
