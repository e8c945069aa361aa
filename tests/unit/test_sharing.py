"""Several processes on a real PostgreSQL: who works on which route."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sync.errors import LeaseLost, LockTaken
from tests.unit.builders import NOW, link_of, meeting
from tests.unit.postgresql import Server
from tests.unit.sharing_scene import SHORT, Line, Process, at_once, empty_database, processes, until

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


class TestServices:
    async def test_they_divide_the_routes_evenly_and_each_says_so_in_few_lines(self, url: str) -> None:
        async with processes(url, 3) as made:
            for one in made:
                await one.sharing.start(ROUTES)
            await until(lambda: [len(one.ours) for one in made] == [2, 2, 2])
            await all_ours(*made)
            await asyncio.sleep(LIFE)
            assert [len(one.ours) for one in made] == [2, 2, 2]
            for one in made:
                assert all(one.sharing.holds(route) == (route in one.ours) for route in ROUTES)
                assert len(one.log) <= 6
            names = {one.sharing.owner(min(one.ours)) for one in made}
            assert all({one.sharing.owner(route) for route in ROUTES} == names for one in made)

    async def test_one_that_stops_leaves_its_routes_to_the_others_at_once(self, url: str) -> None:
        async with processes(url, 2) as (one, other):
            await one.sharing.start(ROUTES)
            await other.sharing.start(ROUTES)
            await until(lambda: len(one.ours) == len(other.ours) == 3)
            await one.sharing.stop()
            one.ours.clear()
            assert await until(lambda: len(other.ours) == 6) < 0.8 * LIFE

    async def test_the_routes_of_one_that_died_are_taken_over_within_two_leases(self, url: str) -> None:
        async with processes(url, 2) as (one, other):
            dying = Process(url)
            for service in (dying, one, other):
                await service.sharing.start(ROUTES)
            await until(lambda: [len(service.ours) for service in (dying, one, other)] == [2, 2, 2])
            await dying.crash()
            assert await all_ours(one, other) < 2 * LIFE

    async def test_they_are_taken_over_also_by_one_that_is_at_work_all_the_time(self, url: str) -> None:
        async with processes(url, 1) as (one,):
            dying = Process(url)
            await dying.sharing.start(ROUTES)
            await until(lambda: len(dying.ours) == 6)
            await one.sharing.start(ROUTES)
            await until(lambda: len(one.ours) == 3)
            route = min(one.ours)
            async with one.sharing.at_work(route) as held:
                await dying.crash()
                assert await all_ours(one) < 2 * LIFE
                assert held.lost() is None

    async def test_other_routes_than_the_others_are_looked_after_whole(self, url: str) -> None:
        async with processes(url, 2) as (one, other):
            await one.sharing.start(ROUTES)
            await other.sharing.start(["more", *ROUTES])
            await until(lambda: len(one.ours) + len(other.ours) == 7 and "more" in other.ours)

    async def test_a_new_configuration_lets_go_of_what_it_does_not_name(self, url: str) -> None:
        async with processes(url, 2) as (one, other):
            await one.sharing.start(["a", "b", "c"])
            await until(lambda: one.ours == {"a", "b", "c"})
            async with one.sharing.at_work("a"):
                await one.sharing.start(["b", "d"])
                await until(lambda: "d" in one.ours)
                async with other.sharing.at_work("c", patience=0):
                    pass
                with pytest.raises(LockTaken):
                    async with other.sharing.at_work("a", patience=0):
                        pytest.fail("two at once")
            async with other.sharing.at_work("a", patience=0):
                pass
            assert one.sharing.holds("b")
            assert "lease.lost" not in one.events()

    async def test_a_hint_reaches_who_has_the_route_and_nobody_else(self, url: str) -> None:
        async with processes(url, 3) as (one, other, outside):
            await one.sharing.start(ROUTES)
            await other.sharing.start(ROUTES)
            await until(lambda: len(one.ours) == len(other.ours) == 3)
            await outside.sharing.tell(ROUTES, "a hook said so")
            await one.sharing.tell(ROUTES, "again")
            await until(lambda: len(one.looks) == 6 and len(other.looks) == 6)
            await asyncio.sleep(0.1)
            for service in (one, other):
                assert set(service.looks) == {(r, why) for r in service.ours for why in ("a hook said so", "again")}
                assert len(service.looks) == 6


class TestWork:
    async def test_two_are_never_at_work_on_one_route(self, url: str) -> None:
        inside: set[str] = set()
        times = 0

        async def work(one: Process, route: str) -> None:
            nonlocal times
            async with one.sharing.at_work(route, patience=20):
                assert route not in inside
                inside.add(route)
                await asyncio.sleep(0.01)
                inside.remove(route)
                times += 1

        async with processes(url, 4, 10 * SHORT) as made:
            await made[0].sharing.start(["a", "b"])
            async with asyncio.timeout(30):
                await asyncio.gather(*(work(one, route) for one in made for route in "abab"))
        assert times == 16

    async def test_a_command_takes_the_route_of_an_idle_service_at_once_and_gives_it_back(self, url: str) -> None:
        async with processes(url, 2) as (service, command):
            await service.sharing.start(["sales"])
            await until(lambda: service.ours)
            began = time.monotonic()
            async with command.sharing.at_work("sales", patience=0) as held:
                assert time.monotonic() < began + 1
                await held.ledger.save_link(link_of(meeting()), NOW)
                assert await until(lambda: not service.ours) < 0.8 * LIFE
                with pytest.raises(LockTaken, match=command.sharing.owner("sales")):
                    async with service.sharing.at_work("sales", patience=0):
                        pytest.fail("two at once")
            assert await until(lambda: service.ours) < 0.8 * LIFE
            assert service.events() == ["lease.gained", "lease.given", "lease.gained"]
            async with service.sharing.at_work("sales", patience=0) as held:
                await held.ledger.save_link(link_of(meeting()), NOW)

    async def test_a_command_waits_for_a_service_that_is_at_work(self, url: str) -> None:
        async with processes(url, 2) as (service, command):
            await service.sharing.start(["sales"])
            await until(lambda: service.ours)
            async with service.sharing.at_work("sales") as held:
                with pytest.raises(LockTaken, match='working on route "sales"'):
                    async with command.sharing.at_work("sales", patience=0.3):
                        pytest.fail("two at once")
                waiting = asyncio.create_task(self._once(command))
                await asyncio.sleep(LIFE)  # longer than a lease: it is renewed while the work goes on
                assert not waiting.done()
                assert held.lost() is None
                await held.ledger.save_link(link_of(meeting()), NOW)
            await at_once(waiting)

    async def _once(self, one: Process) -> None:
        async with one.sharing.at_work("sales", patience=10):
            pass

    async def test_a_command_that_lasts_keeps_its_route(self, url: str) -> None:
        async with processes(url, 2) as (service, command):
            await service.sharing.start(["a", "b"])
            async with command.sharing.all_at_work(["b", "a"]) as held:
                await asyncio.sleep(1.5 * LIFE)
                await held.ledger.save_link(link_of(meeting()), NOW)
                assert held.lost() is None
                assert len(held.leases) == 2
            await until(lambda: service.ours == {"a", "b"})

    async def test_fetching_artifacts_is_a_work_of_its_own(self, url: str) -> None:
        async with processes(url, 2) as (one, other):
            await one.sharing.start(["sales"])
            await until(lambda: one.ours)
            async with one.sharing.at_work("sales", "harvest", 0), one.sharing.at_work("sales", "pass", 0):
                with pytest.raises(LockTaken):
                    async with other.sharing.at_work("sales", "harvest", 0):
                        pytest.fail("two at once")
            async with other.sharing.at_work("sales", "harvest", 0):
                pass

    async def test_the_loss_of_a_lease_is_told_by_itself_from_however_deep(self, url: str) -> None:
        async with processes(url, 1) as (one,):
            with pytest.raises(LeaseLost, match="deep"):
                async with one.sharing.at_work("sales"), asyncio.TaskGroup() as outer:
                    outer.create_task(self._lose())
            with pytest.raises(ValueError, match="a defect"):
                async with one.sharing.at_work("sales"):
                    raise ValueError("a defect")

    async def _lose(self) -> None:
        async with asyncio.TaskGroup() as inner:
            inner.create_task(self._lost())

    async def _lost(self) -> None:
        raise LeaseLost("deep")

    async def test_what_is_still_going_on_when_the_process_stops_may_not_write_any_more(self, url: str) -> None:
        async with processes(url, 1) as (one,):
            await one.sharing.start(["sales"])
            async with one.sharing.at_work("sales") as held:
                await one.sharing.stop()
                assert held.lost()
                with pytest.raises(LeaseLost):
                    await held.ledger.save_link(link_of(meeting()), NOW)
