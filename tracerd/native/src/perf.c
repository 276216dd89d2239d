/* The perf source's lifetime: rings, events and links are made here and nowhere else. */

#if defined(__linux__)

#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "perf_parts.h"
#include "ignored.h"

#define TASKS 32768                      /* at 37 bytes each; the kernel's default pid_max */
#define MAX_EVENTS 4096
#define MAX_LINKS 65536
#define MAX_PAGES (1U << 20)
#define RANDOM_SEED 0x9e3779b97f4a7c15U  /* any odd number: programs see the same sequence in every run */

static int add_to_epoll(struct tr_perf *perf, int fd, uint32_t mark)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = mark};

    return epoll_ctl(perf->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

struct tr_perf *tr_perf_new(uint32_t pages, uint32_t window_us)
{
    struct tr_perf *perf = calloc(1, sizeof *perf);

    if (!perf)
        return NULL;
    perf->pages = pages;
    perf->window_ns = (uint64_t)window_us * 1000U;
    perf->run.random = RANDOM_SEED;
    perf->run.print_buffer = perf->print_buffer;
    perf->run.print_capacity = TR_PRINT_CAPACITY;
    perf->tasks = tr_tasks_new(TASKS);
    perf->event_of_type = malloc(TR_MAX_TYPES * sizeof *perf->event_of_type);
    perf->epoll = epoll_create1(EPOLL_CLOEXEC);
    perf->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!perf->tasks || !perf->event_of_type || perf->epoll < 0 || perf->wake < 0
        || add_to_epoll(perf, perf->wake, UINT32_MAX) < 0) {
        tr_perf_free(perf);
        return NULL;
    }
    memset(perf->event_of_type, 0xff, TR_MAX_TYPES * sizeof *perf->event_of_type);
    memset(perf->process_event, 0xff, sizeof perf->process_event);
    return perf;
}

