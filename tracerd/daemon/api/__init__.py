"""The control API: HTTP and JSON over a Unix socket. What it may ask for is `host`, where it listens `listen`."""
