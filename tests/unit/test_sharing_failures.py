"""Several processes on a real PostgreSQL that freeze, die, or cannot reach it: two never work on one route."""

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from daemon import leasing
from daemon.settings import DaemonSettings
from sync.errors import LeaseLost, LedgerError
from tests.calendars import Entry
from tests.clock import START
from tests.unit.builders import NOW, link_of, meeting
from tests.unit.postgresql import Server
from tests.unit.sharing_scene import SHORT, Line, Process, at_once, child, empty_database, processes, until
from tests.world import World

pytestmark = pytest.mark.postgresql

ROUTES = [f"r{number}" for number in range(6)]
LIFE = SHORT.total_seconds()


@pytest.fixture
async def url(postgresql_server: Server) -> str:
    return await empty_database(postgresql_server)


@pytest.fixture
async def line(postgresql_server: Server, tmp_path: Path) -> AsyncIterator[Line]:
    async with Line(postgresql_server, tmp_path).open() as line:
        yield line


async def all_ours(*made: Process) -> float:
    """Wait until each route is looked after by exactly one of them."""
    return await until(lambda: sorted(route for one in made for route in one.ours) == ROUTES)


class TestFrozen:
    async def test_a_frozen_process_loses_its_route_and_knows_it_before_it_writes(self, url: str) -> None:
        async with processes(url, 1) as (one,):
            with child(url, "sales") as frozen:
                frozen.send_signal(signal.SIGSTOP)
                await one.sharing.start(["sales"])
                assert await until(lambda: one.ours) < 2 * LIFE
                assert frozen.stdin
                assert frozen.stdout
                frozen.stdin.write("go on\n")
                frozen.stdin.flush()
                frozen.send_signal(signal.SIGCONT)
                assert await at_once(asyncio.to_thread(frozen.stdout.readline)) == "lost\n"
                assert await at_once(asyncio.to_thread(frozen.stdout.readline)) == "LeaseLost\n"
            async with one.sharing.at_work("sales", patience=0):
                pass

    async def test_one_that_was_not_frozen_for_long_goes_on(self, url: str) -> None:
        async with processes(url, 1) as (one,):
            with child(url, "sales", lease=10 * SHORT) as frozen:
                frozen.send_signal(signal.SIGSTOP)
                await one.sharing.start(["sales"])
                await asyncio.sleep(LIFE)
                assert not one.ours
                assert frozen.stdin
                assert frozen.stdout
                frozen.stdin.write("go on\n")
                frozen.stdin.flush()
                frozen.send_signal(signal.SIGCONT)
                assert await at_once(asyncio.to_thread(frozen.stdout.readline)) == "ours\n"
                assert await at_once(asyncio.to_thread(frozen.stdout.readline)) == "written\n"

    async def test_one_that_is_frozen_inside_of_a_transaction_holds_nobody_up(self, url: str) -> None:
        async with processes(url, 1) as (one,):
            with child(url, "sales", "inside") as frozen:
                frozen.send_signal(signal.SIGSTOP)
                assert frozen.stdin
                assert frozen.stdout
                frozen.stdin.write("go on\n")
                frozen.stdin.flush()
                await one.sharing.start(["sales"])
                assert await until(lambda: one.ours) < 2 * LIFE
                async with one.sharing.at_work("sales", patience=0) as held:
                    await held.ledger.installation()
                frozen.send_signal(signal.SIGCONT)
                assert await at_once(asyncio.to_thread(frozen.stdout.readline)) == "LeaseLost\n"

    async def test_a_killed_command_keeps_its_route_no_longer_than_two_leases(self, url: str) -> None:
        async with processes(url, 1) as (one,):
            with child(url, "sales") as killed:
                killed.kill()
                async with one.sharing.at_work("sales", patience=2 * LIFE):
                    pass


