"""One login for many calls: how often the server is asked, whatever it answers."""

import asyncio

import pytest

from connectors.login import Login, NotUnderstood
from sync.errors import CredentialsRefused, OutsideError, Unreachable


class Door:
    """Gives keys, or raises the errors first."""

    def __init__(self, *errors: OutsideError) -> None:
        self.errors = list(errors)
        self.asked = 0
        self.now = 0.0

    async def enter(self) -> str:
        self.asked += 1
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        return f"key-{self.asked}"

    def clock(self) -> float:
        return self.now


async def test_many_calls_at_once_cost_one_login() -> None:
    door = Door()
    login = Login(door.enter)
    assert await asyncio.gather(*(login.key() for _ in range(20))) == ["key-1"] * 20


async def test_a_refusal_is_asked_for_once() -> None:
    door = Door(*[CredentialsRefused("no")] * 9)
    login = Login(door.enter)
    for _ in range(5):
        with pytest.raises(CredentialsRefused, match="no"):
            await login.key()
    assert door.asked == 1


@pytest.mark.parametrize("tries", [1, 2])
async def test_an_answer_that_nobody_understands_is_asked_for_so_often_and_no_more(tries: int) -> None:
    door = Door(*[NotUnderstood("a page")] * 9)
    login = Login(door.enter, tries=tries)
    for _ in range(5):
        with pytest.raises(Unreachable, match="a page"):
            await login.key()
    assert door.asked == tries


async def test_no_answer_is_no_refusal() -> None:
    door = Door(*[Unreachable("down")] * 4)
    login = Login(door.enter)
    for _ in range(4):
        with pytest.raises(Unreachable):
            await login.key()
    assert await login.key() == "key-5"


async def test_a_fresh_login_forgives_and_another_one_leaves_the_key_in_use() -> None:
    door = Door(CredentialsRefused("no"), CredentialsRefused("no"))
    login = Login(door.enter)
    with pytest.raises(CredentialsRefused):
        await login.key()
    with pytest.raises(CredentialsRefused):
        await login.afresh()
    assert await login.another(after_all=True) == "key-3"
    assert await login.key() == "key-4"
    assert await login.another() == "key-5"
    assert login.known == "key-4"


async def test_a_stale_key_is_replaced_once_by_all_who_found_it_stale() -> None:
    door = Door()
    login = Login(door.enter)
    old = await login.key()
    assert set(await asyncio.gather(*(login.key(old) for _ in range(5)))) == {"key-2"}
    login.forget("key-1")
    assert login.known == "key-2"
    login.forget("key-2")
    assert await login.key() == "key-3"


async def test_a_key_runs_out_by_age_or_by_idleness() -> None:
    door = Door()
    aging = Login(door.enter, lasts=10, clock=door.clock)
    idle = Login(door.enter, idle=10, clock=door.clock)
    first = (await aging.key(), await idle.key())
    for door.now in (6.0, 9.0):
        assert (await aging.key(), await idle.key()) == first
    door.now = 12.0
    assert await aging.key() != first[0], "given 12 s ago"
    assert await idle.key() == first[1], "used 3 s ago"
    door.now = 22.0
    assert await idle.key() != first[1]
