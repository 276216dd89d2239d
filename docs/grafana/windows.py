"""Dashboards of the probes that read events of Windows: data, no logic, as in `panels.py`."""

from __future__ import annotations

from model import Dashboard, Panel, number

ETW_PROCESSES = Dashboard(
    "etw_processes", "tracerd: Windows processes", "Process starts and ends of a Windows machine, from its events",
    "tracerd_etw_process_starts_total",
    (
        number("Starts", "short", "sum(tracerd_etw_process_starts_total{@})"),
        number("Ends", "short", "sum(tracerd_etw_process_ends_total{@})"),
        number("Failures", "short", "sum(tracerd_etw_process_failures_total{@})", "Exit codes other than 0"),
        number("Unreadable events, no room", "short",
               "sum(tracerd_etw_process_unreadable_total{@}) + sum(tracerd_etw_process_refused_total{@})",
               "Of a version that is not known, or cut short; and what found no room in a table"),
        Panel("Starts by image", "cps", (
            ("topk(10, sum by (process_executable_name) (rate(tracerd_etw_process_starts_total{@}[$__rate_interval])))",
             "{{process_executable_name}}"),)),
        Panel("Failures by image", "cps", (
            ("topk(10, sum by (process_executable_name)"
             " (rate(tracerd_etw_process_failures_total{@}[$__rate_interval])))", "{{process_executable_name}}"),)),
        Panel("Image and parent, starts", "short", (
            ("topk(20, sum by (process_executable_name, tracerd_process_parent_executable_name)"
             " (tracerd_etw_process_starts_total{@}))", ""),), "table"),
        Panel("Time lived by image", "s", (
            ("topk(20, sum by (process_executable_name) (tracerd_etw_process_lifetime_seconds_sum{@}))",
             "{{process_executable_name}}"),), "bargauge"),
        Panel("Lifetime by image, p50", "s", (
            ("topk(10, histogram_quantile(0.5, sum by (process_executable_name, le)"
             " (rate(tracerd_etw_process_lifetime_seconds_bucket{@}[$__rate_interval]))))",
             "{{process_executable_name}}"),)),
    ),
)  # fmt: skip

ETW_FILES = Dashboard(
    "etw_files", "tracerd: Windows files", "File operations of a Windows machine: count, errors, bytes, duration",
    "tracerd_etw_file_operations_total",
    (
        number("Operations a second", "ops", "sum(rate(tracerd_etw_file_operations_total{@}[$__rate_interval]))"),
        number("Errors a second", "ops", "sum(rate(tracerd_etw_file_errors_total{@}[$__rate_interval]))"),
        number("Bytes a second", "Bps", "sum(rate(tracerd_etw_file_io_bytes_total{@}[$__rate_interval]))"),
        number("Open operations", "short", "sum(tracerd_etw_file_open{@})", "Begun and not ended"),
        Panel("Operations by program", "ops", (
            ("topk(10, sum by (process_executable_name)"
             " (rate(tracerd_etw_file_operations_total{@}[$__rate_interval])))", "{{process_executable_name}}"),)),
        Panel("Bytes by program", "Bps", (
            ("topk(10, sum by (process_executable_name, tracerd_etw_file_operation)"
             " (rate(tracerd_etw_file_io_bytes_total{@}[$__rate_interval])))",
             "{{process_executable_name}} {{tracerd_etw_file_operation}}"),)),
        Panel("Operations by kind", "ops", (
            ("sum by (tracerd_etw_file_operation) (rate(tracerd_etw_file_operations_total{@}[$__rate_interval]))",
             "{{tracerd_etw_file_operation}}"),), stacked=True),
        Panel("Errors by program and operation", "ops", (
            ("topk(10, sum by (process_executable_name, tracerd_etw_file_operation)"
             " (rate(tracerd_etw_file_errors_total{@}[$__rate_interval])))",
             "{{process_executable_name}} {{tracerd_etw_file_operation}}"),)),
        Panel("Duration by kind, p99", "s", (
            ("topk(10, histogram_quantile(0.99, sum by (tracerd_etw_file_operation, le)"
             " (rate(tracerd_etw_file_duration_seconds_bucket{@}[$__rate_interval]))))",
             "{{tracerd_etw_file_operation}}"),), description="Exact to a factor of two: buckets are powers of two"),
        Panel("Not matched, not readable, without room", "cps", (
            ("sum(rate(tracerd_etw_file_unmatched_begins_total{@}[$__rate_interval]))", "begins without an end"),
            ("sum(rate(tracerd_etw_file_unmatched_ends_total{@}[$__rate_interval]))", "ends without a begin"),
            ("sum(rate(tracerd_etw_file_unreadable_total{@}[$__rate_interval]))", "unreadable"),
            ("sum(rate(tracerd_etw_file_refused_total{@}[$__rate_interval]))", "no room"))),
    ),
)  # fmt: skip

