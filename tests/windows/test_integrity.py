"""Real ACG and HVCI: what `tracerd policy explain` says is so. Not run on Windows yet."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.windows import need_administrator, needs_windows
from tracerd.vm.facts import ACG, HVCI

pytestmark = needs_windows

LOCKED = """
import ctypes, json
from tracerd.vm.facts import facts_of_this_system
from tracerd.vm.policy import choice_here
facts = facts_of_this_system()
facts.lock()
kernel = ctypes.WinDLL("kernel32", use_last_error=True)
kernel.VirtualAlloc.restype = ctypes.c_void_p
address = kernel.VirtualAlloc(None, ctypes.c_size_t(4096), 0x3000, 0x40)      # PAGE_EXECUTE_READWRITE
print(json.dumps({
    "facts": {fact.name: fact.value for fact in facts.read()},
    "executable": bool(address), "error": ctypes.get_last_error(), "engine": choice_here().engine,
}))
"""

LIVE_UNDER_ACG = """
from tracerd.vm.facts import facts_of_this_system
facts_of_this_system().lock()
from tracerd.native import lib
from tracerd.sources.base import LinkRequest
from tracerd.sources.etw.source import EtwOptions, EtwSource
from tracerd.sources.etw_decoder import EtwDecoder
from tracerd.sources.etw_schemas import EtwSchemas
schemas = EtwSchemas()
decoder = EtwDecoder(schemas, "json")
source = EtwSource(EtwOptions(), 64)
source.open([LinkRequest("etw-kernel:Process", decoder.program, 96)])
while not decoder.counts().events:
    source.pump(100)
source.close()
print("events came")
"""


def said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def run(code: str) -> str:
    return said([sys.executable, "-c", code])


def test_under_acg_no_memory_becomes_executable_and_the_policy_knows() -> None:
    """In a child: there is no way back. Error 1655 is ERROR_DYNAMIC_CODE_BLOCKED."""
    answer = json.loads(run(LOCKED))
    assert answer["facts"][ACG] == "on"
    assert (answer["executable"], answer["error"]) == (False, 1655)
    assert answer["engine"] == "interpreter"


def test_a_live_session_runs_under_acg() -> None:
    """pywintrace's own callback would need a closure; ours is in the core. A kernel session starts with the processes
    that there are (DCStart), so events come by themselves.
    """
    need_administrator()
    assert run(LIVE_UNDER_ACG).strip() == "events came"


def test_hvci_is_told_as_windows_tells_it() -> None:
    """Win32_DeviceGuard.SecurityServicesRunning contains 2 where it runs."""
    question = (
        "(Get-CimInstance -Namespace root\\Microsoft\\Windows\\DeviceGuard -ClassName Win32_DeviceGuard)"
        ".SecurityServicesRunning -contains 2"
    )
    told = said(["powershell", "-NoProfile", "-Command", question])
    facts = json.loads(said([sys.executable, "-m", "tracerd.cli", "policy", "explain", "--json"]))["facts"]
    (value,) = [fact["value"] for fact in facts if fact["name"] == HVCI]
    assert value.startswith("running") == (told.strip() == "True")
