"""The daemon: what keeps probes running, tells of them, and lets nobody in."""
