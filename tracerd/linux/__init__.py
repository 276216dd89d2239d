"""Thin wrappers of Linux calls: tracefs, memory protection, perf limits, CPUs. The only place with raw Linux calls."""
