"""What is on the dashboards: data, no logic. "@" in a query stands for the job and instance that were chosen.

Metrics are named as Prometheus has them (docs/otel.md); `tests/docs/test_grafana.py` sees that they exist, labels too.
"""

from __future__ import annotations

from model import Dashboard, Panel, number
from windows import ETW_DNS, ETW_FILES, ETW_NETWORK, ETW_PROCESSES
from windows_runtime import ETW_GC, ETW_POWERSHELL, ETW_SYSCALLS

SYSCALLS = Dashboard(
    "syscalls", "tracerd: system calls", "Count, errors and duration of system calls, by process and call",
    "tracerd_syscall_calls_total",
    (
        number("Calls a second", "cps", "sum(rate(tracerd_syscall_calls_total{@}[$__rate_interval]))"),
        number("Errors a second", "cps", "sum(rate(tracerd_syscall_errors_total{@}[$__rate_interval]))"),
        number("Calls that fail", "percentunit",
               "sum(rate(tracerd_syscall_errors_total{@}[$__rate_interval]))"
               " / sum(rate(tracerd_syscall_calls_total{@}[$__rate_interval]))"),
        number("p99 of all calls", "s",
               "histogram_quantile(0.99, sum by (le)"
               " (rate(tracerd_syscall_duration_seconds_bucket{@}[$__rate_interval])))",
               "Exact to a factor of two: buckets are powers of two"),
        Panel("Calls by process", "cps", (
            ("topk(10, sum by (tracerd_process_name) (rate(tracerd_syscall_calls_total{@}[$__rate_interval])))",
             "{{tracerd_process_name}}"),)),
        Panel("Calls by system call", "cps", (
            ("topk(10, sum by (tracerd_syscall_name) (rate(tracerd_syscall_calls_total{@}[$__rate_interval])))",
             "{{tracerd_syscall_name}}"),)),
        Panel("Errors by process", "cps", (
            ("topk(10, sum by (tracerd_process_name) (rate(tracerd_syscall_errors_total{@}[$__rate_interval])))",
             "{{tracerd_process_name}}"),)),
        Panel("Errors by system call", "cps", (
            ("topk(10, sum by (tracerd_syscall_name) (rate(tracerd_syscall_errors_total{@}[$__rate_interval])))",
             "{{tracerd_syscall_name}}"),)),
        Panel("p99 by system call", "s", (
            ("topk(10, histogram_quantile(0.99, sum by (le, tracerd_syscall_name)"
             " (rate(tracerd_syscall_duration_seconds_bucket{@}[$__rate_interval]))))", "{{tracerd_syscall_name}}"),),
            description="Calls that wait (futex, epoll_wait, …) take as long as what they wait for"),
        Panel("Mean duration by system call", "s", (
            ("topk(10, sum by (tracerd_syscall_name) (rate(tracerd_syscall_duration_seconds_sum{@}[$__rate_interval]))"
             " / sum by (tracerd_syscall_name) (rate(tracerd_syscall_duration_seconds_count{@}[$__rate_interval])))",
             "{{tracerd_syscall_name}}"),)),
        Panel("Durations", "s", (
            ("sum by (le) (increase(tracerd_syscall_duration_seconds_bucket{@}[$__rate_interval]))", "{{le}}"),),
            "heatmap"),
        Panel("Process and system call, calls a second", "cps", (
            ("topk(20, sum by (tracerd_process_name, tracerd_syscall_name)"
             " (rate(tracerd_syscall_calls_total{@}[$__rate_interval])))", ""),), "table"),
    ),
)  # fmt: skip

