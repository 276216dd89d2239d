"""tracerd runs verified eBPF programs in user space against the event streams a machine already has."""

__version__ = "0.1.0"
