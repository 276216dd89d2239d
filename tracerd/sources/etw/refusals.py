"""What Windows' error codes mean to somebody who wants a session. Pure."""

from __future__ import annotations

from tracerd.errors import NotPermitted, SourceError, TracerdError

SUCCESS = 0
ACCESS_DENIED = 5
INSUFFICIENT_BUFFER = 122
ALREADY_EXISTS = 183
NOT_FOUND = 1168
PRIVILEGE_NOT_HELD = 1314
NO_SYSTEM_RESOURCES = 1450
INSTANCE_NOT_FOUND = 4201        # ERROR_WMI_INSTANCE_NOT_FOUND: there is no session of that name
CLOSE_PENDING = 7007             # ERROR_CTX_CLOSE_PENDING: success, what is queued is still delivered

PERMITTED = (
    "run tracerd as administrator, or add the user to the group Performance Log Users and sign in again"
    " (kernel groups need an administrator)"
)

_CAUSES = {
    2: "is not known to Windows",
    87: "Windows does not accept its parameters; is this Windows 8.1 or later?",
    ALREADY_EXISTS: "a session of that name exists and cannot be taken over; stop it: logman stop {name} -ets",
    NO_SYSTEM_RESOURCES: (
        "Windows has no room for another session (64, of which 8 may have kernel groups, and the memory for buffers);"
        " see them with: logman query -ets, and stop one with: logman stop NAME -ets"
    ),
    INSTANCE_NOT_FOUND: "the session is gone: somebody stopped it",
}


def refusal(what: str, code: int, call: str, name: str = "") -> TracerdError:
    """Return the error for a call that failed. `what` it was for; `name` of the session."""
    if code in (ACCESS_DENIED, PRIVILEGE_NOT_HELD):
        return NotPermitted(what, PERMITTED)
    cause = _CAUSES.get(code, "Windows refuses it").format(name=name)
    return SourceError(what, f"{cause} ({call}: error {code})")
