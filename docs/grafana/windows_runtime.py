"""What is on the dashboards of probes for Windows: data, no logic. See `panels.py`."""

from __future__ import annotations

from model import Dashboard, Panel, number

ETW_GC = Dashboard(
    "etw_gc", "tracerd: .NET garbage collections", "Collections, pauses and heaps of .NET processes on Windows",
    "tracerd_etw_gc_collections_total",
    (
        number("Collections a second", "cps", "sum(rate(tracerd_etw_gc_collections_total{@}[$__rate_interval]))"),
        number("Time in pauses", "percentunit",
               "sum(rate(tracerd_etw_gc_pause_duration_seconds_sum{@}[$__rate_interval]))",
               "Of one process: 100 % is one that does nothing else"),
        number("p99 of pauses", "s",
               "histogram_quantile(0.99, sum by (le)"
               " (rate(tracerd_etw_gc_pause_duration_seconds_bucket{@}[$__rate_interval])))",
               "Exact to a factor of two: buckets are powers of two"),
        number("Pauses not seen whole", "short", "sum(tracerd_etw_gc_unmatched_total{@})",
               "Only the begin or the end was seen"),
        Panel("Collections by process", "cps", (
            ("topk(10, sum by (process_executable_name) (rate(tracerd_etw_gc_collections_total{@}[$__rate_interval])))",
             "{{process_executable_name}}"),)),
        Panel("Collections by generation", "cps", (
            ("sum by (dotnet_gc_heap_generation) (rate(tracerd_etw_gc_collections_total{@}[$__rate_interval]))",
             "{{dotnet_gc_heap_generation}}"),), stacked=True),
        Panel("Time in pauses by process", "percentunit", (
            ("topk(10, sum by (process_executable_name)"
             " (rate(tracerd_etw_gc_pause_duration_seconds_sum{@}[$__rate_interval])))",
             "{{process_executable_name}}"),)),
        Panel("p99 of pauses by process", "s", (
            ("topk(10, histogram_quantile(0.99, sum by (le, process_executable_name)"
             " (rate(tracerd_etw_gc_pause_duration_seconds_bucket{@}[$__rate_interval]))))",
             "{{process_executable_name}}"),)),
        Panel("Heap by process", "bytes", (
            ("topk(10, sum by (process_executable_name) (tracerd_etw_gc_heap_size_bytes{@}))",
             "{{process_executable_name}}"),)),
        Panel("Allocation by process", "Bps", (
            ("topk(10, sum by (process_executable_name)"
             " (rate(tracerd_etw_gc_allocated_bytes_total{@}[$__rate_interval])))", "{{process_executable_name}}"),)),
        Panel("Why", "short", (
            ("topk(20, sum by (process_executable_name, tracerd_gc_reason, tracerd_gc_kind)"
             " (tracerd_etw_gc_collections_total{@}))", ""),), "table", 24),
    ),
)  # fmt: skip

ETW_POWERSHELL = Dashboard(
    "etw_powershell", "tracerd: PowerShell", "Script blocks and commands of PowerShell on Windows, by user",
    "tracerd_etw_powershell_incomplete_total",
    (
        number("Script blocks", "short", "sum(tracerd_etw_powershell_script_blocks_total{@})"),
        number("Suspicious ones", "short", "sum(tracerd_etw_powershell_suspicious_total{@})",
               "As PowerShell itself finds"),
        number("Incomplete ones", "short", "sum(tracerd_etw_powershell_incomplete_total{@})", "Parts did not come"),
        number("Records dropped", "short", "sum(tracerd_etw_powershell_dropped_total{@})",
               "They found no room in the ring buffer"),
        Panel("Suspicious script blocks by user", "cps", (
            ("topk(10, sum by (user_name, process_executable_name)"
             " (rate(tracerd_etw_powershell_suspicious_total{@}[$__rate_interval])))",
             "{{user_name}} {{process_executable_name}}"),)),
        Panel("Script blocks by user", "cps", (
            ("topk(10, sum by (user_name) (rate(tracerd_etw_powershell_script_blocks_total{@}[$__rate_interval])))",
             "{{user_name}}"),)),
        Panel("Errors by user", "cps", (
            ("topk(10, sum by (user_name) (rate(tracerd_etw_powershell_errors_total{@}[$__rate_interval])))",
             "{{user_name}}"),)),
        Panel("Commands", "cps", (
            ("topk(10, sum by (tracerd_powershell_command)"
             " (rate(tracerd_etw_powershell_commands_total{@}[$__rate_interval])))",
             "{{tracerd_powershell_command}}"),)),
        Panel("Commands, all in all", "short", (
            ("topk(30, sum by (tracerd_powershell_command, tracerd_powershell_command_type)"
             " (tracerd_etw_powershell_commands_total{@}))", ""),), "table", 24),
    ),
)  # fmt: skip

ETW_SYSCALLS = Dashboard(
    "etw_syscalls", "tracerd: Windows system calls", "System calls of a Windows machine, by process and function",
    "tracerd_etw_syscall_calls_total",
    (
        number("Calls a second", "cps", "sum(rate(tracerd_etw_syscall_calls_total{@}[$__rate_interval]))"),
        number("Errors a second", "cps", "sum(rate(tracerd_etw_syscall_errors_total{@}[$__rate_interval]))"),
        number("Calls of threads not known", "short", "sum(tracerd_etw_syscall_unattributed_total{@})",
               "No thread switch told of them"),
        number("Returns without their call", "short", "sum(tracerd_etw_syscall_unmatched_total{@})"),
        Panel("Calls by process", "cps", (
            ("topk(10, sum by (process_executable_name) (rate(tracerd_etw_syscall_calls_total{@}[$__rate_interval])))",
             "{{process_executable_name}}"),)),
        Panel("Errors by status", "cps", (
            ("topk(10, sum by (tracerd_syscall_status) (rate(tracerd_etw_syscall_errors_total{@}[$__rate_interval])))",
             "{{tracerd_syscall_status}}"),)),
        Panel("Calls by function", "cps", (
            ("topk(10, sum by (tracerd_syscall_module, tracerd_syscall_offset)"
             " (rate(tracerd_etw_syscall_duration_seconds_count{@}[$__rate_interval])))",
             "{{tracerd_syscall_module}}+{{tracerd_syscall_offset}}"),)),
        Panel("Time in functions", "percentunit", (
            ("topk(10, sum by (tracerd_syscall_module, tracerd_syscall_offset)"
             " (rate(tracerd_etw_syscall_duration_seconds_sum{@}[$__rate_interval])))",
             "{{tracerd_syscall_module}}+{{tracerd_syscall_offset}}"),)),
        Panel("p99 by function", "s", (
            ("topk(10, histogram_quantile(0.99, sum by (le, tracerd_syscall_module, tracerd_syscall_offset)"
             " (rate(tracerd_etw_syscall_duration_seconds_bucket{@}[$__rate_interval]))))",
             "{{tracerd_syscall_module}}+{{tracerd_syscall_offset}}"),), width=24),
    ),
)  # fmt: skip