PROCESSES = Dashboard(
    "processes", "tracerd: process starts and exits", "How many processes fork, exec and exit",
    "tracerd_processes_forks_total",
    (
        number("Forks a second", "cps", "sum(rate(tracerd_processes_forks_total{@}[$__rate_interval]))",
               "New threads are forks, too"),
        number("Execs a second", "cps", "sum(rate(tracerd_processes_execs_total{@}[$__rate_interval]))"),
        number("Exits a second", "cps", "sum(rate(tracerd_processes_exits_total{@}[$__rate_interval]))",
               "Of processes, without threads"),
        Panel("Execs in the last day", "short", (("sum(increase(tracerd_processes_execs_total{@}[1d]))", ""),),
              "stat", 6, 4),
        Panel("Forks, execs, exits", "cps", (
            ("sum(rate(tracerd_processes_forks_total{@}[$__rate_interval]))", "forks"),
            ("sum(rate(tracerd_processes_execs_total{@}[$__rate_interval]))", "execs"),
            ("sum(rate(tracerd_processes_exits_total{@}[$__rate_interval]))", "exits")), width=24, height=10),
        Panel("Execs by machine", "cps", (
            ("topk(10, sum by (job, instance) (rate(tracerd_processes_execs_total{@}[$__rate_interval])))",
             "{{instance}}"),)),
        Panel("Machines, execs a second", "cps", (
            ("topk(20, sum by (job, instance) (rate(tracerd_processes_execs_total{@}[$__rate_interval])))", ""),),
            "table"),
    ),
)  # fmt: skip

EXECSNOOP = Dashboard(
    "execsnoop", "tracerd: every process", "How many processes start, end and fail; logs and spans have each of them",
    "tracerd_execsnoop_starts_total",
    (
        number("Starts a second", "cps", "sum(rate(tracerd_execsnoop_starts_total{@}[$__rate_interval]))"),
        number("Ends a second", "cps", "sum(rate(tracerd_execsnoop_ends_total{@}[$__rate_interval]))"),
        number("Failures a second", "cps", "sum(rate(tracerd_execsnoop_failures_total{@}[$__rate_interval]))",
               "Exit codes that are known and not 0"),
        number("Records dropped a second", "cps", "sum(rate(tracerd_execsnoop_dropped_total{@}[$__rate_interval]))",
               "They found no room in the ring buffer"),
        Panel("Starts, ends, failures", "cps", (
            ("sum(rate(tracerd_execsnoop_starts_total{@}[$__rate_interval]))", "starts"),
            ("sum(rate(tracerd_execsnoop_ends_total{@}[$__rate_interval]))", "ends"),
            ("sum(rate(tracerd_execsnoop_failures_total{@}[$__rate_interval]))", "failures")), width=24, height=10),
        Panel("Starts by machine", "cps", (
            ("topk(10, sum by (job, instance) (rate(tracerd_execsnoop_starts_total{@}[$__rate_interval])))",
             "{{instance}}"),)),
        Panel("Failures by machine", "cps", (
            ("topk(10, sum by (job, instance) (rate(tracerd_execsnoop_failures_total{@}[$__rate_interval])))",
             "{{instance}}"),)),
    ),
)  # fmt: skip

CHURN = Dashboard(
    "churn", "tracerd: processes that come and go", "What is started over and over, by whom, how it ends",
    "tracerd_churn_starts_total",
    (
        number("Starts a second", "cps", "sum(rate(tracerd_churn_starts_total{@}[$__rate_interval]))"),
        number("Exits a second", "cps", "sum(rate(tracerd_churn_exits_total{@}[$__rate_interval]))"),
        number("Failures a second", "cps", "sum(rate(tracerd_churn_failures_total{@}[$__rate_interval]))",
               "Exit codes that are known and not 0"),
        number("Median lifetime", "s",
               "histogram_quantile(0.5, sum by (le)"
               " (rate(tracerd_churn_lifetime_seconds_bucket{@}[$__rate_interval])))"),
        Panel("Starts by process", "cps", (
            ("topk(10, sum by (tracerd_process_name) (rate(tracerd_churn_starts_total{@}[$__rate_interval])))",
             "{{tracerd_process_name}}"),)),
        Panel("Starts by parent", "cps", (
            ("topk(10, sum by (tracerd_process_parent_name) (rate(tracerd_churn_starts_total{@}[$__rate_interval])))",
             "{{tracerd_process_parent_name}}"),)),
        Panel("Failures by process", "cps", (
            ("topk(10, sum by (tracerd_process_name) (rate(tracerd_churn_failures_total{@}[$__rate_interval])))",
             "{{tracerd_process_name}}"),)),
        Panel("How they end", "cps", (
            ("sum(rate(tracerd_churn_exits_total{@}[$__rate_interval]))"
             " - sum(rate(tracerd_churn_failures_total{@}[$__rate_interval]))"
             " - sum(rate(tracerd_churn_unknown_total{@}[$__rate_interval]))", "exit code 0"),
            ("sum(rate(tracerd_churn_failures_total{@}[$__rate_interval]))", "another exit code"),
            ("sum(rate(tracerd_churn_unknown_total{@}[$__rate_interval]))", "not known")), stacked=True),
        Panel("p99 of lifetimes", "s", (
            ("topk(10, histogram_quantile(0.99, sum by (le, tracerd_process_name)"
             " (rate(tracerd_churn_lifetime_seconds_bucket{@}[$__rate_interval]))))", "{{tracerd_process_name}}"),)),
        Panel("Lifetimes", "s", (
            ("sum by (le) (increase(tracerd_churn_lifetime_seconds_bucket{@}[$__rate_interval]))", "{{le}}"),),
            "heatmap"),
        Panel("Process and parent, starts in the last hour", "short", (
            ("topk(20, sum by (tracerd_process_name, tracerd_process_parent_name)"
             " (increase(tracerd_churn_starts_total{@}[1h])))", ""),), "table"),
        Panel("Process and parent, failures in the last hour", "short", (
            ("topk(20, sum by (tracerd_process_name, tracerd_process_parent_name)"
             " (increase(tracerd_churn_failures_total{@}[1h])) > 0)", ""),), "table"),
    ),
)  # fmt: skip

