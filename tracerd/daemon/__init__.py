"""The daemon: what keeps probes running, who may ask it for what, and the client that asks.

`aiohttp` stays in here. `client` and `columns` are for the other side too and import neither it nor the engines.
"""
