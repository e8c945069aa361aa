"""Personal links at rest: sealed, opened again, sealed anew under another key, dropped when the key is lost."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from daemon.database import open_engine, open_ledger, upgrade
from sync.errors import LedgerError
from sync.ledger.engine import make_engine
from sync.ledger.sealing import CHECK, RESIDUE
from sync.ledger.store import Ledger
from sync.ledger.vault import PREFIX, Vault
from tests.unit.builders import JON, MARA, NOW, link_of, meeting
from tests.unit.postgresql import Server
from tests.unit.test_vault import JONS, NEW, OLD, OTHER

TOKEN = "tok3n"
MARAS = f"https://vendor.example/go/{TOKEN}-of-mara"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database at the newest schema with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/convener.db"
    server: Server = request.getfixturevalue("postgresql_server")
    made = server.new_database()
    async with open_engine(made) as engine:
        await upgrade(engine)
    return made


@asynccontextmanager
async def opened(url: str, *keys: str, locked: bool = False) -> AsyncIterator[Ledger]:
    """The ledger as a process with these keys has it."""
    async with open_ledger(url, keys) as ledger:
        await ledger.open_vault(seal=not locked)
        yield ledger


async def save(ledger: Ledger, jons: str | None = JONS, maras: str | None = MARAS) -> None:
    link = link_of(meeting(participants=(JON, MARA)))
    people = zip(link.invitees, (jons, maras), strict=True)
    kept = tuple(replace(p, personal_link=url, link_for="digest" if url else "") for p, url in people)
    await ledger.save_link(replace(link, invitees=kept), NOW)


async def shown(ledger: Ledger) -> dict[str, str | None]:
    return {p.email: p.personal_link for link in await ledger.links() for p in link.invitees}


async def stored(url: str, query: str = "SELECT email, personal_link FROM invitees") -> dict[str, str | None]:
    """What the tables hold."""
    engine = make_engine(url)
    try:
        async with engine.connect() as connection:
            return {row[0]: row[1] for row in await connection.execute(text(query))}
    finally:
        await engine.dispose()


META = "SELECT name, value FROM meta"
BOTH = {JON.email: JONS, MARA.email: MARAS}


class TestAtRest:
    async def test_links_are_sealed_and_are_read_in_the_clear(self, url: str) -> None:
        async with opened(url, NEW) as ledger:
            await save(ledger)
            assert await shown(ledger) == BOTH
        kept = await stored(url)
        assert all(str(value).startswith(PREFIX) and "tok3n" not in str(value) for value in kept.values())
        async with opened(url, NEW, locked=True) as ledger:
            assert await shown(ledger) == BOTH

    async def test_none_and_refused_stay_what_they_are(self, url: str) -> None:
        async with opened(url, NEW) as ledger:
            await save(ledger, None, "")
        assert await stored(url) == {JON.email: None, MARA.email: ""}
        async with opened(url, NEW) as ledger:
            assert await shown(ledger) == {JON.email: None, MARA.email: ""}

    async def test_a_link_that_did_not_change_is_not_written_again(self, url: str) -> None:
        async with opened(url, NEW) as ledger:
            await save(ledger)
            before = await stored(url)
            await save(ledger, JONS, f"{MARAS}-2")
        after = await stored(url)
        assert [before[one] == after[one] for one in (JON.email, MARA.email)] == [True, False]

    async def test_the_first_key_seals_what_is_there_unless_nothing_may_be_written(self, url: str) -> None:
        async with opened(url) as ledger:
            await save(ledger)
        async with opened(url, NEW, locked=True) as ledger:
            assert await shown(ledger) == BOTH
        assert await stored(url) == BOTH
        async with opened(url, NEW) as ledger:
            assert await shown(ledger) == BOTH
        assert all(str(value).startswith(PREFIX) for value in (await stored(url)).values())
        assert str((await stored(url, META))[CHECK]).startswith(PREFIX)

    async def test_what_a_process_without_the_key_wrote_meanwhile_is_sealed_by_the_next_with_it(self, url: str) -> None:
        async with opened(url) as without:
            async with opened(url, NEW):
                pass
            await save(without)
        assert await stored(url) == BOTH
        async with opened(url, NEW):
            pass
        assert "tok3n" not in str(await stored(url))

    async def test_opening_again_with_the_same_key_writes_nothing(self, url: str) -> None:
        async with opened(url, NEW) as ledger:
            await save(ledger)
        before = (await stored(url), await stored(url, META))
        async with opened(url, NEW):
            pass
        assert (await stored(url), await stored(url, META)) == before

    async def test_a_new_key_in_front_seals_everything_anew_and_the_former_may_go(self, url: str) -> None:
        async with opened(url, OLD) as ledger:
            await save(ledger)
        async with opened(url, NEW, OLD, locked=True) as ledger:
            assert await shown(ledger) == BOTH
        with pytest.raises(LedgerError):
            async with opened(url, NEW):
                pass
        async with opened(url, NEW, OLD) as ledger, opened(url, OLD, NEW, locked=True) as late:
            await save(late, f"{JONS}-2")  # by a process that still has the former key in front
        async with opened(url, NEW, OLD):
            pass
        async with opened(url, NEW) as ledger:
            assert await shown(ledger) == BOTH | {JON.email: f"{JONS}-2"}

    @pytest.mark.parametrize("keys", [(), (OTHER,), (OTHER, NEW)])
    @pytest.mark.parametrize("locked", [True, False])
    async def test_another_key_or_none_is_refused_before_anything_is_read_or_written(
        self, url: str, keys: tuple[str, ...], locked: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with opened(url, OLD) as ledger:
            await save(ledger)
        before = (await stored(url), await stored(url, META))
        why = "encrypted with another key" if keys else "encrypted, and secret_key is missing"
        with pytest.raises(LedgerError, match=why) as caught:
            async with opened(url, *keys, locked=locked):
                pass
        assert (await stored(url), await stored(url, META)) == before
        assert not any(secret in str(caught.value) + caplog.text for secret in (OLD, NEW, OTHER, TOKEN))

    async def test_forgetting_takes_no_key_and_lets_begin_anew(self, url: str) -> None:
        async with opened(url, OLD) as ledger:
            await save(ledger, JONS, "")
        async with open_ledger(url) as ledger:
            assert await ledger.forget_links() == 1
            assert await ledger.forget_links() == 0
        async with opened(url, NEW) as ledger:
            assert await shown(ledger) == {JON.email: None, MARA.email: ""}
            assert {p.link_for for link in await ledger.links() for p in link.invitees} == {""}, "due again"
            await save(ledger)
            assert await shown(ledger) == BOTH

    async def test_forgetting_leaves_clear_links_alone(self, url: str) -> None:
        async with opened(url) as ledger:
            await save(ledger)
            assert await ledger.forget_links() == 0
            assert await shown(ledger) == BOTH

    async def test_many_processes_may_begin_with_the_key_at_once(self, url: str) -> None:
        async with opened(url) as ledger:
            await save(ledger)

        async def one() -> dict[str, str | None]:
            async with opened(url, NEW) as ledger:
                return await shown(ledger)

        assert await asyncio.gather(*(one() for _ in range(6))) == [BOTH] * 6
        async with opened(url, NEW) as ledger:
            assert await shown(ledger) == BOTH
        assert "tok3n" not in str(await stored(url))

    async def test_of_two_keys_that_come_at_once_one_wins_and_the_other_is_told(self, url: str) -> None:
        async with opened(url) as ledger:
            await save(ledger)

        async def one(key: str) -> str:
            try:
                async with opened(url, key) as ledger:
                    assert await shown(ledger) == BOTH
                    return "opened"
            except LedgerError:
                return "refused"

        assert sorted(await asyncio.gather(one(OLD), one(NEW))) == ["opened", "refused"]


class TestTheFile:
    """SQLite keeps what was overwritten: in free pages, and in its log."""

    def everything(self, folder: Path) -> bytes:
        return b"".join(file.read_bytes() for file in folder.iterdir())

    async def test_no_byte_of_the_database_or_its_log_holds_a_link(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/convener.db"
        async with opened(url, NEW) as ledger:
            await save(ledger)
            assert (tmp_path / "convener.db-wal").stat().st_size
            assert b"tok3n" not in self.everything(tmp_path), "while it is open"
        assert b"tok3n" not in self.everything(tmp_path)

    async def test_sealing_leaves_nothing_of_what_was_clear_before(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/convener.db"
        async with opened(url) as ledger:
            for number in range(300):  # pages that become free as well
                await save(ledger, f"{JONS}-{number}-{'x' * 4000}", f"{MARAS}-{number}")
            await save(ledger)
            assert b"tok3n" in self.everything(tmp_path)
        async with opened(url, NEW) as ledger:
            assert b"tok3n" not in self.everything(tmp_path), "while it is open"
            assert await shown(ledger) == BOTH
        assert b"tok3n" not in self.everything(tmp_path)
        assert RESIDUE not in await stored(url, META)

    async def test_what_another_process_keeps_busy_is_swept_at_the_next_opening(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/convener.db"
        async with opened(url) as ledger:
            await save(ledger)
        engine = make_engine(url)
        async with engine.connect() as reader:
            await reader.execute(text("PRAGMA query_only=ON"))
            await reader.execute(text("BEGIN"))
            await reader.execute(text("SELECT count(*) FROM invitees"))
            async with impatient(url, NEW) as ledger:
                assert await shown(ledger) == BOTH
                assert RESIDUE in await stored(url, META)
            await reader.rollback()
        await engine.dispose()
        async with opened(url, NEW):
            pass
        assert RESIDUE not in await stored(url, META)
        assert b"tok3n" not in self.everything(tmp_path)


@asynccontextmanager
async def impatient(url: str, *keys: str) -> AsyncIterator[Ledger]:
    """As `opened`, by a process that does not wait for others."""
    engine = make_engine(url)
    async with engine.connect() as connection:  # the one connection of the pool that is used again
        await connection.execute(text("PRAGMA busy_timeout=1"))
    try:
        ledger = Ledger(engine, Vault(keys))
        await ledger.open_vault(seal=True)
        yield ledger
    finally:
        await engine.dispose()