CONNECTIONS = Dashboard(
    "connections", "tracerd: connections", "TCP and UDP connections by service",
    "tracerd_connection_open",
    (
        number("Open", "short", "sum(tracerd_connection_open{@})"),
        number("Served", "short", 'sum(tracerd_connection_open{@,tracerd_connection_role="server"})',
               "Connections to ports that something on the machine listens on"),
        number("Opened a second", "cps", "sum(rate(tracerd_connection_opened_total{@}[$__rate_interval]))"),
        number("Closed a second", "cps", "sum(rate(tracerd_connection_closed_total{@}[$__rate_interval]))"),
        Panel("Open, served", "short", (
            ('topk(10, sum by (tracerd_process_name, server_port)'
             ' (tracerd_connection_open{@,tracerd_connection_role="server"}))',
             "{{tracerd_process_name}} :{{server_port}}"),)),
        Panel("Open, to others", "short", (
            ('topk(10, sum by (tracerd_process_name, server_port)'
             ' (tracerd_connection_open{@,tracerd_connection_role="client"}))',
             "{{tracerd_process_name}} to :{{server_port}}"),)),
        Panel("Opened by process", "cps", (
            ("topk(10, sum by (tracerd_process_name) (rate(tracerd_connection_opened_total{@}[$__rate_interval])))",
             "{{tracerd_process_name}}"),)),
        Panel("Opened and closed", "cps", (
            ("sum by (network_transport) (rate(tracerd_connection_opened_total{@}[$__rate_interval]))",
             "{{network_transport}} opened"),
            ("sum by (network_transport) (rate(tracerd_connection_closed_total{@}[$__rate_interval]))",
             "{{network_transport}} closed"))),
        Panel("p99 of lifetimes", "s", (
            ("topk(10, histogram_quantile(0.99, sum by (le, tracerd_process_name)"
             " (rate(tracerd_connection_lifetime_seconds_bucket{@}[$__rate_interval]))))",
             "{{tracerd_process_name}}"),)),
        Panel("Lifetimes", "s", (
            ("sum by (le) (increase(tracerd_connection_lifetime_seconds_bucket{@}[$__rate_interval]))", "{{le}}"),),
            "heatmap"),
        Panel("Services, open connections", "short", (
            ("topk(20, sum by (tracerd_process_name, tracerd_connection_role, network_transport, server_port)"
             " (tracerd_connection_open{@}))", ""),), "table", 24),
    ),
)  # fmt: skip

