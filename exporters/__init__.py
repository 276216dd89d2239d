"""Exporters: what a daemon collected, on its way to somebody else.

They see frozen moments (`tracerd.snapshot`) and nothing live; the daemon finds them through the entry-point group
`tracerd.exporters`. An exporter opens nothing before its first export, so that its section can be checked at any time.
"""