class TestTheWayToTheServer:
    async def test_a_silent_server_costs_the_lease_here_before_another_gets_it(self, url: str, line: Line) -> None:
        async with processes(url, 1) as (other,), processes(line.url(url), 1) as (one,):
            await one.sharing.start(["sales"])
            await until(lambda: one.ours)
            async with one.sharing.at_work("sales") as held:
                await other.sharing.start(["sales"])
                line.silent = True
                taken = asyncio.create_task(until(lambda: other.ours))
                while not taken.done():
                    gone = held.lost()
                    await asyncio.sleep(0.01)
                    assert gone or not other.ours
                assert await taken < 2 * LIFE
                assert "could not be renewed" in str(held.lost())
                await until(lambda: not one.ours)
                line.silent = False
            await until(lambda: "sharing.recovered" in one.events())
            assert not one.sharing.holds("sales")
            assert one.events("sharing.failed", "sharing.recovered") == ["sharing.failed", "sharing.recovered"]
            await other.sharing.stop()
            await until(lambda: one.ours)

    async def test_broken_connections_are_made_anew_and_nothing_is_lost(self, url: str, line: Line) -> None:
        async with processes(line.url(url), 1) as (one,), processes(url, 1) as (other,):
            await one.sharing.start(["sales"])
            await until(lambda: one.ours)
            for _ in range(3):
                line.cut()
                await asyncio.sleep(LIFE / 4)
                assert one.sharing.holds("sales")
            while not one.looks:  # hints that nobody hears are lost: until it listens again
                await other.sharing.tell(["sales"], "hook")
                await asyncio.sleep(0.05)
            assert one.events("lease.lost") == []

    async def test_a_server_that_lets_nobody_listen_is_shared_all_the_same(self, url: str, line: Line) -> None:
        line.refuses_listen = True
        async with processes(line.url(url), 2, 4 * SHORT) as (one, other):  # busy machines answer late
            await one.sharing.start(ROUTES)
            await other.sharing.start(ROUTES)
            await until(lambda: len(one.ours) == len(other.ours) == 3)
            assert one.events("sharing.failed") == ["sharing.failed"]
            assert "hints" in dict(one.log)["sharing.failed"]["reason"]
            line.refuses_listen = False
            await until(lambda: "sharing.recovered" in one.events())

    async def test_what_could_not_be_given_back_is_later(self, url: str, line: Line) -> None:
        async with processes(line.url(url), 1, 5 * SHORT) as (one,), processes(url, 1) as (other,):
            await one.sharing.start(["sales"])
            await until(lambda: one.ours)
            async with one.sharing.at_work("sales", "harvest"):
                line.silent = True
            line.silent = False
            async with other.sharing.at_work("sales", "harvest", patience=10):
                pass

    async def test_hints_while_the_server_is_away_are_no_error(self, url: str, line: Line) -> None:
        async with processes(line.url(url), 1) as (one,):
            await one.sharing.start(["sales"])
            await until(lambda: one.ours)
            line.silent = True
            await at_once(one.sharing.tell(["sales", "other"], "hook"))
            assert one.looks == [("sales", "hook")]
            line.silent = False

    async def test_what_cannot_begin_without_the_database_says_so(self, url: str, line: Line) -> None:
        async with processes(line.url(url), 1) as (one,):
            line.silent = True
            with pytest.raises(LedgerError, match="the database cannot be used"):
                async with one.sharing.at_work("sales"):
                    pytest.fail("without the database")
            line.silent = False

    async def test_a_server_that_was_restarted_is_used_again_by_all(self, url: str, postgresql_server: Server) -> None:
        async with processes(url, 2) as (one, other):
            await one.sharing.start(ROUTES)
            await other.sharing.start(ROUTES)
            await until(lambda: len(one.ours) == len(other.ours) == 3)
            await one.ledger.installation()
            await asyncio.to_thread(postgresql_server.restart)
            await one.ledger.save_link(link_of(meeting()), NOW)
            await until(lambda: not one.sharing._leasing.trouble._parts and not other.sharing._leasing.trouble._parts)
            await all_ours(one, other)
            await asyncio.sleep(LIFE / 3)
            await until(lambda: {route for one in (one, other) for route in one.ours} == set(ROUTES))
            route = min(other.ours)
            await until(lambda: not one.looks)
            await one.sharing.tell([route], "hook")
            await until(lambda: other.looks == [(route, "hook")])


async def test_a_machine_that_slept_knows_it_before_it_asks(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    later = 0.0
    real = leasing.boottime
    monkeypatch.setattr(leasing, "boottime", lambda: real() + later)
    async with processes(url, 1, 20 * SHORT) as (one,), one.sharing.at_work("sales") as held:
        assert held.lost() is None
        later = 20 * LIFE * 0.89
        assert held.lost() is None
        later = 20 * LIFE * 0.91
        assert held.lost()


async def test_a_database_that_is_not_there_is_told_without_its_password() -> None:
    async with processes("postgresql://user:secret@127.0.0.1:1/db", 1) as (one,):
        with pytest.raises(LedgerError, match="the database cannot be used") as caught:
            async with one.sharing.at_work("sales"):
                pytest.fail("without a database")
        assert "secret" not in str(caught.value)
        await one.sharing.tell(["sales"], "hook")


async def test_a_pass_that_loses_its_lease_ends_before_the_next_write_to_the_vendor(
    world: World, url: str, postgresql_server: Server
) -> None:
    text = (world.folder / "convener.toml").read_text()
    (world.folder / "convener.toml").write_text(f'database = "{url}"\n{text}')
    world.entries = {f"m{n}": Entry(f"m{n}@example.com", START + timedelta(hours=30 + n)) for n in range(12)}
    database = url.partition("@/")[2].partition("?")[0]
    steps = 0

    def taken_over(_change: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            postgresql_server.sql("UPDATE leases SET owner = 'another', generation = generation + 1", database)

    with pytest.raises(LeaseLost, match='taken over route "sales"'):
        await world.reconcile(on_step=taken_over)
    made = len(world.topics())
    assert 3 <= made < 12
    assert int(postgresql_server.sql("SELECT count(*) FROM intents", database)) < 12
    postgresql_server.sql("UPDATE leases SET owner = ''", database)
    await world.reconcile()
    assert (await world.reconcile()).exit() == 0
    assert len(world.topics()) == 12


def test_a_lease_lasts_a_second_at_least() -> None:
    assert DaemonSettings.model_validate({"lease": "1s"}).lease == timedelta(seconds=1)
    with pytest.raises(ValueError, match="at least 1s"):
        DaemonSettings.model_validate({"lease": "999ms"})
