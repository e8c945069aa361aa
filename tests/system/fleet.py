"""Several real services on one PostgreSQL: many routes, some stand-ins, and who has what by the database's word."""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url

from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from connectors.simulators.serve import serve_in_thread
from daemon.commands.start import toml_table
from tests.calendars import Entry, calendar
from tests.system.process import convener, start

HEAD = """\
database = "{database}"
[daemon]
listen = ""
lease = "{lease}s"
drain = "5s"
"""

ROUTE = """\
[sources.{name}]
type = "ical"
url = "{feed}"
poll = "{poll}s"
[routes.{name}]
source = "{name}"
vendor = "{vendor}"
max_delete_percent = 100
"""


def onstream_titles(sim: Any) -> Counter[str]:
    return Counter(session.topic for session in sim.sessions.values())


def openmeetings_titles(sim: Any) -> Counter[str]:
    return Counter(room.name for room in sim.rooms.values() if not room.deleted and room.name.startswith("Meeting"))


TITLES: dict[type, Callable[[Any], Counter[str]]] = {
    OnstreamSimulator: onstream_titles,
    OpenMeetingsSimulator: openmeetings_titles,
}


@dataclass
class Member:
    """One service of the fleet, in a folder of its own."""

    folder: Path
    process: BaseProcess | None = None
    frozen: bool = False

    @property
    def pid(self) -> int:
        assert self.process is not None
        assert self.process.pid is not None
        return self.process.pid

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        log = self.folder / "stderr.txt"
        if log.exists():  # each life's log is kept
            log.rename(self.folder / f"stderr-{time.monotonic_ns()}.txt")
        self.process = start(self.folder, "run", "--config", str(self.folder.parent / "convener.toml"))

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.join()
        self.frozen = False

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        if self.frozen:
            os.kill(self.pid, signal.SIGCONT)
            self.frozen = False

    @property
    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("stderr*.txt")))


@dataclass
class Fleet:
    """`wanted` are the meetings of each route; `vendors` the stand-ins by name."""

    folder: Path
    database: str
    lease: float
    vendors: dict[str, Any]
    routes: dict[str, str]
    members: list[Member]
    wanted: dict[str, dict[str, Entry]] = field(default_factory=dict)

    def publish(self, route: str) -> None:
        """Write a route's calendar as an editor would: a new file in place of the old."""
        text = calendar(self.wanted[route].values(), datetime.now(UTC))
        new = self.folder / "feeds" / f"{route}.new"
        new.write_text(text)
        new.rename(self.folder / "feeds" / f"{route}.ics")

    def differences(self) -> dict[str, str]:
        """What the vendors hold otherwise than the calendars say, by vendor."""
        found = {}
        for name, sim in self.vendors.items():
            wanted = Counter(
                e.title for route, meetings in self.wanted.items() if self.routes[route] == name
                for e in meetings.values()
            )  # fmt: skip
            held = TITLES[type(sim)](sim)
            if held != wanted:
                found[name] = f"too many: {dict(held - wanted)}, lacking: {dict(wanted - held)}"
        return found

    async def owners(self, connection: Any) -> dict[str, int]:
        """The process (pid) that looks after each route now, by the database; expired leases are left out."""
        rows = await connection.fetch("SELECT route, owner FROM leases WHERE work = 'pass' AND expires_at > now()")
        return {row["route"]: int(row["owner"].split(":")[1]) for row in rows if re.search(r":\d+:", row["owner"])}

    async def connect(self) -> Any:
        url = make_url(self.database)
        return await asyncpg.connect(
            host=url.query["host"], user=url.username, password=url.password, database=url.database
        )


@contextmanager
def a_fleet(folder: Path, database: str, *, members: int, routes: int, lease: float, poll: float) -> Iterator[Fleet]:
    """A fleet that is not started yet; at the end whatever still runs is killed."""
    (folder / "feeds").mkdir()
    with ExitStack() as stack:
        kinds = {"onstream1": OnstreamSimulator, "onstream2": OnstreamSimulator, "rooms": OpenMeetingsSimulator}
        sims = {name: kind(username="acme", password="secret") for name, kind in kinds.items()}
        text = HEAD.format(database=database, lease=lease)
        for name, sim in sims.items():
            url = stack.enter_context(serve_in_thread(sim.app)).url
            text += toml_table(f"vendors.{name}", sim.table(url)) + '\ntimeout = "3s"\nsettle = "2s"\n'
        fleet = Fleet(folder, database, lease, sims, {}, [Member(folder / f"member{n}") for n in range(members)])
        first = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        for number in range(routes):
            name, vendor = f"r{number:02d}", list(sims)[number % len(sims)]
            text += ROUTE.format(name=name, feed=folder / "feeds" / f"{name}.ics", poll=poll, vendor=vendor)
            fleet.routes[name] = vendor
            fleet.wanted[name] = {
                f"m{n}": Entry(f"{name}-{n}@example.com", first + timedelta(hours=3 * n), title=f"Meeting {name} {n}")
                for n in range(3)
            }
            fleet.publish(name)
        (folder / "convener.toml").write_text(text)
        upgraded = convener(folder, "db", "upgrade")
        assert upgraded.code == 0, upgraded.err
        try:
            yield fleet
        finally:
            for member in fleet.members:
                if member.process is not None:
                    member.kill()
