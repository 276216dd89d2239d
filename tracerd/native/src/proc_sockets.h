/* The two ways to learn of sockets; both count as tr_proc_sockets does. */
#ifndef TR_PROC_SOCKETS_H
#define TR_PROC_SOCKETS_H

#include <stdint.h>

struct tr_proc_socket;

int64_t tr_proc_sockets_diag(struct tr_proc_socket *rows, uint32_t capacity);
int64_t tr_proc_sockets_tables(struct tr_proc_socket *rows, uint32_t capacity);

#endif
