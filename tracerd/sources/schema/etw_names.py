"""Names of ETW providers, kernel groups and their events. Data only: facts of published manifests and MOF classes.

Sources: "NT Kernel Logger Constants" and the MOF class pages of MicrosoftDocs/win32 (class GUIDs, event types);
phnt ntwmi.h (EVENT_TRACE_GROUP_*, by hook); the Microsoft-Windows-Kernel-Process manifest (event ids).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Provider:
    """A manifest provider. `events` maps an event's name to its id."""

    name: str
    guid: str
    events: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KernelGroup:
    """A group of kernel events. `group` is the high byte of its hooks, `guid` its MOF class, `events` opcodes."""

    name: str
    group: int
    guid: str
    events: Mapping[str, int] = field(default_factory=dict)


_RUNDOWN = {"Start": 1, "End": 2, "DCStart": 3, "DCEnd": 4}

KERNEL_GROUPS = (
    KernelGroup("EventTrace", 0x00, "68fdd900-4a3e-11d1-84f4-0000f80464e3", {"Header": 0}),
    KernelGroup("DiskIo", 0x01, "3d6fa8d4-fe05-11d0-9dda-00c04fd7ba7c", {"Read": 10, "Write": 11, "Flush": 14}),
    KernelGroup("PageFault", 0x02, "3d6fa8d3-fe05-11d0-9dda-00c04fd7ba7c"),
    KernelGroup("Process", 0x03, "3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c", {**_RUNDOWN, "Defunct": 39}),
    KernelGroup("FileIo", 0x04, "90cbdc39-4a3e-11d1-84f4-0000f80464e3"),
    KernelGroup("Thread", 0x05, "3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c", {**_RUNDOWN, "CSwitch": 36}),
    KernelGroup("TcpIp", 0x06, "9a280ac0-c8e0-11d1-84e2-00c04fb998a2", {"Send": 10, "Recv": 11, "Connect": 12}),
    KernelGroup("UdpIp", 0x08, "bf3a50c5-a9c9-4988-a005-2df0b7c80f80", {"Send": 10, "Recv": 11}),
    KernelGroup("Registry", 0x09, "ae53722e-c863-11d2-8659-00c04fa321a1"),
    KernelGroup("PerfInfo", 0x0F, "ce1dbfb4-137e-4da6-87b0-3f59aa102cbc", {"SysClEnter": 51, "SysClExit": 52}),
    KernelGroup(
        "Image", 0x14, "2cb15d1d-5fc1-11d2-abe1-00a0c911f518", {"Unload": 2, "DCStart": 3, "DCEnd": 4, "Load": 10}
    ),
    KernelGroup("StackWalk", 0x18, "def2fe46-7bd6-4b80-bd94-f57fe20d0ce3", {"Stack": 32}),
)

PROVIDERS = (
    Provider(
        "Microsoft-Windows-Kernel-Process",
        "22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716",
        {
            "ProcessStart": 1, "ProcessStop": 2, "ThreadStart": 3, "ThreadStop": 4, "ImageLoad": 5, "ImageUnload": 6,
            "ProcessRundown": 15,
        },
    ),
    Provider("Microsoft-Windows-Kernel-Network", "7dd42a49-5329-4832-8dfd-43d979153a88"),
    Provider("Microsoft-Windows-Kernel-File", "edd08927-9cc4-4e65-b970-c2560fb5c289"),
    Provider("Microsoft-Windows-Kernel-Registry", "70eb4f03-c1de-4f73-a051-33d13d5413bd"),
    Provider("Microsoft-Windows-DNS-Client", "1c95126e-7eea-49a9-a3fe-a378b03ddb4d"),
    Provider("Microsoft-Windows-TCPIP", "2f07e2ee-15db-40f1-90ef-9d7ba282188a"),
    Provider("Microsoft-Windows-PowerShell", "a0c1853b-5c40-4b15-8766-3cf1c58f985a"),
    Provider("Microsoft-Windows-DotNETRuntime", "e13c0d23-ccbc-4e12-931b-d9cc2eee27e4"),
    Provider("Microsoft-Windows-DotNETRuntimeRundown", "a669021c-c450-4609-a035-5af59af4df18"),
    Provider("Microsoft-Windows-RPC", "6ad52b32-d609-4be9-ae07-ce8dae937e39"),
    Provider("Microsoft-Windows-PktMon", "4d4f80d9-c8bd-4d73-bb5b-19c90402c5ac"),
    Provider("Microsoft-Windows-NDIS-PacketCapture", "2ed6006e-4729-4609-b423-3ee7bcd678ef"),
)
