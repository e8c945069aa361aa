"""Where a demonstration is played: a temporary folder, a console, and the real commands run as a person would."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

Step = tuple[str, list[str], int]
"""What is said before a command, the command, and the exit code that it is to have."""


@dataclass
class Stage:
    """`servers` count the requests that each server got so far, by its name."""

    folder: Path
    out: Console
    servers: Mapping[str, Callable[[], int]] = field(default_factory=dict)

    def tell(self, words: str) -> None:
        """Say what comes."""
        self.out.print()
        self.out.print(Rule(characters="─", style="dim"))
        self.out.print(Text(words, style="bold"))

    def show(self, line: str, style: str = "dim") -> None:
        """One line as it stands somewhere."""
        self.out.print(Text(f"  {line}", style=style), soft_wrap=True)

    def play(self, *steps: Step) -> bool:
        """Run the commands one after another; whether all ended as announced."""
        return all(self._ends_as_announced(*step) for step in steps)

    def convener(self, *arguments: str, stdout: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the demonstration's folder."""
        environment = {**os.environ, "COLUMNS": str(self.out.width)}
        environment.pop("CONVENER_CONFIG", None)
        if self.out.is_terminal:
            environment["FORCE_COLOR"] = "1"
        return subprocess.run(  # noqa: S603
            [sys.executable, "-m", "daemon", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def _ends_as_announced(self, words: str, arguments: list[str], expected: int) -> bool:
        self.tell(words)
        self.out.print(Text(f"$ convener {' '.join(arguments)}", style="bold green"))
        before = {name: requests() for name, requests in self.servers.items()}
        self.out.file.flush()
        given = arguments if arguments[0] == "vendors" else [*arguments, "--log-format", "text"]
        done = self.convener(*given, stdout=self.out.file)
        asked = ", ".join(f"{name} {requests() - before[name]}" for name, requests in self.servers.items())
        self.out.print(Text(f"(exit {done.returncode}; requests: {asked})", style="dim"), soft_wrap=True)
        if done.returncode != expected:
            self.out.print(Text(f"This should have ended with exit {expected}:\n{done.stderr}", style="bold red"))
        return done.returncode == expected


@contextmanager
def stage(*, keep: bool, on_stderr: bool) -> Iterator[Stage]:
    """A stage in a folder of its own, which is removed at the end unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="convener-demo-"))
    try:
        yield Stage(folder, Console(stderr=on_stderr, highlight=False, markup=False, emoji=False))
    finally:
        if keep:
            sys.stderr.write(f"The demo's folder: {folder}\n")
        else:
            shutil.rmtree(folder)
