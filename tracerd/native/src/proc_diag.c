/* Sockets by NETLINK_SOCK_DIAG (linux/inet_diag.h), as ss(8) asks for them. Needs no privilege. */

#if defined(__linux__)

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "proc.h"
#include "proc_sockets.h"

/* Not asked for: SYN_RECV, TIME_WAIT and NEW_SYN_RECV are no socket of any process. */
#define STATES ~((1u << 3) | (1u << 6) | (1u << 12))

struct request {
    struct nlmsghdr header;
    struct inet_diag_req_v2 body;
};

struct dump {
    struct tr_proc_socket *rows;
    uint32_t capacity;
    int64_t count;
    uint8_t protocol;
    int done;
    int error;                           /* -errno */
};

static int ask(int netlink, uint8_t family, uint8_t protocol)
{
    struct request request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = family, .sdiag_protocol = protocol, .idiag_states = STATES},
    };

    return send(netlink, &request, sizeof request, 0) < 0 ? -errno : 0;
}

static void take_socket(struct dump *dump, const struct inet_diag_msg *told)
{
    size_t bytes = told->idiag_family == AF_INET6 ? 16 : 4;
    struct tr_proc_socket *row;

    if (!told->idiag_inode || dump->count++ >= dump->capacity)
        return;
    row = dump->rows + dump->count - 1;
    memset(row, 0, sizeof *row);
    row->identity = told->idiag_inode;
    row->family = told->idiag_family == AF_INET6 ? 6 : 4;
    row->protocol = dump->protocol;
    row->local_port = ntohs(told->id.idiag_sport);
    row->remote_port = ntohs(told->id.idiag_dport);
    memcpy(row->local, told->id.idiag_src, bytes);
    memcpy(row->remote, told->id.idiag_dst, bytes);
    row->state = dump->protocol == IPPROTO_TCP ? told->idiag_state : 0;
    row->uid = told->idiag_uid;
}

static void take_message(struct dump *dump, const struct nlmsghdr *message)
{
    if (message->nlmsg_type == NLMSG_DONE) {
        dump->done = 1;
    } else if (message->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *refusal = NLMSG_DATA(message);
        dump->error = refusal->error ? refusal->error : -EPROTO;
    } else if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg))) {
        take_socket(dump, NLMSG_DATA(message));
    }
}

static void take_answers(struct dump *dump, int netlink)
{
    union {
        struct nlmsghdr first;
        char bytes[32768];
    } buffer;

    while (!dump->done && !dump->error) {
        ssize_t got = recv(netlink, &buffer, sizeof buffer, 0);
        ssize_t left = got < 0 ? 0 : got;        /* NLMSG_NEXT may take it below zero */
        if (got <= 0)
            dump->error = got < 0 ? -errno : -EPROTO;
        for (const struct nlmsghdr *at = &buffer.first; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left))
            take_message(dump, at);
    }
}

int64_t tr_proc_sockets_diag(struct tr_proc_socket *rows, uint32_t capacity)
{
    static const uint8_t families[] = {AF_INET, AF_INET6}, protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
    struct dump dump = {.rows = rows, .capacity = capacity};
    struct timeval patience = {.tv_sec = 1};
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (netlink < 0)
        return -errno;
    setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (int which = 0; which < 4 && !dump.error; which++) {
        dump.done = 0;
        dump.protocol = protocols[which / 2];
        dump.error = ask(netlink, families[which % 2], dump.protocol);
        take_answers(&dump, netlink);
    }
    close(netlink);
    return dump.error ? dump.error : dump.count;
}

int64_t tr_proc_sockets(struct tr_proc_socket *rows, uint32_t capacity, int way)
{
    return way == TR_PROC_DIAG ? tr_proc_sockets_diag(rows, capacity) : tr_proc_sockets_tables(rows, capacity);
}

#endif
