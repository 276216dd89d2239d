"""Which EnableFlags of a system logger session bring the events of a kernel group. Data only.

Source: EVENT_TRACE_PROPERTIES (EnableFlags) and the MOF classes of "NT Kernel Logger Constants" in MicrosoftDocs/win32.
"""

from __future__ import annotations

from collections.abc import Mapping

PROCESS, THREAD, IMAGE_LOAD = 0x1, 0x2, 0x4
CSWITCH, DPC, INTERRUPT, SYSTEMCALL = 0x10, 0x20, 0x40, 0x80
DISK_IO, DISK_FILE_IO, DISK_IO_INIT, DISPATCHER = 0x100, 0x200, 0x400, 0x800
PAGE_FAULTS, HARD_FAULTS = 0x1000, 0x2000
NETWORK_TCPIP, REGISTRY, PROFILE = 0x10000, 0x20000, 0x1000000
FILE_IO, FILE_IO_INIT = 0x2000000, 0x4000000

THREADS_KNOWN = THREAD | CSWITCH
"""With these the core knows which thread runs where: events of PERFINFO headers name none."""

GROUPS: Mapping[str, int] = {
    "EventTrace": 0,             # every session has its events
    "Process": PROCESS,
    "Thread": THREAD | CSWITCH | DISPATCHER,
    "Image": IMAGE_LOAD,
    "DiskIo": DISK_IO | DISK_IO_INIT,
    "FileIo": DISK_FILE_IO | FILE_IO | FILE_IO_INIT,
    "PageFault": PAGE_FAULTS | HARD_FAULTS,
    "TcpIp": NETWORK_TCPIP,
    "UdpIp": NETWORK_TCPIP,
    "Registry": REGISTRY,
    "PerfInfo": PROFILE | SYSTEMCALL | DPC | INTERRUPT | THREADS_KNOWN,
}
"""What a whole group needs."""

EVENTS: Mapping[tuple[str, int], int] = {
    ("Thread", 1): THREAD, ("Thread", 2): THREAD, ("Thread", 3): THREAD, ("Thread", 4): THREAD,
    ("Thread", 36): CSWITCH, ("Thread", 50): DISPATCHER,
    ("DiskIo", 10): DISK_IO, ("DiskIo", 11): DISK_IO, ("DiskIo", 14): DISK_IO,
    ("DiskIo", 12): DISK_IO_INIT, ("DiskIo", 13): DISK_IO_INIT, ("DiskIo", 15): DISK_IO_INIT,
    ("PageFault", 32): HARD_FAULTS,
    ("PerfInfo", 46): PROFILE,
    ("PerfInfo", 51): SYSTEMCALL | THREADS_KNOWN, ("PerfInfo", 52): SYSTEMCALL | THREADS_KNOWN,
    ("PerfInfo", 66): DPC | THREADS_KNOWN, ("PerfInfo", 68): DPC | THREADS_KNOWN, ("PerfInfo", 69): DPC | THREADS_KNOWN,
    ("PerfInfo", 67): INTERRUPT | THREADS_KNOWN,
}
"""What a single event needs, where that is less than its group; by opcode."""