ETW_NETWORK = Dashboard(
    "etw_network", "tracerd: Windows network", "TCP and UDP of a Windows machine by program",
    "tracerd_etw_network_io_bytes_total",
    (
        number("Bytes a second", "Bps", "sum(rate(tracerd_etw_network_io_bytes_total{@}[$__rate_interval]))"),
        number("Connections opened a second", "cps",
               "sum(rate(tracerd_etw_network_connects_total{@}[$__rate_interval]))"),
        number("Failed attempts, in the range", "short",
               "sum(increase(tracerd_etw_network_failures_total{@}[$__range]))"),
        number("Retransmissions a second", "cps",
               "sum(rate(tracerd_etw_network_retransmits_total{@}[$__rate_interval]))"),
        Panel("Received by program", "Bps", (
            ("topk(10, sum by (process_executable_name, network_transport)"
             ' (rate(tracerd_etw_network_io_bytes_total{@,network_io_direction="receive"}[$__rate_interval])))',
             "{{process_executable_name}} {{network_transport}}"),)),
        Panel("Sent by program", "Bps", (
            ("topk(10, sum by (process_executable_name, network_transport)"
             ' (rate(tracerd_etw_network_io_bytes_total{@,network_io_direction="transmit"}[$__rate_interval])))',
             "{{process_executable_name}} {{network_transport}}"),)),
        Panel("Connections by program", "cps", (
            ("topk(10, sum by (process_executable_name)"
             " (rate(tracerd_etw_network_connects_total{@}[$__rate_interval])))",
             "{{process_executable_name}} opened"),
            ("topk(10, sum by (process_executable_name)"
             " (rate(tracerd_etw_network_accepts_total{@}[$__rate_interval])))",
             "{{process_executable_name}} accepted"))),
        Panel("Not readable, without room", "cps", (
            ("sum(rate(tracerd_etw_network_unreadable_total{@}[$__rate_interval]))", "unreadable"),
            ("sum(rate(tracerd_etw_network_refused_total{@}[$__rate_interval]))", "no room"))),
    ),
)  # fmt: skip

ETW_DNS = Dashboard(
    "etw_dns", "tracerd: Windows DNS", "DNS queries of a Windows machine: who asks, what fails, how long it takes",
    "tracerd_etw_dns_queries_total",
    (
        number("Queries a second", "cps", "sum(rate(tracerd_etw_dns_queries_total{@}[$__rate_interval]))"),
        number("Failures a second", "cps", "sum(rate(tracerd_etw_dns_failures_total{@}[$__rate_interval]))"),
        number("Queries that fail", "percentunit",
               "sum(rate(tracerd_etw_dns_failures_total{@}[$__rate_interval]))"
               " / sum(rate(tracerd_etw_dns_queries_total{@}[$__rate_interval]))"),
        number("p99 of all answers", "s",
               "histogram_quantile(0.99, sum by (le)"
               " (rate(tracerd_etw_dns_duration_seconds_bucket{@}[$__rate_interval])))",
               "Exact to a factor of two: buckets are powers of two"),
        Panel("Queries by program", "cps", (
            ("topk(10, sum by (process_executable_name) (rate(tracerd_etw_dns_queries_total{@}[$__rate_interval])))",
             "{{process_executable_name}}"),)),
        Panel("Failures by program", "cps", (
            ("topk(10, sum by (process_executable_name) (rate(tracerd_etw_dns_failures_total{@}[$__rate_interval])))",
             "{{process_executable_name}}"),)),
        Panel("Answers by status", "cps", (
            ("sum by (tracerd_dns_status) (rate(tracerd_etw_dns_answers_total{@}[$__rate_interval]))",
             "{{tracerd_dns_status}}"),), stacked=True),
        Panel("Queries by type", "cps", (
            ("sum by (tracerd_dns_record_type) (rate(tracerd_etw_dns_queries_total{@}[$__rate_interval]))",
             "{{tracerd_dns_record_type}}"),), stacked=True),
        Panel("Answers without a question, without a time", "cps", (
            ("sum(rate(tracerd_etw_dns_unmatched_total{@}[$__rate_interval]))", "without a question"),
            ("sum(rate(tracerd_etw_dns_overlapped_total{@}[$__rate_interval]))", "asked twice at a time"))),
        Panel("Not readable, without room", "cps", (
            ("sum(rate(tracerd_etw_dns_unreadable_total{@}[$__rate_interval]))", "unreadable"),
            ("sum(rate(tracerd_etw_dns_refused_total{@}[$__rate_interval]))", "no room"),
            ("sum(rate(tracerd_etw_dns_dropped_total{@}[$__rate_interval]))", "records dropped"))),
    ),
)  # fmt: skip
