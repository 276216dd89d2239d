/* Linux calls that Python has no function for. Each returns what the system call does, errors as -errno. */

int tr_linux_mdwe(void);                         /* PR_GET_MDWE: flags, or -errno (-EINVAL before Linux 6.3) */
int tr_linux_set_mdwe(void);                     /* PR_SET_MDWE refuse-exec-gain: cannot be taken back */
int tr_linux_no_new_privileges(void);            /* PR_SET_NO_NEW_PRIVS */
int tr_linux_probe_executable(void);             /* map, write, make executable, call: 1 it runs, 0 refused */
int tr_linux_mount(const char *type, const char *target);
int64_t tr_linux_bpf(int command, void *attributes, uint32_t size);

/* Any system call by its number. It acts on the calling thread, as the kernel does: nothing of the C library's. */
int64_t tr_linux_call(int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);

/* Make the cheapest system call `count` times; returns the nanoseconds it took. `what` 0: getppid, 1: getppid with
   the thread moved to the next of its CPUs every 1000 calls. */
uint64_t tr_linux_hammer(uint64_t count, int what);
