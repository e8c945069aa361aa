"""A small world for tests: a calendar file, a vendor's stand-in over real loopback HTTP, a real ledger on disk.

Every pass opens the installation anew, as a process of its own would; only time is moved by hand.
"""

import asyncio
import atexit
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.serve import serve_in_thread
from daemon.commands.start import toml_table
from daemon.database import open_ledger
from daemon.settings import Settings, load
from daemon.wiring import Installation, installation
from sync.change import Change
from sync.ledger.records import Link
from sync.model import MeetingKey
from sync.reconcile import Options
from sync.report import RouteReport
from tests.calendars import Entry, calendar
from tests.clock import ManualClock

CONFIG = """\
[sources.sales]
type = "ical"
url = "{feed}"
{source}
{table}
{vendor}
[routes.sales]
source = "sales"
vendor = "main"
{route}
"""


@cache
def _empty_ledger() -> Path:
    """A ledger as the first use makes it, made once for all worlds of this process."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

    async def make() -> None:
        async with open_ledger(f"sqlite:///{folder}/convener.db"):
            pass

    thread = threading.Thread(target=lambda: asyncio.run(make()))  # there may be a loop in this one
    thread.start()
    thread.join()
    return folder / "convener.db"


class World:
    """`entries` is the calendar; change it and call `reconcile`. The vendor is Onstream unless it is said."""

    def __init__(self, folder: Path, simulator: Any, url: str) -> None:
        self.folder = folder
        self.sim = simulator
        self.url = url
        self.clock = ManualClock()
        self.entries: dict[str, Entry] = {}
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.feed = "sales.ics"
        shutil.copy(_empty_ledger(), folder / "convener.db")
        self.configure()

    def configure(self, vendor: str = 'timeout = "500ms"\nsettle = "2s"', route: str = "", source: str = "") -> None:
        """Write the configuration; `vendor`, `route` and `source` are further lines of their tables."""
        table = toml_table("vendors.main", self.sim.table(self.url))
        text = CONFIG.format(feed=self.feed, table=table, vendor=vendor, route=route, source=source)
        (self.folder / "convener.toml").write_text(text)

    @property
    def settings(self) -> Settings:
        return load(self.folder / "convener.toml")

    def publish(self, text: str | bytes | None = None) -> None:
        """Write the calendar file: the entries, or some text instead."""
        content = calendar(self.entries.values(), self.clock.now()) if text is None else text
        (self.folder / "sales.ics").write_bytes(content if isinstance(content, bytes) else content.encode())

    async def open(self, use: Any, *, locked: bool = False) -> Any:
        """Run `use(installation)` in a fresh installation with our clock and log."""
        async with installation(self.settings, log_format="json", locked=locked) as inside:
            inside.clock, inside.log = self.clock, self._log
            return await use(inside)

    async def reconcile(self, *, publish: bool = True, **options: Any) -> RouteReport:
        """One pass, the calendar published before."""
        if publish:
            self.publish()
        given = Options(**options)

        async def use(inside: Installation) -> RouteReport:
            async with inside.working("sales") as reconciler:
                report = await reconciler.run(given)
            async with inside.working("sales", "harvest") as reconciler:
                return await reconciler.harvest(report, given)

        report: RouteReport = await self.open(use, locked=not given.writes)
        return report

    async def plan(self) -> RouteReport:
        return await self.reconcile(mode="plan")

    async def links(self) -> dict[str, Link]:
        async def use(inside: Installation) -> list[Link]:
            return await inside.ledger.links("sales")

        return {str(link.key): link for link in await self.open(use)}

    def key(self, name: str) -> MeetingKey:
        return MeetingKey("sales", self.entries[name].uid)

    def topics(self) -> list[str]:
        """Titles at the vendor, foreign ones left out."""
        return sorted(session.topic for session in self.sim.sessions.values() if not session.foreign)

    def doubled_invitees(self) -> list[str]:
        """Addresses that stand twice in a session."""
        found = []
        for ref in self.sim.sessions:
            counts = Counter(invitee.email.lower() for invitee in self.sim.invitees(ref))
            found += [f"{ref}: {email}" for email, number in counts.items() if number > 1]
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.log if event == name]

    def _log(self, event: str, /, **fields: Any) -> None:
        self.log.append((event, fields))


W = TypeVar("W", bound=World)


def results(report: RouteReport) -> dict[str, int]:
    """How many steps by "action result"."""
    return dict(Counter(f"{change.action.value} {change.result.value}" for change in report.changes))


def find(report: RouteReport, **wanted: str) -> Change:
    """The one step with these values (action, key …). Raises ValueError when there is not exactly one."""
    found = [c for c in report.changes if all(str(getattr(c, name)) == value for name, value in wanted.items())]
    (change,) = found
    return change


@contextmanager
def a_world(
    folder: Path, make: Callable[..., Any] = OnstreamSimulator, *, world: type[W] = World, **options: Any
) -> Iterator[W]:
    """A world with its vendor being served."""
    simulator = make(username="acme", password="secret", **options)
    with serve_in_thread(simulator.app) as served:
        yield world(folder, simulator, served.url)