HOST = Dashboard(
    "host", "tracerd: host", "A machine at a glance: cores, memory, disks, interfaces, processes",
    "tracerd_host_memory_total_bytes",
    (
        number("Cores busy", "percentunit", "avg(tracerd_host_cpu_utilization_ratio{@})"),
        number("Memory used", "percentunit",
               "sum(tracerd_host_memory_used_bytes{@}) / sum(tracerd_host_memory_total_bytes{@})"),
        number("Open connections", "short", "sum(tracerd_host_connections{@})"),
        number("Processes started a second", "cps",
               "sum(rate(tracerd_host_process_starts_total{@}[$__rate_interval]))"),
        Panel("Cores", "percentunit", (
            ("tracerd_host_cpu_utilization_ratio{@}", "{{instance}} cpu{{cpu_logical_number}}"),)),
        Panel("Cores that processes keep busy", "none", (
            ("topk(10, sum by (tracerd_process_name) (tracerd_host_process_cpu_utilization_ratio{@}))",
             "{{tracerd_process_name}}"),), stacked=True, description="1 is one core"),
        Panel("Memory", "bytes", (
            ("sum by (instance) (tracerd_host_memory_used_bytes{@})", "{{instance}} used"),
            ("sum by (instance) (tracerd_host_memory_total_bytes{@})", "{{instance}} total"),
            ("sum by (instance) (tracerd_host_swap_used_bytes{@})", "{{instance}} swap"))),
        Panel("Memory of processes", "bytes", (
            ("topk(10, sum by (tracerd_process_name) (tracerd_host_process_memory_bytes{@}))",
             "{{tracerd_process_name}}"),)),
        Panel("Disks", "Bps", (
            ("sum by (system_device, disk_io_direction) (rate(system_disk_io_bytes_total{@}[$__rate_interval]))",
             "{{system_device}} {{disk_io_direction}}"),)),
        Panel("Disk operations", "iops", (
            ("sum by (system_device, disk_io_direction) (rate(system_disk_operations_total{@}[$__rate_interval]))",
             "{{system_device}} {{disk_io_direction}}"),)),
        Panel("Interfaces", "Bps", (
            ("sum by (network_interface_name, network_io_direction)"
             " (rate(system_network_io_bytes_total{@}[$__rate_interval]))",
             "{{network_interface_name}} {{network_io_direction}}"),)),
        Panel("Interfaces: errors and drops", "cps", (
            ("sum by (network_interface_name) (rate(tracerd_host_network_errors_total{@}[$__rate_interval]))",
             "{{network_interface_name}}"),)),
        Panel("Disk traffic of processes", "Bps", (
            ("topk(10, sum by (tracerd_process_name, disk_io_direction)"
             " (tracerd_host_process_disk_io_bytes_per_second{@}))",
             "{{tracerd_process_name}} {{disk_io_direction}}"),)),
        Panel("Processes started and ended", "cps", (
            ("sum(rate(tracerd_host_process_starts_total{@}[$__rate_interval]))", "started"),
            ("sum(rate(tracerd_host_process_exits_total{@}[$__rate_interval]))", "ended"))),
        Panel("Open files", "short", (
            ("topk(15, sum by (tracerd_process_name) (tracerd_host_process_handles{@}))",
             "{{tracerd_process_name}}"),), "bargauge"),
        Panel("Memory by process", "bytes", (
            ("topk(15, sum by (tracerd_process_name) (tracerd_host_process_memory_bytes{@}))", ""),), "table"),
    ),
)  # fmt: skip

