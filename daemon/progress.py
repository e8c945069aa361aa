"""Progress bars on a terminal's stderr while a pass goes on; silent elsewhere."""

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from daemon.render import printable
from sync.change import Change


class PassProgress:
    """The bars of one route's pass: first its steps, then the artifacts that are fetched."""

    def __init__(self, route: str) -> None:
        console = Console(stderr=True)
        silent = not console.is_terminal
        text, bar = TextColumn("{task.description}", markup=False), BarColumn()
        self._steps = Progress(text, bar, MofNCompleteColumn(), console=console, transient=True, disable=silent)
        self._step = self._steps.add_task(route, total=None)
        self._bytes = Progress(text, bar, DownloadColumn(), console=console, transient=True, disable=silent)
        self._files: dict[str, TaskID] = {}

    def __enter__(self) -> "PassProgress":
        return self

    def __exit__(self, *_: object) -> None:
        self._steps.stop()
        self._bytes.stop()

    def on_plan(self, steps: int) -> None:
        """So many steps are coming."""
        if steps:
            self._steps.update(self._step, total=steps)
            self._steps.start()

    def on_step(self, _change: Change) -> None:
        """One step is over."""
        self._steps.advance(self._step)

    def on_bytes(self, name: str, done: int, total: int | None) -> None:
        """So many bytes of an artifact have come, of `total` if that is known."""
        if name not in self._files:
            self._steps.stop()  # one set of bars at a time
            self._bytes.start()
            self._files[name] = self._bytes.add_task(printable(name), total=total)
        self._bytes.update(self._files[name], completed=done, total=total)
