"""Live ETW sessions of Windows. pywintrace has the calls and structs and starts a session; its events go to a callback
in the core (`native/src/etw_live.c`), never to Python. What pywintrace does not check is checked here, and what of it
does harm is not used (docs/etw-live.md lists both).

`plan` is pure: what attach names mean to a session. `api` is the only door to the package `etw`. `session` is one
session, `sessions` those that a source has, `source` the event source, `tdh` asks Windows for schemas. Not run on
Windows so far: everything here is tested against a stand-in of Windows' calls (tests/sources/etw_shim.py).
"""
