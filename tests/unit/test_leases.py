"""Leases on a real PostgreSQL: one owner at a time, whatever freezes, and no write without the lease."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from sync.errors import LeaseLost
from sync.ledger.engine import make_engine
from sync.ledger.leases import PASS, Lease, Leases, fence
from sync.ledger.store import Ledger
from sync.ledger.tables import intents
from tests.unit.builders import NOW, link_of, meeting
from tests.unit.postgresql import Server
from tests.unit.sharing_scene import empty_database

pytestmark = pytest.mark.postgresql

LIFE = timedelta(seconds=30)


@pytest.fixture
async def engine(postgresql_server: Server) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(await empty_database(postgresql_server), LIFE)
    yield engine
    await engine.dispose()


def owner(engine: AsyncEngine, name: str, life: timedelta = LIFE) -> Leases:
    return Leases(engine, name, life)


async def run_out(engine: AsyncEngine) -> None:
    """Let all leases be over now."""
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE leases SET expires_at = clock_timestamp()"))


async def is_ours(engine: AsyncEngine, lease: Lease) -> bool:
    try:
        async with engine.begin() as connection:
            await fence(connection, [lease])
    except LeaseLost:
        return False
    return True


@asynccontextmanager
async def writing(engine: AsyncEngine, lease: Lease) -> AsyncIterator[None]:
    """In the middle of a transaction that writes under the lease."""
    async with engine.begin() as connection:
        await fence(connection, [lease])
        yield


class TestTaking:
    async def test_what_one_has_the_other_does_not_get(self, engine: AsyncEngine) -> None:
        (mine,) = await owner(engine, "a").take(["sales"], PASS, busy=False)
        assert await owner(engine, "b").take(["sales"], PASS, busy=False) == []
        assert await is_ours(engine, mine)

    async def test_it_is_taken_again_by_who_has_it_with_the_same_generation(self, engine: AsyncEngine) -> None:
        first = await owner(engine, "a").take(["sales"], PASS, busy=False)
        assert await owner(engine, "a").take(["sales"], PASS, busy=True) == first

    async def test_each_kind_of_work_on_each_route_is_a_lease_of_its_own(self, engine: AsyncEngine) -> None:
        await owner(engine, "a").take(["sales"], PASS, busy=True)
        assert await owner(engine, "b").take(["sales"], "harvest", busy=True)
        assert await owner(engine, "b").take(['it\'s "so"; DROP TABLE leases'], PASS, busy=True)

    async def test_what_has_run_out_is_taken_over_with_a_new_generation(self, engine: AsyncEngine) -> None:
        (first,) = await owner(engine, "a").take(["sales"], PASS, busy=True)
        await run_out(engine)
        (second,) = await owner(engine, "b").take(["sales"], PASS, busy=True)
        assert second.generation == first.generation + 1
        assert not await is_ours(engine, first)
        assert await is_ours(engine, second)

    async def test_what_was_given_back_is_taken_over_at_once(self, engine: AsyncEngine) -> None:
        a, b = owner(engine, "a"), owner(engine, "b")
        leases = await a.take(["sales"], PASS, busy=True)
        await a.release(leases, "")
        assert not await is_ours(engine, leases[0])
        assert await b.take(["sales"], PASS, busy=True)

    async def test_a_command_takes_it_from_a_service_that_is_idle_and_not_from_one_at_work(
        self, engine: AsyncEngine
    ) -> None:
        service, command = owner(engine, "service"), owner(engine, "command")
        (lease,) = await service.take(["sales"], PASS, busy=False)
        await service.begin(lease)
        assert await command.take(["sales"], PASS, busy=True, from_idle=True) == []
        await service.end(lease)
        assert await command.take(["sales"], PASS, busy=True, from_idle=True)
        assert not await service.begin(lease)

    async def test_no_more_are_taken_than_wanted_and_none_that_has_not_been_free_for_so_long(
        self, engine: AsyncEngine
    ) -> None:
        routes = [f"r{number}" for number in range(10)]
        first = await owner(engine, "a").take(routes, PASS, busy=False, most=3)
        assert len(first) == 3
        assert await owner(engine, "b").take(routes, PASS, busy=False, free_for=timedelta(minutes=1)) == []
        assert len(await owner(engine, "b").take(routes, PASS, busy=False, most=20)) == 7

    async def test_many_that_grab_at_once_get_each_route_once(self, engine: AsyncEngine) -> None:
        routes = [f"r{number}" for number in range(20)]
        grabbing = [owner(engine, f"o{number}").take(routes, PASS, busy=False, most=7) for number in range(8)]
        taken = [lease.route for leases in await asyncio.gather(*grabbing) for lease in leases]
        assert len(taken) == len(set(taken))


class TestRenewing:
    async def test_it_prolongs_what_is_ours_and_tells_what_is_lost(self, engine: AsyncEngine) -> None:
        a, b = owner(engine, "a"), owner(engine, "b")
        leases = await a.take(["one", "two"], PASS, busy=False)
        await run_out(engine)
        (lost,) = await b.take(["two"], PASS, busy=False)
        assert {lease.route for lease in await a.renew([])} == {"one"}
        assert await b.take(["one"], PASS, busy=False) == []
        assert {s.lease.owner for s in await b.standings() if s.live} == {"a", "b"}
        assert lost.generation == next(lease for lease in leases if lease.route == "two").generation + 1

    async def test_it_says_which_are_at_work(self, engine: AsyncEngine) -> None:
        service, command = owner(engine, "service"), owner(engine, "command")
        await service.take(["one", "two"], PASS, busy=True)
        await service.renew(["two"])
        taken = await command.take(["one", "two"], PASS, busy=True, from_idle=True)
        assert [lease.route for lease in taken] == ["one"]

    async def test_it_waits_for_no_write_and_no_write_waits_for_it(self, engine: AsyncEngine) -> None:
        a = owner(engine, "a")
        (lease,) = await a.take(["sales"], PASS, busy=True)
        async with asyncio.timeout(5), writing(engine, lease):
            assert await a.renew(["sales"]) == {lease}
            async with writing(engine, lease):
                assert await a.renew(["sales"]) == {lease}

    async def test_one_row_that_somebody_holds_on_to_does_not_hold_up_the_others(self, engine: AsyncEngine) -> None:
        a = owner(engine, "a")
        await a.take(["one", "two"], PASS, busy=False)
        async with asyncio.timeout(5), engine.begin() as connection:
            await connection.execute(text("SELECT FROM leases WHERE route = 'one' FOR UPDATE"))
            assert {lease.route for lease in await a.renew([])} == {"two"}

    async def test_postgresqls_clock_alone_counts(self, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        for hours in (-5, 5):
            monkeypatch.setattr("time.time", lambda hours=hours: 1_800_000_000 + hours * 3600)
            a = owner(engine, f"a{hours}")
            (lease,) = await a.take([f"r{hours}"], PASS, busy=False)
            await a.renew([])
            await a.begin(lease)
            async with engine.connect() as connection:
                query = "SELECT expires_at - clock_timestamp() FROM leases WHERE route = :route"
                left = (await connection.execute(text(query), {"route": lease.route})).scalar_one()
            assert LIFE - timedelta(seconds=10) < left <= LIFE


class TestFencing:
    async def test_an_intent_under_a_lost_lease_is_not_written(self, engine: AsyncEngine) -> None:
        (lease,) = await owner(engine, "a").take(["sales"], PASS, busy=True)
        zombie = Ledger(engine).under(lease)
        link = link_of(meeting())
        await zombie.open_intent(link, "update", NOW)
        await run_out(engine)
        await owner(engine, "b").take(["sales"], PASS, busy=True)
        with pytest.raises(LeaseLost, match='taken over route "sales"'):
            await zombie.open_intent(link, "cancel", NOW)
        with pytest.raises(LeaseLost):
            await zombie.mails.release()
        async with engine.connect() as connection:
            assert (await connection.execute(select(intents.c.action))).scalars().all() == ["update"]

    async def test_nobody_takes_over_before_the_write_is_committed_and_nobody_waits_for_that(
        self, engine: AsyncEngine
    ) -> None:
        a, b = owner(engine, "a"), owner(engine, "b")
        (lease,) = await a.take(["sales"], PASS, busy=True)
        async with asyncio.timeout(5):
            async with writing(engine, lease):
                await run_out(engine)
                assert await b.take(["sales"], PASS, busy=True) == []
                await a.release([lease], "")  # the transaction is an abandoned one
                assert await b.take(["sales"], PASS, busy=True) == []
            assert await b.take(["sales"], PASS, busy=True)

    async def test_a_write_waits_for_a_takeover_that_is_going_on_and_then_is_refused(self, engine: AsyncEngine) -> None:
        (lease,) = await owner(engine, "a").take(["sales"], PASS, busy=True)
        await run_out(engine)
        async with engine.begin() as taking:
            locked = "SELECT FROM leases WHERE route = 'sales' FOR UPDATE SKIP LOCKED"
            await taking.execute(text(locked))
            await taking.execute(text("UPDATE leases SET owner = 'b', generation = generation + 1"))
            asked = asyncio.create_task(is_ours(engine, lease))
            await asyncio.wait([asked], timeout=0.3)
            assert not asked.done()
        assert not await asked

    async def test_work_on_several_routes_needs_all_their_leases(self, engine: AsyncEngine) -> None:
        a = owner(engine, "a")
        leases = await a.take(["one", "two", "three"], PASS, busy=True)
        together = Ledger(engine).under(*leases)
        await together.installation()
        await a.release(leases[1:2], "")
        with pytest.raises(LeaseLost, match=leases[1].route):
            await together.save_link(link_of(meeting()), NOW)
        await Ledger(engine).under(leases[0], leases[2]).save_link(link_of(meeting()), NOW)

    async def test_writes_of_one_route_wait_for_no_other(self, engine: AsyncEngine) -> None:
        leases = await owner(engine, "a").take(["one", "two"], PASS, busy=True)
        one, two = (Ledger(engine).under(lease) for lease in leases)
        async with asyncio.timeout(5), one._db.write():
            await two.save_link(link_of(meeting()), NOW)


class TestFreezing:
    async def test_a_transaction_that_nobody_goes_on_with_is_ended_by_the_server_in_half_a_lease(
        self, engine: AsyncEngine
    ) -> None:
        short = make_engine(engine.url.render_as_string(hide_password=False), timedelta(seconds=1))
        a, b = owner(engine, "a"), owner(engine, "b")
        (lease,) = await a.take(["sales"], PASS, busy=True)
        await run_out(engine)
        frozen = await short.connect()
        await fence(frozen, [lease])
        assert await b.take(["sales"], PASS, busy=True) == []
        async with asyncio.timeout(5):
            while not await b.take(["sales"], PASS, busy=True):
                await asyncio.sleep(0.05)
        with pytest.raises(SQLAlchemyError):
            await frozen.execute(select(1))
        await frozen.close()
        await short.dispose()

    async def test_who_waits_for_such_a_lock_gets_it(self, engine: AsyncEngine) -> None:
        short = make_engine(engine.url.render_as_string(hide_password=False), timedelta(seconds=1))
        ledger = Ledger(short)
        frozen = await short.connect()
        await frozen.begin()
        await frozen.execute(text("LOCK TABLE meta IN EXCLUSIVE MODE"))
        async with asyncio.timeout(5):
            assert await ledger.installation()
        await frozen.invalidate()
        await frozen.close()
        await short.dispose()


@pytest.mark.parametrize("seed", range(6))
async def test_there_are_never_two_owners_whatever_happens(engine: AsyncEngine, seed: int) -> None:
    chance = random.Random(seed)
    owners = [owner(engine, name) for name in ("a", "b", "c")]
    held: dict[str, Lease] = {}
    given: set[Lease] = set()
    over = False
    for _ in range(60):
        one = chance.choice(owners)
        match chance.choice(["take", "take", "command", "renew", "release", "run out", "end", "begin"]):
            case "take":
                for lease in await one.take(["sales"], PASS, busy=chance.random() < 0.5):
                    before = held.get("sales")
                    assert before is None or over or before.owner == one.owner
                    held["sales"], over = lease, False
                    given.add(lease)
            case "command":
                for lease in await one.take(["sales"], PASS, busy=True, from_idle=True):
                    held["sales"], over = lease, False
                    given.add(lease)
            case "renew":
                renewed = await one.renew(["sales"])
                assert renewed <= {lease for lease in held.values() if lease.owner == one.owner}
                over = over and not renewed
            case "release" if "sales" in held and held["sales"].owner == one.owner:
                await one.release([held.pop("sales")], "")
            case "run out":
                await run_out(engine)
                over = True
            case "begin" if given:
                lease = chance.choice(sorted(given, key=lambda lease: lease.generation))
                began = await Leases(engine, lease.owner, LIFE).begin(lease)
                assert began == (held.get("sales") == lease)
                over = over and not began
            case "end" if given:
                lease = chance.choice(sorted(given, key=lambda lease: lease.generation))
                await Leases(engine, lease.owner, LIFE).end(lease)
        ours = [lease for lease in given if await is_ours(engine, lease)]
        assert ours == list(held.values())
    generations = [lease.generation for lease in given]
    assert len(generations) == len(set(generations))
    async with engine.connect() as connection:
        number = select(func.count()).select_from(text("leases"))
        assert (await connection.execute(number)).scalar_one() == 1
