"""Profiles: which providers, with which keywords and level, answer a question. Named once, for `events`, `record` and
live sessions. Data only.

Keywords are those of the published manifests. A level is EnableTraceEx2's: 4 information, 5 verbose; 0 is all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Want:
    """Events of one provider (`keyword` 0: all), or with `kernel` of a kernel group by its name."""

    name: str
    guid: str = ""               # of a provider that is none of ours
    keyword: int = 0
    level: int = 0
    kernel: bool = False
    live: bool = True            # False: Windows lets no session but the event log's own have it


_PROCESS = (
    Want("Microsoft-Windows-Kernel-Process", keyword=0x10 | 0x40, level=4),          # processes, images
    Want("Process", kernel=True),
    Want("Image", kernel=True),
)
_NETWORK = (
    Want("Microsoft-Windows-Kernel-Network", keyword=0x10 | 0x20, level=4),          # IPv4, IPv6
    Want("TcpIp", kernel=True),
    Want("UdpIp", kernel=True),
)
_DNS = (Want("Microsoft-Windows-DNS-Client", level=4),)
_POWERSHELL = (Want("Microsoft-Windows-PowerShell", level=5),)                       # script blocks are verbose

PROFILES: Mapping[str, tuple[Want, ...]] = {
    "process": _PROCESS,
    "file": (
        # names, I/O, ends of operations, create, read, write, delete, rename, new files
        Want("Microsoft-Windows-Kernel-File", keyword=0x1FF0, level=4),
        Want("FileIo", kernel=True),
        Want("DiskIo", kernel=True),
    ),
    "network": _NETWORK,
    "dns": _DNS,
    "dotnet": (
        # collections, loader, compiler, contention, exceptions, threads
        Want("Microsoft-Windows-DotNETRuntime", keyword=0x1 | 0x8 | 0x10 | 0x4000 | 0x8000 | 0x10000, level=4),
    ),
    "powershell": _POWERSHELL,
    "security": (
        *_PROCESS,
        *_NETWORK,
        *_DNS,
        *_POWERSHELL,
        Want("Microsoft-Antimalware-Scan-Interface", "2a576b87-09a7-520e-c21a-4942f0271d67"),
        Want("Microsoft-Windows-WMI-Activity", "1418ef04-b0b4-4623-bf7e-d74ab47bbdaa"),
        Want("Microsoft-Windows-Security-Auditing", "54849625-5478-4994-a5ba-3e3b0328c30d", live=False),
    ),
}
