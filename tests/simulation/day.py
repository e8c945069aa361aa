"""Eight hours of the service in a minute: its real code, loop, scheduler, HTTP and files; only the clocks jump.

Run as a process of its own (`python -m tests.simulation.day FOLDER`), because its memory is measured. Prints one JSON
document.
"""

import asyncio
import ctypes
import gc
import json
import os
import random
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine

from connectors.simulators.faults import Fault
from connectors.simulators.livedigital import LivedigitalSimulator
from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from connectors.simulators.serve import serve_in_thread
from daemon.commands.start import toml_table
from daemon.service import Service
from daemon.settings import load
from tests.calendars import Entry, calendar

HOURS = 8
POLL = timedelta(minutes=10)
START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
VENDORS = {"onstream": OnstreamSimulator, "rooms": OpenMeetingsSimulator, "spaces": LivedigitalSimulator}
OUTAGES = ("503_before", "reset_before", "401_once", "429", "hang_before", "garbage")

TABLES = """
[sources.{name}]
type = "ical"
url = "{name}.ics"
poll = "{poll}s"
[routes.{name}]
source = "{name}"
vendor = "{name}"
max_delete_percent = 100
looks = ["5m", "30m"]
"""


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be set forward, together with the wall clock."""

    offset = 0.0

    def time(self) -> float:
        return super().time() + self.offset


class Day:
    """The service, what it looks after, and what is measured."""

    def __init__(self, folder: Path, traveller: Any) -> None:
        self._folder = folder
        self._traveller = traveller
        self._dice = random.Random(8)
        self._sims = {name: kind(username="acme", password="secret") for name, kind in VENDORS.items()}
        self._meetings: dict[str, dict[str, Entry]] = {name: {} for name in VENDORS}
        self._edits = 0
        self.log: list[tuple[float, str, dict[str, Any]]] = []
        self.memory: list[int] = []
        self.outages: list[str] = []

    async def run(self) -> dict[str, Any]:
        with ExitStack() as stack:
            text = '[daemon]\nlisten = "127.0.0.1:0"\ndrift_every = "1h"\n'
            for name, sim in self._sims.items():
                url = stack.enter_context(serve_in_thread(sim.app)).url
                text += toml_table(f"vendors.{name}", sim.table(url)) + '\ntimeout = "300ms"\nsettle = "2s"\n'
                text += TABLES.format(name=name, poll=POLL.total_seconds())
                for _ in range(8):
                    self._edit(name)
            (self._folder / "convener.toml").write_text(text)
            async with Service("json") as service:
                self._listen_in(service)
                await service.start(load(self._folder / "convener.toml"))
                await self._hours(service)
                quiet = await self._the_end(service)
                await service.stop()
        return {"memory": self.memory, "outages": self.outages, "log": self.log, "edits": self._edits, "quiet": quiet}

    async def _hours(self, service: Service) -> None:
        over = 0.0
        for minute in range(HOURS * 60):
            if minute % 60 == 0:
                self._measure()
            if minute % 7 == 0:
                self._edit(self._dice.choice(list(self._sims)))
            if minute % 40 == 10:
                self._break(self._dice.choice(list(self._sims)))
            elif minute % 40 == 30:
                self._mend()
            over += 60.0
            await self._until(service, over)
        self._measure()

    async def _until(self, service: Service, over: float) -> None:
        """Let the service work, and when it has nothing to do, jump to what comes next."""
        while (now := self._now()) < over:
            if service._duty.working():
                await asyncio.wait(service._duty.working(), timeout=0.05)
                continue
            next_run = service._duty.next_run()
            due = over if next_run is None else (next_run - START).total_seconds()
            self._jump(max(0.0, min(due, over, now + 25.0) - now))
            await asyncio.sleep(0.001)

    async def _the_end(self, service: Service) -> int:
        """With all outages over everything is in step: how many requests a further hour costs, but for drift checks."""
        over = HOURS * 3600.0 + 900
        await self._until(service, over)
        before = {name: len(sim.writes) for name, sim in self._sims.items()}
        await self._until(service, over + 3600)
        return sum(len(sim.writes) - before[name] for name, sim in self._sims.items() if name != "rooms")

    def _jump(self, seconds: float) -> None:
        self._traveller.shift(timedelta(seconds=seconds))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        loop.offset += seconds

    def _now(self) -> float:
        return (datetime.now(UTC) - START).total_seconds()

    def _edit(self, name: str) -> None:
        """A new meeting or a new title; what is over goes out of the calendar."""
        now = datetime.now(UTC).replace(microsecond=0)
        meetings = {key: one for key, one in self._meetings[name].items() if one.start > now - timedelta(hours=3)}
        self._edits += 1
        if meetings and self._dice.random() < 0.4:
            key = self._dice.choice(list(meetings))
            meetings[key] = meetings[key].but(title=f"Meeting {name} edit {self._edits}")
        else:
            start = now + timedelta(minutes=self._dice.randrange(30, 600))
            uid = f"{name}-{self._edits}@example.com"
            meetings[uid] = Entry(uid, start, minutes=30, title=f"Meeting {name} {self._edits}")
        self._meetings[name] = meetings
        new = self._folder / f"{name}.new"
        new.write_text(calendar(meetings.values(), now))
        new.rename(self._folder / f"{name}.ics")

    def _break(self, name: str) -> None:
        kind = self._dice.choice(OUTAGES)
        self.outages.append(f"{name}: {kind}")
        self._sims[name].faults.add(Fault(kind, times=10**6, delay=0.4, retry_after=600))

    def _mend(self) -> None:
        for sim in self._sims.values():
            sim.faults.clear()

    def _measure(self) -> None:
        """Resident memory in KiB, with what is free given back first; the stand-ins' own logs do not count."""
        for sim in self._sims.values():
            sim._requests.clear()
        kept, self.log = self.log, []
        self._spill(kept)
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.memory.append(pages * os.sysconf("SC_PAGE_SIZE") // 1024)

    def _spill(self, lines: list[tuple[float, str, dict[str, Any]]]) -> None:
        with (self._folder / "lines.jsonl").open("a") as file:
            file.writelines(json.dumps(line, default=str) + "\n" for line in lines)

    def _listen_in(self, service: Service) -> None:
        told = service.metrics.logged

        def logged(event: str, fields: Any) -> None:
            self.log.append((self._now(), event, dict(fields)))
            told(event, fields)

        service.metrics.logged = logged  # type: ignore[method-assign]


def main(folder: Path) -> None:
    with (
        time_machine.travel(START, tick=True) as traveller,
        asyncio.Runner(loop_factory=JumpingLoop) as runner,
    ):
        day = Day(folder, traveller)
        result = runner.run(day.run())
        day._spill(result.pop("log"))
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
