"""`python -m daemon`, the same as `convener`."""

from daemon.cli import main

main()
