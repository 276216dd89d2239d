/* Linux calls that Python has no function for (border/linux.h), and the syscall hammer of the benchmark. */

#if defined(__linux__)

#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "linux.h"

#define SET_MDWE 65                  /* PR_SET_MDWE, PR_GET_MDWE (linux/prctl.h): older headers lack them */
#define GET_MDWE 66
#define REFUSE_EXEC_GAIN 1UL
#define CALLS_PER_MOVE 1000

int tr_linux_mdwe(void)
{
    int flags = prctl(GET_MDWE, 0UL, 0UL, 0UL, 0UL);

    return flags < 0 ? -errno : flags;
}

int tr_linux_set_mdwe(void)
{
    return prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0UL, 0UL, 0UL) < 0 ? -errno : 0;
}

int tr_linux_no_new_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0 ? -errno : 0;
}

/* A function that returns at once; nothing where its bytes are not known. */
static size_t return_code(unsigned char *code)
{
#if defined(__x86_64__) || defined(__i386__)
    static const unsigned char bytes[] = {0xc3};
#elif defined(__aarch64__)
    static const unsigned char bytes[] = {0xc0, 0x03, 0x5f, 0xd6};
#else
    static const unsigned char bytes[] = {0};
    (void)code;
    return 0;
#endif
    memcpy(code, bytes, sizeof bytes);
    return sizeof bytes;
}

int tr_linux_probe_executable(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), length;
    void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int runs;

    if (memory == MAP_FAILED)
        return -errno;
    length = return_code(memory);
    runs = length > 0 && mprotect(memory, page, PROT_READ | PROT_EXEC) == 0;
    if (runs) {
        void (*function)(void);
        __builtin___clear_cache((char *)memory, (char *)memory + length);
        memcpy(&function, &memory, sizeof function);
        function();
    }
    munmap(memory, page);
    return runs;
}

int tr_linux_mount(const char *type, const char *target)
{
    return mount(type, target, type, 0, NULL) < 0 ? -errno : 0;
}

int64_t tr_linux_bpf(int command, void *attributes, uint32_t size)
{
    long result = syscall(SYS_bpf, command, attributes, size);

    return result < 0 ? -errno : result;
}

int64_t tr_linux_call(int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    long result = syscall((long)number, a, b, c, d, e, f);

    return result < 0 ? -errno : result;
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Move this thread to the next CPU of `allowed` after `*cpu`. */
static void move(const cpu_set_t *allowed, int *cpu)
{
    cpu_set_t one;

    do
        *cpu = (*cpu + 1) % CPU_SETSIZE;
    while (!CPU_ISSET(*cpu, allowed));
    CPU_ZERO(&one);
    CPU_SET(*cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
}

uint64_t tr_linux_hammer(uint64_t count, int what)
{
    cpu_set_t allowed;
    int cpu = 0;
    int wander = what == 1 && sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    uint64_t start = monotonic_ns();

    for (uint64_t call = 0; call < count; call++) {
        if (wander && call % CALLS_PER_MOVE == 0)
            move(&allowed, &cpu);
        syscall(SYS_getppid);
    }
    if (wander)
        sched_setaffinity(0, sizeof allowed, &allowed);
    return monotonic_ns() - start;
}

#endif