struct tr_tasks *tr_perf_tasks(struct tr_perf *perf)
{
    return perf->tasks;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void close_event(struct event *event, uint32_t rings)
{
    for (uint32_t at = 0; event->fds && at < rings; at++)
        close_fd(event->fds[at]);
    free(event->fds);
}

static uint64_t mapped_bytes(const struct ring *ring)
{
    return ring->size + (uint64_t)sysconf(_SC_PAGESIZE);
}

static void close_ring(struct ring *ring)
{
    if (ring->page)
        munmap(ring->page, mapped_bytes(ring));
    close_fd(ring->fd);
}

void tr_perf_free(struct tr_perf *perf)
{
    if (!perf)
        return;
    for (uint32_t at = 0; at < perf->event_count; at++)
        close_event(perf->events + at, perf->ring_count);
    for (uint32_t at = 0; at < perf->ring_count; at++)
        close_ring(perf->rings + at);
    close_fd(perf->wake);
    close_fd(perf->epoll);
    tr_processes_free(perf->processes);
    tr_tasks_free(perf->tasks);
    free(perf->event_of_type);
    free(perf->heap);
    free(perf->events);
    free(perf->rings);
    free(perf->links);
    free(perf);
}

static int perf_event_open(struct perf_event_attr *attr, uint32_t cpu)
{
    long fd = syscall(SYS_perf_event_open, attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);

    return fd < 0 ? -errno : (int)fd;
}

/* What our events have in common: one clock and one record layout, so that rings can be shared and merged. */
static struct perf_event_attr attributes(const struct tr_perf *perf, uint32_t type, uint64_t config)
{
    struct perf_event_attr attr = {
        .type = type,
        .size = sizeof attr,
        .config = config,
        .sample_period = 1,
        .sample_type = TR_SAMPLE_TYPE,
        .read_format = TR_FORMAT_LOST,
        .disabled = 1,
        .watermark = 1,
        .wakeup_watermark = (uint32_t)(perf->pages * (uint64_t)sysconf(_SC_PAGESIZE) / 4),
        .sample_id_all = 1,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC,
    };
    return attr;
}

static int open_ring(const struct tr_perf *perf, struct ring *ring, uint32_t cpu, int *step)
{
    struct perf_event_attr attr = attributes(perf, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    void *memory;

    attr.comm = 1;
    attr.comm_exec = 1;
    attr.task = 1;
    *step = 0;
    *ring = (struct ring){.cpu = cpu, .tid = TR_NO_THREAD, .size = perf->pages * page};
    ring->fd = perf_event_open(&attr, cpu);
    if (ring->fd < 0)
        return ring->fd;
    *step = 1;
    memory = mmap(NULL, mapped_bytes(ring), PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
    if (memory == MAP_FAILED) {
        int error = -errno;
        close_ring(ring);
        return error;
    }
    ring->page = memory;
    ring->data = (uint8_t *)memory + page;
    return 0;
}

int tr_perf_add_cpu(struct tr_perf *perf, uint32_t cpu, int *step)
{
    struct ring *rings;
    uint32_t *heap;
    int error;

    if (perf->event_count || !perf->pages || perf->pages > MAX_PAGES || (perf->pages & (perf->pages - 1)))
        return -EINVAL;
    rings = realloc(perf->rings, (perf->ring_count + 1) * sizeof *rings);
    if (!rings)
        return -ENOMEM;
    perf->rings = rings;
    heap = realloc(perf->heap, (perf->ring_count + 1) * sizeof *heap);
    if (!heap)
        return -ENOMEM;
    perf->heap = heap;
    error = open_ring(perf, rings + perf->ring_count, cpu, step);
    if (error < 0)
        return error;
    perf->ring_count++;
    return add_to_epoll(perf, rings[perf->ring_count - 1].fd, perf->ring_count - 1);
}

/* Open the event on one CPU and send its records into that CPU's ring. Returns the descriptor. */
static int open_on(const struct tr_perf *perf, const struct ring *ring, uint32_t tracepoint)
{
    struct perf_event_attr attr = attributes(perf, PERF_TYPE_TRACEPOINT, tracepoint);
    int fd = perf_event_open(&attr, ring->cpu);

    if (fd >= 0 && ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring->fd) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int tr_perf_open_event(const struct tr_perf *perf, uint32_t tracepoint, int *fds)
{
    for (uint32_t at = 0; at < perf->ring_count; at++) {
        fds[at] = open_on(perf, perf->rings + at, tracepoint);
        if (fds[at] < 0) {
            int error = fds[at];
            tr_perf_close_fds(fds, at);
            return error;
        }
    }
    return (int)perf->ring_count;
}

void tr_perf_close_fds(const int *fds, uint32_t count)
{
    for (uint32_t at = 0; at < count; at++)
        close_fd(fds[at]);
}

/* A place for the event: the one it had when it was open before, else the next. */
static struct event *place_of(struct tr_perf *perf, uint32_t tracepoint)
{
    struct event *events;

    for (uint32_t at = 0; at < perf->event_count; at++)
        if (perf->events[at].tracepoint == tracepoint)
            return perf->events + at;
    events = realloc(perf->events, (perf->event_count + 1) * sizeof *events);
    if (!events)
        return NULL;
    perf->events = events;
    events[perf->event_count] = (struct event){.tracepoint = tracepoint};
    return events + perf->event_count;
}

int tr_perf_install_event(struct tr_perf *perf, uint32_t tracepoint, const int *fds)
{
    struct event *event;
    uint32_t number;
    int *own;

    if (tracepoint >= TR_MAX_TYPES || perf->event_of_type[tracepoint] != TR_NO_EVENT)
        return -EINVAL;
    if (perf->event_count == MAX_EVENTS)
        return -ENOSPC;
    own = malloc((perf->ring_count + 1) * sizeof *own);
    event = own ? place_of(perf, tracepoint) : NULL;
    if (!event) {
        free(own);
        return -ENOMEM;
    }
    memcpy(own, fds, perf->ring_count * sizeof *own);
    event->fds = own;
    event->stopped = 0;
    event->produced_before = event->produced;
    event->lost_before = event->lost;
    number = (uint32_t)(event - perf->events);
    perf->event_count += number == perf->event_count;
    perf->event_of_type[tracepoint] = (uint16_t)number;
    return (int)number;
}

int tr_perf_set_links(struct tr_perf *perf, const struct tr_link *links, uint32_t count)
{
    struct tr_link_range *ranges;
    struct tr_link *grouped = NULL;

    if (count > MAX_LINKS)
        return -EINVAL;
    for (uint32_t at = 0; at < count; at++)
        if (links[at].event >= perf->event_count || !links[at].program)
            return -EINVAL;
    ranges = calloc((size_t)perf->event_count + 1, sizeof *ranges);
    if (ranges)
        grouped = tr_links_grouped(links, count, perf->event_count, ranges);
    if (grouped) {
        tr_links_carry(grouped, count, perf->links, perf->link_count);
        for (uint32_t event = 0; event < perf->event_count; event++)
            perf->events[event].links = ranges[event];
        free(perf->links);
        perf->links = grouped;
        perf->link_count = count;
    }
    free(ranges);
    return grouped ? 0 : -ENOMEM;
}

const struct tr_link *tr_perf_links(const struct tr_perf *perf, uint32_t *count)
{
    *count = perf->link_count;
    return perf->links;
}

int tr_perf_ignore_pid(struct tr_perf *perf, uint32_t pid, int on)
{
    struct tr_ignored *list = &perf->ignored;
    uint32_t at, wanted = on ? TR_NO_PID : pid;

    if (on && tr_is_ignored(list, pid))
        return 0;
    for (at = 0; at < list->count && list->pid[at] != wanted;)
        at++;
    if (at < list->count)
        __atomic_store_n(list->pid + at, on ? pid : TR_NO_PID, __ATOMIC_RELAXED);
    else if (on && at == TR_MAX_IGNORED)
        return -ENOSPC;
    else if (on) {
        list->pid[at] = pid;
        __atomic_store_n(&list->count, at + 1, __ATOMIC_RELEASE);   /* the slot is filled before it is looked at */
    }
    return 0;
}

uint32_t tr_perf_printed(struct tr_perf *perf, char *text, uint32_t capacity)
{
    uint32_t taken = perf->run.printed < capacity ? perf->run.printed : capacity;

    memcpy(text, perf->print_buffer, taken);
    memmove(perf->print_buffer, perf->print_buffer + taken, perf->run.printed - taken);
    perf->run.printed -= taken;
    return taken;
}

#endif
