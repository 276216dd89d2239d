"""One real-time session: started by pywintrace, with every answer of Windows looked at.

pywintrace's own stop is not used: it closes the controller's handle as if it were a consumer's, gives up at the first
provider that cannot be disabled, and waits for its thread for ever.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from tracerd.errors import SourceError, TracerdError
from tracerd.sources.etw.api import Api
from tracerd.sources.etw.buffers import Buffers, Losses
from tracerd.sources.etw.plan import Enable
from tracerd.sources.etw.refusals import CLOSE_PENDING, INSTANCE_NOT_FOUND, SUCCESS, refusal

DRAIN_SECONDS = 10.0
"""How long buffers of a stopped session may take to be delivered, and then a closed one's thread to end."""

_INVALID_HANDLE = 2**64 - 1
_QPC = 1                         # Wnode.ClientContext
_FLUSH_SECONDS = 1               # buffers that are not full are handed over as often


@dataclass(frozen=True, slots=True)
class Reader:
    """Who gets the events: addresses of the callback and of what it is given with each."""

    callback: int
    context: int


class Session:
    """A session of ours. `kernel` ones are for kernel groups. Controlled from one thread at a time."""

    def __init__(self, api: Api, name: str, buffers: Buffers, reader: Reader, *, kernel: bool = False) -> None:
        self.name = name
        self.losses = Losses()
        self.buffer_count = 0
        self.unknown = ""            # why Windows does not say what was lost
        self.stuck = False           # its thread did not end: what it reads into must not be freed
        self._api = api
        self._buffers = buffers
        self._reader = reader
        self._kernel = kernel
        self._guid = uuid4()
        self._job: Any = None
        self._handle: Any = None     # the consumer's
        self._keep: dict[UUID, Any] = {}

    @property
    def what(self) -> str:
        """How errors name it."""
        return f"ETW session {self.name!r}"

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._job is not None

    @property
    def reading(self) -> bool:
        """Whether its events still come: ProcessTrace has not returned."""
        return self._job is not None and self._job.consumer.process_thread.is_alive()

    def start(self, flags: int = 0) -> None:
        """Start it and read from it; a session of its name that a killed process left is stopped. `flags`: EnableFlags.

        Raises:
            NotPermitted, SourceError: Windows refuses; nothing of it is left.
        """
        if self._job is not None:
            return
        self.stop_stale()
        job = self._api.etw.ETW(
            session_name=self.name, properties=self._properties(flags), providers=[], ignore_exists_error=False,
            trace_logfile=self._logfile(),
        )
        try:
            job.start()
        except OSError as error:
            raise refusal(self.what, _code(error), "StartTrace", self.name) from error
        self._job = job
        self._handle = job.consumer.trace_handle
        if self._handle.value in (_INVALID_HANDLE, 0):
            code = int(self._api.system_error())
            self._handle = None
            self.stop()
            raise refusal(f"{self.what}: reading it", code, "OpenTrace", self.name)

    def stop_stale(self) -> None:
        """Stop a session of this name that nobody reads any more.

        Raises:
            NotPermitted, SourceError: there is one, and it cannot be stopped.
        """
        status, _ = self._control(self._api.evntrace.EVENT_TRACE_CONTROL_STOP)
        if status not in (SUCCESS, INSTANCE_NOT_FOUND):
            raise refusal(f"{self.what}: stopping the one that was left over", status, "ControlTrace", self.name)

    def enable(self, wanted: Enable) -> None:
        """Let a provider's events in, or change which.

        Raises:
            NotPermitted, SourceError: Windows refuses this provider.
        """
        parameters = self._filter(wanted.ids)
        self._enable(wanted, self._api.evntrace.EVENT_CONTROL_CODE_ENABLE_PROVIDER, parameters)
        self._keep[wanted.guid] = parameters

    def disable(self, wanted: Enable) -> None:
        """Let a provider's events in no more.

        Raises:
            SourceError: Windows refuses.
        """
        self._enable(wanted, self._api.evntrace.EVENT_CONTROL_CODE_DISABLE_PROVIDER, None)
        self._keep.pop(wanted.guid, None)

    def set_flags(self, flags: int) -> None:
        """Change which kernel groups come.

        Raises:
            NotPermitted, SourceError: Windows refuses.
        """
        status, _ = self._control(self._api.evntrace.EVENT_TRACE_CONTROL_UPDATE, self._properties(flags))
        if status != SUCCESS:
            raise refusal(f"{self.what}: changing its kernel groups", status, "ControlTrace", self.name)

    def poll(self) -> None:
        """Ask Windows what it has lost, and whether it is still there.

        Raises:
            SourceError: nothing comes from it any more.
        """
        status, properties = self._control(self._api.evntrace.EVENT_TRACE_CONTROL_QUERY)
        self.unknown = f"what it lost is not known (ControlTrace: error {status})" if status != SUCCESS else ""
        if status == SUCCESS:
            self._note(properties)
        if status == INSTANCE_NOT_FOUND or not self.reading:
            gone = status == INSTANCE_NOT_FOUND
            why = "somebody stopped it" if gone else "ProcessTrace ended before its time"
            raise SourceError(self.what, f"{why}; no events come any more")

    def stop(self) -> None:
        """Stop it and wait until what is in its buffers has been delivered. May be called at any time, and twice.

        Raises:
            NotPermitted, SourceError: it could not be stopped, or its thread does not end.
        """
        if self._job is None:
            return
        job, self._job = self._job, None
        consumer = job.consumer
        consumer.end_capture.set()               # ProcessTrace is not called again when it returns
        status, properties = self._control(self._api.evntrace.EVENT_TRACE_CONTROL_STOP)
        if status == SUCCESS:
            self._note(properties)
        errors: list[TracerdError] = []
        if status not in (SUCCESS, INSTANCE_NOT_FOUND):
            errors.append(refusal(f"{self.what}: stopping it", status, "ControlTrace", self.name))
        else:
            consumer.process_thread.join(DRAIN_SECONDS)
        errors += self._close_reader(consumer.process_thread)
        self._keep.clear()
        if errors:
            raise errors[0]

    def _close_reader(self, thread: Any) -> list[TracerdError]:
        handle, self._handle = self._handle, None
        errors: list[TracerdError] = []
        if handle is not None:
            status = self._api.evntrace.CloseTrace(handle)
            if status not in (SUCCESS, CLOSE_PENDING):
                errors.append(refusal(f"{self.what}: closing it", status, "CloseTrace", self.name))
        thread.join(DRAIN_SECONDS)
        if thread.is_alive():
            self.stuck = True
            errors.append(SourceError(self.what, "its thread does not end: ProcessTrace does not return"))
        return errors

    def _logfile(self) -> Any:
        """Return the EVENT_TRACE_LOGFILE with our native callback: pywintrace puts its own only where there is none,
        and that one needs memory that is writable and executable, which ACG forbids."""
        calls, modes = self._api.evntrace, self._api.evntcons
        logfile = calls.EVENT_TRACE_LOGFILE()
        logfile.LoggerName = self.name
        logfile.ProcessTraceMode = (
            modes.PROCESS_TRACE_MODE_REAL_TIME
            | modes.PROCESS_TRACE_MODE_EVENT_RECORD
            | modes.PROCESS_TRACE_MODE_RAW_TIMESTAMP
        )
        logfile.EventRecordCallback = ctypes.cast(ctypes.c_void_p(self._reader.callback), calls.EVENT_RECORD_CALLBACK)
        logfile.Context = self._reader.context
        return logfile

    def _properties(self, flags: int) -> Any:
        """Return pywintrace's TraceProperties: times as QPC ticks, a GUID of our own (not the kernel logger's)."""
        sizes = self._buffers
        properties = self._api.etw.TraceProperties(
            ring_buf_size=sizes.kilobytes, min_buffers=sizes.least, max_buffers=sizes.most
        )
        raw = properties.get().contents
        raw.Wnode.ClientContext = _QPC
        raw.Wnode.Guid = self._native_guid(self._guid)
        raw.FlushTimer = _FLUSH_SECONDS
        if self._kernel:
            raw.LogFileMode |= self._api.evntrace.EVENT_TRACE_SYSTEM_LOGGER_MODE
            raw.EnableFlags = flags
        return properties

    def _control(self, code: int, properties: Any = None) -> tuple[int, Any]:
        """Return the status of a ControlTrace of this session's name, and the properties that it filled."""
        properties = properties or self._api.etw.TraceProperties()
        none = self._api.evntrace.TRACEHANDLE(0)
        status = self._api.evntrace.ControlTraceW(none, self.name, properties.get(), code)
        return int(status), properties.get().contents

    def _note(self, raw: Any) -> None:
        self.losses = Losses(int(raw.EventsLost), int(raw.RealTimeBuffersLost), int(raw.LogBuffersLost))
        self.buffer_count = int(raw.NumberOfBuffers)

    def _enable(self, wanted: Enable, code: int, parameters: Any) -> None:
        guid = self._native_guid(wanted.guid)
        status = self._api.evntrace.EnableTraceEx2(
            self._job.provider.session_handle, ctypes.byref(guid), code, wanted.level, wanted.any_keyword, 0, 0,
            parameters.get() if parameters is not None else None,
        )
        if status != SUCCESS:
            raise refusal(f"ETW provider {wanted.name}", int(status), "EnableTraceEx2", self.name)

    def _filter(self, ids: tuple[int, ...]) -> Any:
        """Return parameters that let only these event ids in, or None for all: EVENT_FILTER_EVENT_ID is {u8 in, u8, u16
        count, u16 ids …}. Whoever keeps them keeps the bytes."""
        if not ids:
            return None
        data = ctypes.create_string_buffer(struct.pack(f"<BBH{len(ids)}H", 1, 0, len(ids), *ids))
        descriptor = self._api.evntprov.EVENT_FILTER_DESCRIPTOR(
            ctypes.addressof(data), len(data) - 1, self._api.evntprov.EVENT_FILTER_TYPE_EVENT_ID
        )
        parameters = self._api.etw.ProviderParameters(0, [descriptor])
        parameters.get().contents.SourceId = self._native_guid(self._guid)
        parameters.data = data
        return parameters

    def _native_guid(self, guid: UUID) -> Any:
        return self._api.guid.from_buffer_copy(guid.bytes_le)


def _code(error: OSError) -> int:
    return int(getattr(error, "winerror", None) or error.errno or 0)
