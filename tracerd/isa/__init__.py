"""The instruction set: RFC 9669 as tables, and the four ways between bytes, instructions and text.

Pure: same bytes in, same answer out, on any OS. Knows nothing of maps, helpers or program types.
"""
