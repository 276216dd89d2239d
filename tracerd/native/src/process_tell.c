/* What programs are told of a process: their context, and who they run as. */

#include <string.h>

#include "process_parts.h"
#include "ignored.h"

/* Whether /proc may be looked into once more. */
int tr_process_may_read(struct tr_processes *processes)
{
    if (!processes->reads_left)
        return 0;
    processes->reads_left--;
    processes->counted.reads++;
    return 1;
}

/* Who it is, as helpers and the context say it. */
static void identify(struct tr_processes *processes, uint32_t pid, struct tr_task *task)
{
    if (tr_tasks_get(processes->with.tasks, pid, task) || (tr_process_may_read(processes) && tr_task_read(pid, task)))
        return;
    memset(task, 0, sizeof *task);
    task->uid = TR_UNKNOWN_ID;
    task->gid = TR_UNKNOWN_ID;
}

/* 65534 is nobody's number and that of a user who is not known: the bit stays away from both. */
static void describe_user(struct tr_processes *processes, struct tr_process_context *context, uint32_t uid)
{
    context->uid = uid;
    context->known |= uid == TR_UNKNOWN_ID ? 0 : TR_KNOWN_USER;
    tr_process_user_name(processes, uid, context->user);
}

static void describe_line(const struct tr_processes *processes, struct tr_process_context *context,
                          const struct process *process)
{
    const char *line = tr_process_line(processes, process);

    context->data = (const void *)(line ? line : processes->lines);
    context->data_end = context->data + (line ? process->line_bytes : 0);
    if (!line)
        context->known &= ~(uint32_t)TR_KNOWN_COMMAND_LINE;
}

/* The kernel cuts a name at 15 bytes; where the command line begins with a file of that name, that has all of it. */
static void describe_name(struct tr_process_context *context, const struct tr_task *task)
{
    const char *line = (const void *)context->data, *end = (const void *)context->data_end, *name = line;
    size_t length = strnlen(line, (size_t)(end - line)), most = sizeof context->name - 1;

    memset(context->name, 0, sizeof context->name);
    memcpy(context->name, task->comm, sizeof task->comm);
    for (size_t at = 0; at < length; at++)
        if (line[at] == '/')
            name = line + at + 1;
    length -= (size_t)(name - line);
    if (strlen(task->comm) == 15 && length > 15 && memcmp(name, task->comm, 15) == 0)
        memcpy(context->name, name, length < most ? length : most);
}

static void describe(struct tr_processes *processes, const struct process *process, const struct tr_task *task,
                     uint64_t now_ns)
{
    struct tr_process_context *context = &processes->context;
    uint64_t offset = (uint64_t)processes->with.unix_offset_ns;

    context->time_ns = now_ns + offset;
    context->start_ns = process->began_ns + offset;
    context->lifetime_ns = now_ns - process->began_ns;
    context->known = process->known;
    context->pid = process->pid;
    context->parent = process->parent;
    context->exit_code = process->exit_code;
    describe_user(processes, context, task->uid);
    describe_line(processes, context, process);
    describe_name(context, task);
}

/* Run the programs of a kind as the process itself. */
static void run(struct tr_processes *processes, uint32_t kind, const struct process *process, uint64_t now_ns,
                uint32_t cpu)
{
    struct tr_link_range links = processes->ranges[kind];
    struct tr_run *run = processes->with.run;
    struct tr_task task;

    identify(processes, process->pid, &task);
    describe(processes, process, &task, now_ns);
    processes->context.kind = kind;
    run->now_ns = now_ns;
    run->cpu = cpu;
    run->pid_tgid = (uint64_t)process->pid << 32 | process->pid;
    run->uid_gid = (uint64_t)task.gid << 32 | task.uid;
    memcpy(run->comm, task.comm, sizeof run->comm);
    if (tr_links_run(processes->links + links.first, links.count, &processes->context, sizeof processes->context, run))
        processes->accounts[kind].failed++;
    else
        processes->accounts[kind].delivered++;
}

void tr_process_tell(struct tr_processes *processes, uint32_t kind, const struct process *process, uint64_t now_ns,
                     uint32_t cpu)
{
    if (!processes->ranges[kind].count || tr_is_ignored(processes->with.ignored, process->pid))
        processes->accounts[kind].filtered++;
    else
        run(processes, kind, process, now_ns, cpu);
}
