"""The daemon as a Windows service, through pywin32. **Not run on Windows**: written from its documentation only.

The service control manager starts pywin32's host process, which runs `serve` in a process of its own and ends it with
a console event, as a closed console would. Nothing here is imported on other systems.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib import import_module
from typing import Any

from tracerd.errors import NotSupported, RunError

NAME = "tracerd"
_DISPLAY = "tracerd: verified eBPF programs against this machine's events"
_STOP_SECONDS = 10
_NEW_GROUP = 0x200                       # CREATE_NEW_PROCESS_GROUP: it can be sent CTRL_BREAK without us


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise NotSupported("a Windows service", f"pywin32 is not there ({error}); run: pip install pywin32") from error


def service_class() -> Any:
    """Return the class that pywin32's host runs.

    Raises:
        NotSupported: pywin32 is not installed, or this is not Windows.
    """
    util, win32event, win32service = map(_module, ("win32serviceutil", "win32event", "win32service"))

    class Service(util.ServiceFramework):  # type: ignore[misc, name-defined]    # known only where pywin32 is
        _svc_name_ = NAME
        _svc_display_name_ = _DISPLAY

        def __init__(self, arguments: list[str]) -> None:
            super().__init__(arguments)
            self._ending = win32event.CreateEvent(None, 0, 0, None)

        def SvcStop(self) -> None:  # noqa: N802  pywin32's name
            self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING)
            win32event.SetEvent(self._ending)

        def SvcDoRun(self) -> None:  # noqa: N802  pywin32's name
            child = subprocess.Popen([sys.executable, "-I", "-m", "tracerd.cli", "serve"], creationflags=_NEW_GROUP)
            while child.poll() is None:
                if win32event.WaitForSingleObject(self._ending, 500) == win32event.WAIT_OBJECT_0:
                    _end(child)
            if child.returncode:
                raise RunError("tracerd serve", f"ended with exit code {child.returncode}")

    return Service


def _end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def control(action: str) -> str:
    """Install, remove or ask for the service ("install", "remove", "status"); return what to tell.

    Raises:
        NotSupported: pywin32 is not installed.
        RunError: the service control manager refuses.
    """
    util, win32service = _module("win32serviceutil"), _module("win32service")
    error: type[Exception] = _module("pywintypes").error
    try:
        if action == "install":
            util.InstallService(f"{__name__}.Service", NAME, _DISPLAY, startType=win32service.SERVICE_AUTO_START)
            return f"service {NAME!r} is installed and starts with the machine"
        if action == "remove":
            util.RemoveService(NAME)
            return f"service {NAME!r} is removed"
        return f"service {NAME!r} is in state {util.QueryServiceStatus(NAME)[1]}"
    except error as refusal:
        raise RunError(f"service {NAME!r}", str(refusal)) from refusal


def __getattr__(name: str) -> Any:
    """pywin32's host looks the class up here by its name, in a process of its own."""
    if name == "Service":
        return service_class()
    raise AttributeError(name)
