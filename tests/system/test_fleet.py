"""Three services on one PostgreSQL, killed and frozen at random: nothing is doubled, nothing is lost, and what one
leaves behind is taken over in time."""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.simulators.faults import Fault
from tests.system.fleet import Fleet, Member, a_fleet
from tests.unit.postgresql import a_server

SECONDS = float(os.environ.get("CONVENER_FLEET_SECONDS", "60"))
SEED = int(os.environ.get("CONVENER_FLEET_SEED", "5"))
ROUTES, MEMBERS = 40, 3
LEASE, POLL = 5.0, 10.0
SLACK = 1.0
"""Seconds that the observer itself may be late on a machine that is busy."""

pytestmark = [pytest.mark.postgresql, pytest.mark.kills, pytest.mark.timeout(300)]


@pytest.fixture
def database() -> Iterator[str]:
    """An empty database on a server of this test's own, which is busy."""
    try:
        with a_server(connections=150) as server:
            yield server.new_database()
    except RuntimeError as error:
        pytest.skip(f"no PostgreSQL server: {error}")


async def test_three_services_under_kills_and_freezes_double_nothing_and_lose_nothing(
    tmp_path: Path, database: str
) -> None:
    dice = random.Random(SEED)
    with a_fleet(tmp_path, database, members=MEMBERS, routes=ROUTES, lease=LEASE, poll=POLL) as fleet:
        for member in fleet.members:
            member.start()
        watch = Watch(fleet)
        watching = asyncio.create_task(watch.run())
        await until(lambda: not fleet.differences(), 60, fleet)
        over = time.monotonic() + SECONDS
        editing = asyncio.create_task(edit(fleet, dice, over))
        troubles = await trouble(fleet, watch, dice, over)
        await editing
        for member in fleet.members:
            member.thaw()
        took = await until(lambda: not fleet.differences(), 90, fleet)
        await asyncio.sleep(LEASE)  # a frozen call that was let go late would show by now
        assert fleet.differences() == {}
        watching.cancel()
        gaps = watch.gaps()
        print(f"seed {SEED}: {dict(troubles)}, {len(gaps)} routes taken over, slowest after {max(gaps):.1f} s "
              f"of a lease of {LEASE:g} s; in step {took:.1f} s after the last edit")  # fmt: skip
        assert len(gaps) >= ROUTES / MEMBERS, "the troubles must have cost leases, or nothing was tested"
        assert max(gaps) <= 2 * LEASE + SLACK
        log = "".join(member.log for member in fleet.members)
        assert '"run.failed"' not in log
        assert '"meeting.defect"' not in log


class Watch:
    """Looks all the time who has which route, and how long the routes of a process that was killed or frozen are
    without another one."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.owners: dict[str, int] = {}
        self._waiting: dict[str, tuple[int, float]] = {}
        self._gaps: list[float] = []

    async def run(self) -> None:
        connection = await self._fleet.connect()
        try:
            while True:
                self.owners = await self._fleet.owners(connection)
                for route, (pid, since) in list(self._waiting.items()):
                    if self.owners.get(route, pid) != pid:
                        self._gaps.append(time.monotonic() - since)
                        del self._waiting[route]
                await asyncio.sleep(0.1)
        finally:
            await connection.close()

    def struck(self, pid: int) -> None:
        """That process gives no sign of life from now on."""
        for route, owner in self.owners.items():
            if owner == pid:
                self._waiting[route] = (pid, time.monotonic())

    def back(self, pid: int) -> None:
        """It does again: what it may still have is not waited for."""
        self._waiting = {route: one for route, one in self._waiting.items() if one[0] != pid}

    def gaps(self) -> list[float]:
        """Seconds; a route that nobody has taken over counts as long as it has waited."""
        now = time.monotonic()
        return self._gaps + [now - since for _, since in self._waiting.values()]


async def edit(fleet: Fleet, dice: random.Random, over: float) -> None:
    """Somebody changes calendars all the time, and the vendors have their small troubles."""
    number = 0
    while time.monotonic() < over:
        number += 1
        route = dice.choice(list(fleet.routes))
        meetings = fleet.wanted[route]
        name = dice.choice(list(meetings))
        match dice.randrange(4):
            case 0:
                late = meetings[name]
                new = late.but(uid=f"{route}-new{number}@example.com", title=f"Meeting {route} new{number}")
                meetings[f"new{number}"] = new
            case 1 if len(meetings) > 2:
                del meetings[name]
            case _:
                meetings[name] = meetings[name].but(title=f"Meeting {route} {name} edit{number}")
        fleet.publish(route)
        if number % 10 == 0:
            kind = dice.choice(["reset_after", "500_after", "hang_after", "reset_before"])
            sim = fleet.vendors[dice.choice(list(fleet.vendors))]
            sim.faults.add(Fault(kind, method=dice.choice(["POST", "PUT", "*"]), delay=0.5))
        await asyncio.sleep(dice.uniform(0.05, 0.25))


async def trouble(fleet: Fleet, watch: Watch, dice: random.Random, over: float) -> Counter[str]:
    """Kill or freeze one after the other, or two at a time; one is always well."""
    happened: Counter[str] = Counter()

    async def strike(member: Member) -> None:
        pid = member.pid
        if dice.random() < 0.5:
            happened["killed"] += 1
            member.kill()
            watch.struck(pid)
            await asyncio.sleep(dice.uniform(0, 2.5 * LEASE))
            member.start()
        else:
            happened["frozen"] += 1
            member.freeze()
            watch.struck(pid)
            await asyncio.sleep(dice.uniform(1.2, 2.5) * LEASE)
            member.thaw()
            watch.back(pid)

    while time.monotonic() < over:
        victims = dice.sample(fleet.members, k=dice.choice([1, 1, 2]))
        await asyncio.gather(*(strike(member) for member in victims))
        await asyncio.sleep(dice.uniform(0, LEASE))
    return happened


async def until(holds: Callable[[], bool], patience: float, fleet: Fleet) -> float:
    """How long it took, in seconds; fails when it takes longer than `patience`."""
    began = time.monotonic()
    while not holds():
        waited = time.monotonic() - began
        assert waited < patience, f"after {waited:.0f} s: {fleet.differences()}\n{fleet.members[0].log[-3000:]}"
        await asyncio.sleep(0.2)
    return time.monotonic() - began
