"""The command line: one file per command. Formats and prints; everything it shows comes from the rooms below."""
