"""Recordings of our own, `.trec`: format, writing, reading, and the source that replays them. Format: docs/trec.md."""
