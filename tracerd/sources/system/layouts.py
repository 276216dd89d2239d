"""The core's structs as numpy types, so that a poll's rows and events are columns. Derived from the cffi definitions:
every struct is declared once, in its border header.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tracerd.native import ffi, lib

Rows = npt.NDArray[np.void]
"""A structured array: one of the types below."""

_TASK_BYTES = ffi.sizeof("struct tr_batch_task")


def layout(name: str) -> np.dtype[np.void]:
    """Return a native struct as a numpy type, with its offsets and size."""
    struct: Any = ffi.typeof(name)
    fields: list[tuple[str, Any]] = struct.fields
    return np.dtype({
        "names": [field for field, _ in fields],
        "formats": [_format(told.type) for _, told in fields],
        "offsets": [told.offset for _, told in fields],
        "itemsize": ffi.sizeof(name),
    })


def native(ctype: str, array: npt.NDArray[Any]) -> Any:
    """Return an array's memory as a native one; keep the array."""
    return ffi.from_buffer(ctype, array.data)


def _format(ctype: Any) -> Any:
    """Text becomes zero-padded bytes; a pointer a number, which the core puts in."""
    if ctype.kind == "pointer":
        return "u8"
    if ctype.kind == "array" and ctype.item.cname == "char":
        return f"S{ctype.length}"
    if ctype.kind == "array":
        return (_format(ctype.item), (ctype.length,))
    return ("i" if ctype.cname.startswith("int") else "u") + str(ffi.sizeof(ctype.cname))


def _event(context: str) -> np.dtype[np.void]:
    """An event as it lies in a batch: its task, defined just before it, then header and context."""
    head = layout("struct tr_batch_event")
    return np.dtype([("task_head", head), ("task", layout("struct tr_batch_task")),
                     ("head", head), ("context", layout(context))])


ROW = layout("struct tr_proc_row")
SOCKET = layout("struct tr_proc_socket")
PROCESS = _event("struct tr_process_context")
NET = _event("struct tr_net_context")
SAMPLE = _event("struct tr_sample_context")

UNKNOWN_ID = 65534
"""The kernel's overflow id: an unknown user or group is never 0."""


def blank(kind: np.dtype[np.void], count: int, cpu: int) -> Rows:
    """Return `count` events of nobody, without payload; which event each is, is set by `batch`."""
    events = np.zeros(count, kind)
    events["task_head"]["event"] = lib.TR_BATCH_TASK
    events["task_head"]["context"] = _TASK_BYTES
    events["task"]["uid_gid"] = UNKNOWN_ID << 32 | UNKNOWN_ID
    events["head"]["cpu"] = cpu
    events["head"]["context"] = kind["context"].itemsize
    return events


def take(rows: Rows, places: npt.NDArray[np.intp]) -> Rows:
    """Return some rows, as rows[places] does, only faster."""
    return whole(rows)[places].view(rows.dtype)


def whole(rows: Rows) -> npt.NDArray[np.void]:
    """Return rows without their fields: numpy copies such in one piece each, else field by field."""
    return rows.view(np.dtype((np.void, rows.itemsize)))


def text(value: str, size: int) -> bytes:
    """Return text as a context has it: UTF-8, whole characters, with room for a NUL in `size` bytes."""
    return value.encode(errors="replace")[: size - 1].decode(errors="ignore").encode()
