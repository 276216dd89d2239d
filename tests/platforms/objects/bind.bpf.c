/* Counts binds by port and operation. Its maps are defined as before BTF. */
#include "windows.h"

struct key {
    uint16_t port;
    uint16_t operation;
};

struct value {
    uint64_t count, process_id;
};

SEC("maps")
struct ebpf_map_definition_in_file ports = {
    .type = BPF_MAP_TYPE_HASH, .key_size = sizeof(struct key), .value_size = sizeof(struct value), .max_entries = 1024
};

SEC("maps")
struct ebpf_map_definition_in_file total = {
    .type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1
};

SEC("bind")
int BindMonitor(bind_md_t *ctx)
{
    struct key key = {ctx->socket_address[2] << 8 | ctx->socket_address[3], ctx->operation};
    struct value fresh = {1, ctx->process_id}, *found;
    uint32_t zero = 0;
    uint64_t *all = bpf_map_lookup_elem(&total, &zero);

    if (all)
        __sync_fetch_and_add(all, 1);
    found = bpf_map_lookup_elem(&ports, &key);
    if (found)
        __sync_fetch_and_add(&found->count, 1);
    else
        bpf_map_update_elem(&ports, &key, &fresh, 0);
    return key.port < 1024 ? 1 : 0;
}
