/* A process monitor as authors write it: maps in BTF, the command by memcpy_s with the distance of two pointers, the
   image's path by the type's own helper, a record for every event, and a verdict. */
#include "windows.h"

#define PATH 260
#define DENIED ((int)0xC0000022)

struct process_info {
    uint64_t process_id, parent_process_id, creating_process_id, creating_thread_id, creation_time, exit_time;
    uint32_t process_exit_code, operation, command_bytes, sid_bytes;
    int image_bytes, account;
    uint64_t logon;
};

struct path {
    uint8_t text[PATH];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, uint64_t);
    __type(value, struct path);
    __uint(max_entries, 4096);
} commands SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, uint64_t);
    __type(value, struct process_info);
    __uint(max_entries, 4096);
} processes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, uint32_t);
    __type(value, struct path);
    __uint(max_entries, 1);
} scratch SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} events SEC(".maps");

SEC("process")
int ProcessMonitor(process_md_t *ctx)
{
    struct process_info info = {
        .process_id = ctx->process_id,
        .parent_process_id = ctx->parent_process_id,
        .creating_process_id = ctx->creating_process_id,
        .creating_thread_id = ctx->creating_thread_id,
        .creation_time = ctx->creation_time,
        .exit_time = ctx->exit_time,
        .process_exit_code = ctx->process_exit_code,
        .operation = ctx->operation,
        .command_bytes = ctx->command_end - ctx->command_start,
        .sid_bytes = ctx->token_sid_size,
        .logon = bpf_get_current_logon_id(ctx),
    };
    uint32_t zero = 0;
    struct path *path = bpf_map_lookup_elem(&scratch, &zero);

    if (!path)
        return 0;
    if (info.operation == 0) {
        bpf_memset(path, sizeof *path, 0);
        bpf_memcpy_s(path, sizeof *path, ctx->command_start, ctx->command_end - ctx->command_start);
        bpf_map_update_elem(&commands, &info.process_id, path, 0);
        info.account = bpf_process_get_account_name(ctx, path->text, sizeof path->text);
        info.image_bytes = bpf_process_get_image_path(ctx, path->text, sizeof path->text);
    }
    bpf_map_update_elem(&processes, &info.process_id, &info, 0);
    bpf_ringbuf_output(&events, &info, sizeof info, 0);
    return info.operation == 0 && info.process_id % 2 ? DENIED : 0;
}
