"""`python -m tracerd.cli`: the same command where the console script is not on PATH."""

from tracerd.cli.main import main

main()
