/* Where there is no Linux: the functions of border/perf.h and border/linux.h refuse, so that the border is the same. */

#if !defined(__linux__)

#include <stddef.h>
#include <stdint.h>

#include "run.h"
#include "links.h"
#include "processes.h"
#include "perf.h"
#include "linux.h"

#define NO_SUCH_CALL -38                 /* -ENOSYS, Linux's number */

int tr_task_read(uint32_t tid, struct tr_task *task) { (void)tid; (void)task; return 0; }

int tr_process_read(uint32_t pid, uint32_t *parent, uint64_t *began_ns)
{
    (void)pid; (void)parent; (void)began_ns;
    return 0;
}

uint32_t tr_process_read_line(uint32_t pid, char *line, uint32_t capacity, int *whole)
{
    (void)pid; (void)line; (void)capacity;
    *whole = 0;
    return 0;
}

struct tr_perf *tr_perf_new(uint32_t pages, uint32_t window_us) { (void)pages; (void)window_us; return NULL; }
void tr_perf_free(struct tr_perf *perf) { (void)perf; }
struct tr_tasks *tr_perf_tasks(struct tr_perf *perf) { (void)perf; return NULL; }

int tr_perf_add_cpu(struct tr_perf *perf, uint32_t cpu, int *step)
{
    (void)perf; (void)cpu; (void)step;
    return NO_SUCH_CALL;
}

int tr_perf_open_event(const struct tr_perf *perf, uint32_t tracepoint, int *fds)
{
    (void)perf; (void)tracepoint; (void)fds;
    return NO_SUCH_CALL;
}

int tr_perf_install_event(struct tr_perf *perf, uint32_t tracepoint, const int *fds)
{
    (void)perf; (void)tracepoint; (void)fds;
    return NO_SUCH_CALL;
}

int tr_perf_retire_event(struct tr_perf *perf, uint32_t event, int *fds)
{
    (void)perf; (void)event; (void)fds;
    return NO_SUCH_CALL;
}

void tr_perf_close_fds(const int *fds, uint32_t count) { (void)fds; (void)count; }
int tr_perf_enable_event(struct tr_perf *perf, uint32_t event) { (void)perf; (void)event; return NO_SUCH_CALL; }
void tr_perf_shut_event(struct tr_perf *perf, uint32_t event) { (void)perf; (void)event; }
int tr_perf_event_is_even(const struct tr_perf *perf, uint32_t event) { (void)perf; (void)event; return 1; }
void tr_perf_untrack(struct tr_perf *perf) { (void)perf; }

int tr_perf_set_links(struct tr_perf *perf, const struct tr_link *links, uint32_t count)
{
    (void)perf; (void)links; (void)count;
    return NO_SUCH_CALL;
}

const struct tr_link *tr_perf_links(const struct tr_perf *perf, uint32_t *count)
{
    (void)perf;
    *count = 0;
    return NULL;
}

int tr_perf_ignore_pid(struct tr_perf *perf, uint32_t pid, int on)
{
    (void)perf; (void)pid; (void)on;
    return NO_SUCH_CALL;
}

struct tr_processes *tr_perf_track(struct tr_perf *perf, int64_t unix_offset_ns)
{
    (void)perf; (void)unix_offset_ns;
    return NULL;
}

int tr_perf_follow(struct tr_perf *perf, uint32_t event, uint32_t what, uint32_t first, uint32_t second)
{
    (void)perf; (void)event; (void)what; (void)first; (void)second;
    return NO_SUCH_CALL;
}

int tr_perf_process_ledger(struct tr_perf *perf, uint32_t kind, struct tr_ledger *ledger)
{
    (void)perf; (void)kind; (void)ledger;
    return NO_SUCH_CALL;
}

int tr_perf_start_tasks(struct tr_perf *perf) { (void)perf; return NO_SUCH_CALL; }
int tr_perf_refresh(struct tr_perf *perf, uint32_t tid, int name) { (void)perf; (void)tid; (void)name; return 0; }
int64_t tr_perf_pump(struct tr_perf *perf, uint32_t timeout_ms) { (void)perf; (void)timeout_ms; return NO_SUCH_CALL; }
void tr_perf_wake(struct tr_perf *perf) { (void)perf; }
int64_t tr_perf_stop(struct tr_perf *perf) { (void)perf; return NO_SUCH_CALL; }

int tr_perf_ledger(struct tr_perf *perf, uint32_t event, struct tr_ledger *ledger)
{
    (void)perf; (void)event; (void)ledger;
    return NO_SUCH_CALL;
}

void tr_perf_statistics(const struct tr_perf *perf, struct tr_perf_statistics *statistics)
{
    (void)perf;
    *statistics = (struct tr_perf_statistics){0};
}

uint32_t tr_perf_printed(struct tr_perf *perf, char *text, uint32_t capacity)
{
    (void)perf; (void)text; (void)capacity;
    return 0;
}

int tr_linux_mdwe(void) { return NO_SUCH_CALL; }
int tr_linux_set_mdwe(void) { return NO_SUCH_CALL; }
int tr_linux_no_new_privileges(void) { return NO_SUCH_CALL; }
int tr_linux_probe_executable(void) { return NO_SUCH_CALL; }
int tr_linux_mount(const char *type, const char *target) { (void)type; (void)target; return NO_SUCH_CALL; }

int64_t tr_linux_bpf(int command, void *attributes, uint32_t size)
{
    (void)command; (void)attributes; (void)size;
    return NO_SUCH_CALL;
}

int64_t tr_linux_call(int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)number; (void)a; (void)b; (void)c; (void)d; (void)e; (void)f;
    return NO_SUCH_CALL;
}

uint64_t tr_linux_hammer(uint64_t count, int what) { (void)count; (void)what; return 0; }

#endif
