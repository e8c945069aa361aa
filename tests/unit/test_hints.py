"""What processes tell each other: understood when it is ours, ignored when it is anything else."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hints import LONGEST_WHY, MOST_ROUTES, Hint, notices, read
from daemon.leasing import FREE
from tests.unit.postgresql import Server
from tests.unit.sharing_scene import Process, empty_database, processes, until

HOSTILE = [
    "",
    "null",
    "[]",
    "{",
    "[" * 7000,
    '{"free": 1}',
    '{"look": "sales", "why": "x"}',
    '{"look": ["sales"]}',
    '{"look": [1, null, {}], "why": "x"}',
    '{"look": ["sales"], "why": {"a": 1}}',
    json.dumps({"look": ["r"] * (MOST_ROUTES + 1), "why": ""}),
    '{"look": {"sales": 1}, "why": "x"}',
    "'; DROP TABLE leases; --",
    "9" * 5000,
]


@pytest.mark.parametrize("notice", HOSTILE)
def test_what_we_do_not_say_is_nothing(notice: str) -> None:
    assert read(notice) is None


@given(st.text())
def test_anything_at_all_can_be_read(notice: str) -> None:
    assert read(notice) is None or isinstance(read(notice), Hint)


def nested(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(values) | st.dictionaries(st.sampled_from(["free", "look", "why"]), values)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), nested))
def test_any_json_can_be_read(told: object) -> None:
    hint = read(json.dumps(told))
    assert hint is None or all(isinstance(route, str) for route in hint.routes)


@given(st.lists(st.text(max_size=100), max_size=200), st.text(max_size=1000))
def test_what_is_told_arrives_in_notices_that_postgresql_takes(routes: list[str], why: str) -> None:
    told = list(notices(routes, why))
    assert all(len(notice.encode()) < 8000 and notice.isascii() for notice in told)
    hints = [hint for notice in told if (hint := read(notice))]
    assert [route for hint in hints for route in hint.routes] == routes
    assert {hint.why for hint in hints} <= {why[:LONGEST_WHY]}


def test_that_something_is_free_is_understood() -> None:
    assert read(FREE) == Hint(free=True)


@pytest.mark.postgresql
class TestOnTheWire:
    @pytest.fixture
    async def service(self, postgresql_server: Server) -> AsyncIterator[tuple[Process, Server]]:
        async with processes(await empty_database(postgresql_server), 1) as (one,):
            await one.sharing.start(["sales"])
            await until(lambda: one.ours)
            yield one, postgresql_server

    async def test_hostile_notices_disturb_nobody(self, service: tuple[Process, Server]) -> None:
        one, _ = service
        await one.sharing._leases.tell(*HOSTILE, '{"look": ["sales", "other"], "why": "after all that"}')
        await until(lambda: one.looks)
        assert one.looks == [("sales", "after all that")]
        assert one.ours == {"sales"}
        assert one.events() == ["lease.gained"]

    async def test_a_flood_is_survived_at_its_own_pace(self, service: tuple[Process, Server]) -> None:
        one, _ = service
        asked = 0
        standings = one.sharing._leases.standings

        async def counted() -> object:
            nonlocal asked
            asked += 1
            return await standings()

        one.sharing._leases.standings = counted  # type: ignore[method-assign, assignment]
        began = asyncio.get_running_loop().time()
        for _ in range(20):
            await one.sharing._leases.tell(*[FREE] * 50)
        await one.sharing._leases.tell('{"look": ["sales"], "why": "x"}')
        await until(lambda: one.looks)
        assert asked <= (asyncio.get_running_loop().time() - began) / 0.1 + 2
        assert one.sharing.holds("sales")
