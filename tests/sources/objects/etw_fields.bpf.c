// SPDX-License-Identifier: MIT
/* Process starts and stops by fields, and starts of one version by a struct of their fixed part. */
#include "kernel_process.h"

struct process {
	u64 created;
	u64 exited;
	u64 sequence;		/* by the struct; 0: not of version 3 */
	u32 parent;
	s32 exit_code;
	char image[32];
	char path[64];
	char label[24];
	u8 sid[12];
	u32 path_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct process);
} processes SEC(".maps");

SEC("etw/Microsoft-Windows-Kernel-Process/ProcessStart")
int on_start(struct etw_context *ctx)
{
	const struct kernel_process_start_v3 *fixed = kernel_process_start_v3(ctx);
	struct process process = {};
	u32 pid = ev_field_u32(ctx, KERNEL_PROCESS_START_PROCESSID);

	process.created = etw_unix_ns(ev_field_u64(ctx, KERNEL_PROCESS_START_CREATETIME));
	process.parent = ev_field_u32(ctx, KERNEL_PROCESS_START_PARENTPROCESSID);
	process.path_bytes = ev_field_text(ctx, KERNEL_PROCESS_START_IMAGENAME, process.path, sizeof(process.path));
	ev_field_file(ctx, KERNEL_PROCESS_START_IMAGENAME, process.image, sizeof(process.image));
	ev_field_text(ctx, KERNEL_PROCESS_START_MANDATORYLABEL, process.label, sizeof(process.label));
	bpf_etw_field_bytes(ctx, KERNEL_PROCESS_START_MANDATORYLABEL, process.sid, sizeof(process.sid));
	if (fixed)
		process.sequence = fixed->ProcessSequenceNumber;
	bpf_map_update_elem(&processes, &pid, &process, BPF_ANY);
	return 0;
}

SEC("etw/Microsoft-Windows-Kernel-Process/ProcessStop")
int on_stop(struct etw_context *ctx)
{
	u32 pid = ev_field_u32(ctx, ETW_FIELD("ProcessID"));
	struct process *process = bpf_map_lookup_elem(&processes, &pid);

	if (!process)
		return 0;
	process->exited = etw_unix_ns(ev_field_u64(ctx, KERNEL_PROCESS_STOP_EXITTIME));
	process->exit_code = ev_field_s32(ctx, KERNEL_PROCESS_STOP_EXITCODE);
	return 0;
}

char _license[] SEC("license") = "MIT";
