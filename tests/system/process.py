"""Real convener processes for tests, forked from a server that has the modules loaded: quick to start and to kill."""

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.system.preload"])


def start(folder: Path, *arguments: str) -> BaseProcess:
    """`convener ARGUMENTS` in `folder`, as a process of its own; output goes to `output.log`."""
    process = _context.Process(target=_convener, args=(str(folder), arguments))
    process.start()
    return process


def _convener(folder: str, arguments: tuple[str, ...]) -> None:
    os.chdir(folder)
    output = os.open("output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["convener", *arguments]
    from daemon.cli import main

    main()
