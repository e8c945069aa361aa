"""Real convener processes for tests, forked from a server that has the modules loaded: quick to start and to kill."""

import json
import multiprocessing
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.system.preload"])


@dataclass(frozen=True)
class Done:
    """What a finished command left behind."""

    code: int | None
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]


def start(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> BaseProcess:
    """`convener ARGUMENTS` in `folder`, as a process of its own; output goes to `stdout.txt` and `stderr.txt`."""
    process = _context.Process(target=_convener, args=(str(folder), arguments, dict(env or {})))
    process.start()
    return process


def convener(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
    """Run a command to its end."""
    process = start(folder, *arguments, env=env)
    process.join(60)
    assert process.exitcode is not None, "the command did not end"
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("stdout.txt", "stderr.txt")]
    return Done(process.exitcode, *texts)


def _convener(folder: str, arguments: tuple[str, ...], env: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.update(env)
    for number, name in ((1, "stdout.txt"), (2, "stderr.txt")):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
    sys.argv = ["convener", *arguments]
    from daemon.cli import main

    main()
