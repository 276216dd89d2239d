/* The conventions of eBPF for Windows, written down once more for these tests: what an author's headers declare. */
#pragma once

typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
typedef long long int64_t;

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int (*name)[value]
#define __type(name, value) typeof(value) *name

#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_MAP_TYPE_PROG_ARRAY 3
#define BPF_MAP_TYPE_PERCPU_HASH 4
#define BPF_MAP_TYPE_PERCPU_ARRAY 5
#define BPF_MAP_TYPE_LRU_HASH 8
#define BPF_MAP_TYPE_RINGBUF 13

/* Before BTF: one of these for each map, in section "maps". */
struct ebpf_map_definition_in_file {
    uint32_t type, key_size, value_size, max_entries, inner_map_idx, pinning, id, inner_id;
};

#define HELPER(number, result, name, ...) static result (*const name)(__VA_ARGS__) = (void *)number
HELPER(1, void *, bpf_map_lookup_elem, void *map, const void *key);
HELPER(2, int64_t, bpf_map_update_elem, void *map, const void *key, const void *value, uint64_t flags);
HELPER(3, int64_t, bpf_map_delete_elem, void *map, const void *key);
HELPER(9, uint64_t, bpf_ktime_get_ns, void);
HELPER(10, int, bpf_csum_diff, const void *from, int from_size, const void *to, int to_size, int seed);
HELPER(11, int, bpf_ringbuf_output, void *ring, const void *data, uint64_t size, uint64_t flags);
HELPER(12, long, bpf_trace_printk2, const char *format, uint32_t size);
HELPER(14, long, bpf_trace_printk4, const char *format, uint32_t size, uint64_t a, uint64_t b);
HELPER(19, uint64_t, bpf_get_current_pid_tgid, void);
HELPER(20, uint64_t, bpf_get_current_logon_id, const void *context);
HELPER(22, long, bpf_memcpy_s, void *to, uint64_t size, const void *from, uint64_t bytes);
HELPER(23, int, bpf_memcmp_s, const void *one, uint64_t bytes, const void *other, uint64_t other_bytes);
HELPER(24, long, bpf_memset, void *to, uint64_t size, int value);
HELPER(27, int, bpf_strncpy_s, char *to, uint64_t size, const char *from, uint64_t count);
HELPER(28, int, bpf_strncat_s, char *to, uint64_t size, const char *from, uint64_t count);
HELPER(29, uint64_t, bpf_strnlen_s, const char *text, uint64_t size);

typedef struct _process_md {
    uint8_t *command_start, *command_end;
    uint64_t process_id, parent_process_id, creating_process_id, creating_thread_id, creation_time, exit_time;
    uint32_t process_exit_code;
    uint32_t operation : 8;
    uint32_t token_sid_size;
    uint8_t token_sid[68];
} process_md_t;
HELPER(0x10000, int, bpf_process_get_image_path, process_md_t *context, uint8_t *path, uint32_t length);
HELPER(0x10001, int, bpf_process_get_account_name, process_md_t *context, uint8_t *name, uint32_t length);

typedef struct _bind_md {
    uint8_t *app_id_start, *app_id_end;
    uint64_t process_id;
    uint8_t socket_address[16], socket_address_length;
    uint32_t operation;
    uint8_t protocol;
} bind_md_t;

typedef struct xdp_md_ {
    void *data, *data_end;
    uint64_t data_meta;
    uint32_t ingress_ifindex;
} xdp_md_t;

typedef struct _netevent_event_md {
    uint8_t *data_meta, *data, *data_end;
} netevent_event_md_t;