TRACERD = Dashboard(
    "tracerd", "tracerd: itself", "What runs, what it costs, what was lost",
    "tracerd_uptime_seconds",
    (
        number("Up for", "s", "min(tracerd_uptime_seconds{@})", "The youngest"),
        number("Probes that should run and do not", "short", "sum(tracerd_probe_failed{@})"),
        number("Events lost, in the range", "short",
               'sum(increase(tracerd_event_handled_total{@,outcome=~"lost_in_kernel|lost_in_session|dropped_in_ring|failed"}[$__range]))'),
        number("Failed exports, in the range", "short",
               'sum(increase(tracerd_exporter_exports_total{@,outcome="failures"}[$__range]))'),
        Panel("Events by event", "cps", (
            ("topk(10, sum by (event) (rate(tracerd_event_produced_total{@}[$__rate_interval])))", "{{event}}"),)),
        Panel("What became of events", "cps", (
            ("sum by (outcome) (rate(tracerd_event_handled_total{@}[$__rate_interval]))", "{{outcome}}"),),
            stacked=True),
        Panel("Runs by program", "cps", (
            ("topk(10, sum by (probe, program) (rate(tracerd_program_runs_total{@}[$__rate_interval])))",
             "{{probe}}/{{program}}"),)),
        Panel("Mean time of a run", "s", (
            ("topk(10, max by (probe, program, engine) (tracerd_program_run_duration_seconds{@}))",
             "{{probe}}/{{program}} {{engine}}"),)),
        Panel("Runs ended early", "cps", (
            ("sum by (probe, program) (rate(tracerd_program_aborted_total{@}[$__rate_interval]))",
             "{{probe}}/{{program}}"),)),
        Panel("CPU", "none", (
            ("sum by (instance) (rate(tracerd_process_cpu_time_seconds_total{@}[$__rate_interval]))",
             "{{instance}} all"),
            ("sum by (instance) (rate(tracerd_pump_cpu_time_seconds_total{@}[$__rate_interval]))",
             "{{instance}} events on their way")), description="1 is one core"),
        Panel("Memory", "bytes", (
            ("sum by (instance) (tracerd_process_memory_usage_bytes{@})", "{{instance}} the daemon"),
            ("sum by (instance) (tracerd_map_memory_usage_bytes{@})", "{{instance}} maps"))),
        Panel("Map fill", "percentunit", (
            ("topk(10, max by (probe, map) (tracerd_map_fill_ratio{@}))", "{{probe}}/{{map}}"),)),
        Panel("Updates refused: a map was full", "cps", (
            ("sum by (probe, map) (rate(tracerd_map_refused_total{@}[$__rate_interval])) > 0", "{{probe}}/{{map}}"),)),
        Panel("Ring buffers", "cps", (
            ("sum by (probe, ring) (rate(tracerd_ring_records_total{@}[$__rate_interval]))",
             "{{probe}}/{{ring}} records"),
            ("sum by (probe, ring) (rate(tracerd_ring_dropped_total{@}[$__rate_interval]))",
             "{{probe}}/{{ring}} dropped"))),
        Panel("Exports", "cps", (
            ("sum by (exporter, outcome) (rate(tracerd_exporter_exports_total{@}[$__rate_interval]))",
             "{{exporter}} {{outcome}}"),)),
        Panel("Records for exporters", "cps", (
            ("sum by (exporter, outcome) (rate(tracerd_exporter_records_total{@}[$__rate_interval]))",
             "{{exporter}} {{outcome}}"),)),
        Panel("Exporters' own counts", "short", (
            ("sum by (exporter, count) (tracerd_exporter_tally{@})", ""),), "table"),
        Panel("Programs", "s", (
            ("max by (probe, program, engine) (tracerd_program_verify_duration_seconds{@})", ""),), "table",
            description="And how long their proofs took"),
        Panel("Control API", "cps", (
            ("sum(rate(tracerd_api_requests_total{@}[$__rate_interval]))", "requests"),
            ("sum(rate(tracerd_api_refused_total{@}[$__rate_interval]))", "refused"))),
        Panel("What should not happen", "cps", (
            ("sum(rate(tracerd_verifier_broken_total{@}[$__rate_interval]))", "verifier processes killed or hung"),
            ("sum(rate(tracerd_reload_refused_total{@}[$__rate_interval]))", "configurations refused"),
            ("sum(rate(tracerd_source_revived_total{@}[$__rate_interval]))", "sources opened anew"),
            ("sum(rate(tracerd_log_dropped_total{@}[$__rate_interval]))", "log records dropped"))),
    ),
)  # fmt: skip

DASHBOARDS = (
    SYSCALLS, PROCESSES, EXECSNOOP, CHURN, CONNECTIONS, HOST, ETW_PROCESSES, ETW_FILES, ETW_NETWORK, ETW_DNS, ETW_GC,
    ETW_POWERSHELL, ETW_SYSCALLS, TRACERD,
)  # fmt: skip
