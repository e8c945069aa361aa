"""The ledger on both databases: the schema, its way up, and that everything comes back as it went in."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import StatementError

from daemon import database
from daemon.database import open_ledger, revisions, upgrade
from sync.errors import LedgerError
from sync.ledger.engine import make_engine
from sync.ledger.records import Intent, LinkState, Registered, SourceState, VendorState
from sync.ledger.store import Ledger
from sync.ledger.tables import metadata
from sync.model import MeetingKey, Role
from tests.unit.builders import HOUR, JON, MARA, NOW, SOON, link_of, meeting
from tests.unit.postgresql import Server

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=BOTH)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/convener.db"
    server: Server = request.getfixturevalue("postgresql_server")
    return server.new_database()


@pytest.fixture(scope="module")
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The URL of a database of a kind at the newest schema, made once and shared."""

    @functools.cache
    def make(kind: str) -> str:
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('ledger')}/convener.db"
        else:
            server: Server = request.getfixturevalue("postgresql_server")
            url = server.new_database()
        asyncio.run(migrate(url))
        return url

    return make


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, migrated: Callable[[str], str]) -> str:
    """The URL of a database at the newest schema with nothing in it."""
    url = migrated(request.param)
    asyncio.run(run(url, *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))))
    return url


async def migrate(url: str) -> None:
    engine = make_engine(url)
    try:
        await upgrade(engine)
    finally:
        await engine.dispose()


async def run(url: str, *statements: str) -> list[object]:
    """Statements on a database; the values of the last one."""
    engine = make_engine(url)
    try:
        async with engine.begin() as connection:
            for statement in statements:
                result = await connection.execute(text(statement))
            return list(result.scalars()) if result.returns_rows else []
    finally:
        await engine.dispose()


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(url) as opened:
        yield opened


class TestSchema:
    async def test_the_migrations_make_exactly_the_tables_that_the_code_uses(self, empty: str) -> None:
        def differences(connection: Connection) -> list[object]:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return list(compare_metadata(context, metadata))

        engine = make_engine(empty)
        try:
            await upgrade(engine)
            async with engine.connect() as connection:
                assert await connection.run_sync(differences) == []
        finally:
            await engine.dispose()

    async def test_an_empty_database_is_brought_to_the_newest_schema_and_then_left_alone(self, empty: str) -> None:
        engine = make_engine(empty)
        try:
            assert (await revisions(engine))[0] is None
            await upgrade(engine)
            here, newest = await revisions(engine)
            assert here == newest
            await upgrade(engine)
            assert await revisions(engine) == (newest, newest)
        finally:
            await engine.dispose()

    async def test_opening_again_changes_nothing(self, ledger: Ledger, url: str, monkeypatch) -> None:  # type: ignore[no-untyped-def]
        await ledger.save_link(link_of(meeting()), NOW)
        name = await ledger.installation()

        async def never(_engine: object) -> None:
            pytest.fail("a database at the newest schema was migrated")

        monkeypatch.setattr(database, "upgrade", never)
        async with open_ledger(url) as again:
            assert await again.installation() == name
            assert len(await again.links()) == 1

    async def test_a_newer_schema_is_refused_in_one_line(self, empty: str) -> None:
        await migrate(empty)
        await run(empty, "UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(LedgerError, match="schema 9999, which is newer than this convener") as caught:
            async with open_ledger(empty):
                pass
        assert len(str(caught.value).splitlines()) == 1

    async def test_an_upgrade_that_broke_off_is_simply_made_again(self, empty: str, monkeypatch) -> None:  # type: ignore[no-untyped-def]
        from alembic import op

        create = op.create_index

        def break_off(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(op, "create_index", break_off)
        with pytest.raises(KeyboardInterrupt):
            await migrate(empty)
        monkeypatch.setattr(op, "create_index", create)
        await migrate(empty)
        async with open_ledger(empty) as opened:
            assert await opened.links() == []


class TestLinks:
    @pytest.mark.parametrize(
        "key",
        [
            MeetingKey("sales", "plain"),
            MeetingKey("sales", "series", datetime(2026, 12, 1, 9, tzinfo=UTC)),
            MeetingKey("sales", "series", date(2026, 12, 1)),
            MeetingKey("sales", "uid@20261201"),
            MeetingKey("sales", "uid@20261201T090000Z"),
            MeetingKey("sales", "uid@20261201", date(2026, 12, 2)),
            MeetingKey("sales", "urn:uuid:1:2"),
            MeetingKey("sales", "ünïcode-会議-👩‍👩‍👧@example.com"),
            MeetingKey("sales", 'it\'s "quoted"; DROP TABLE links;-- %s :key \\ \n'),
            MeetingKey("sales", "long-" * 200),
        ],
        ids=lambda key: ascii(str(key))[:40],
    )
    async def test_every_key_comes_back_as_it_was(self, ledger: Ledger, key: MeetingKey) -> None:
        link = replace(link_of(meeting()), key=key)
        await ledger.save_link(link, NOW)
        assert await ledger.links("sales", str(key)) == [link]
        await ledger.save_link(replace(link, title="again"), NOW)
        assert [kept.title for kept in await ledger.links()] == ["again"]
        await ledger.delete_link("sales", key)
        assert await ledger.links() == []

    async def test_every_field_comes_back(self, ledger: Ledger) -> None:
        link = link_of(
            meeting(participants=(JON, replace(MARA, name="Mára 名"))),
            state=LinkState.QUARANTINED,
            title="Überschrift 👋",
            applied={"title": "Überschrift 👋", "description": "a\nb\x00c \ud800"},
            attempts=4,
            retry_at=NOW + HOUR,
            problem="it's broken: 100 %",
            problem_digest="d" * 32,
        )
        await ledger.save_link(link, NOW)
        assert await ledger.links("sales") == [link]
        bare = replace(link, session=None, join_url=None, invitees=(), retry_at=None, problem=None, problem_digest=None)
        await ledger.save_link(bare, NOW)
        assert await ledger.links("sales") == [bare]

    @pytest.mark.parametrize("text", ["nul \x00 in it", "half a pair \ud83d"])
    async def test_a_character_that_no_database_takes_does_not_stop_the_pass(self, ledger: Ledger, text: str) -> None:
        invitee = Registered("jon@example.com", text, Role.PARTICIPANT, None)
        await ledger.save_link(link_of(meeting(), title=text, problem=text, invitees=(invitee,)), NOW)
        (link,) = await ledger.links()
        assert link.problem
        assert link.title == link.problem == link.invitees[0].name
        number = await ledger.start_run("sales", NOW)
        await ledger.finish_run(number, NOW, 0, {}, text)
        await ledger.save_vendor("main", VendorState(None, text))

    async def test_an_instant_comes_back_in_utc_whatever_zone_it_was_given_in(self, ledger: Ledger) -> None:
        tokyo = timezone(timedelta(hours=9))
        await ledger.save_link(link_of(meeting(start=SOON.astimezone(tokyo))), NOW)
        (link,) = await ledger.links()
        assert (link.start, link.start.tzinfo) == (SOON, UTC)

    @pytest.mark.parametrize("name", ["start", "end", "retry_at"])
    async def test_a_naive_datetime_is_refused_and_nothing_is_kept(self, ledger: Ledger, name: str) -> None:
        link = link_of(meeting(), **{name: datetime(2026, 12, 1, 9)})
        with pytest.raises(StatementError, match="naive datetime"):
            await ledger.save_link(link, NOW)
        assert await ledger.links() == []

    async def test_several_links_are_kept_all_or_none(self, ledger: Ledger) -> None:
        bad = link_of(meeting("m2"), end=datetime(2026, 12, 1, 9))
        with pytest.raises(StatementError, match="naive datetime"):
            await ledger.save_links([link_of(meeting()), bad], NOW)
        assert await ledger.links() == []

    async def test_people_are_added_changed_and_removed_with_their_link(self, ledger: Ledger) -> None:
        one = Registered("a@example.com", "A", Role.PARTICIPANT)
        two = Registered("b@example.com", "B", Role.MODERATOR, "7")
        link = link_of(meeting(), invitees=(one, two))
        for people in [(one, two), (two,), (replace(two, role=Role.OBSERVER), one), (replace(one, ref="9"),), ()]:
            await ledger.save_link(replace(link, invitees=people), NOW)
            (kept,) = await ledger.links()
            assert set(kept.invitees) == set(people)

    async def test_routes_are_kept_apart_and_links_are_in_the_order_of_their_start(self, ledger: Ledger) -> None:
        late, early = link_of(meeting("late", start=SOON + HOUR)), link_of(meeting("early"))
        other = replace(early, route="other")
        await ledger.save_links([late, early, other], NOW)
        assert await ledger.links("sales") == [early, late]
        assert await ledger.links("other") == [other]
        assert len(await ledger.links(key=str(early.key))) == 2
        assert len(await ledger.links()) == 3


PAYLOAD = {"mail": False, "title": "Ü \x00 \ud83d", "people": [["a@example.com", "", "moderator"]]}


class TestIntents:
    async def test_an_open_intent_is_on_disk_with_its_link_before_anything_is_called(
        self, ledger: Ledger, url: str
    ) -> None:
        link = link_of(meeting(), session=None, state=LinkState.PENDING)
        intent = await ledger.open_intent(link, "create", NOW, participant="a@example.com", payload=PAYLOAD)
        async with open_ledger(url) as another:
            assert await another.open_intents("sales") == [intent]
            assert await another.links("sales") == [link]
        assert (intent.payload, intent.marker, intent.opened_at) == (PAYLOAD, link.marker, NOW)

    async def test_intents_are_settled_in_the_order_in_which_they_were_opened(self, ledger: Ledger) -> None:
        link = link_of(meeting())
        made: list[Intent] = [await ledger.open_intent(link, "update", NOW) for _ in range(3)]
        await ledger.looked(made[1], NOW + HOUR)
        made[1] = replace(made[1], looked_at=NOW + HOUR)
        assert await ledger.open_intents("sales") == made
        await ledger.settle(made[0], "done", NOW, replace(link, title="Done"))
        assert await ledger.open_intents("sales") == made[1:]
        assert await ledger.open_intents("other") == []
        assert [kept.title for kept in await ledger.links()] == ["Done"]

    async def test_the_outcome_and_its_link_are_recorded_together_or_not_at_all(self, ledger: Ledger) -> None:
        link = link_of(meeting())
        intent = await ledger.open_intent(link, "update", NOW)
        with pytest.raises(StatementError, match="naive datetime"):
            await ledger.settle(intent, "done", datetime(2026, 12, 1), replace(link, title="Done"))
        assert await ledger.open_intents("sales") == [intent]
        assert await ledger.links() == [link]

    async def test_forgetting_a_link_forgets_its_intents_and_no_others(self, ledger: Ledger) -> None:
        one, two = link_of(meeting()), link_of(meeting("m2"))
        await ledger.open_intent(one, "update", NOW)
        kept = await ledger.open_intent(two, "update", NOW)
        await ledger.delete_link("sales", one.key)
        assert await ledger.open_intents("sales") == [kept]
        assert await ledger.links() == [two]


class TestStates:
    async def test_sources_come_back(self, ledger: Ledger) -> None:
        assert await ledger.source("sales") == SourceState()
        rejected = frozenset({(None, "no UID"), ("ü@x", "bad \n DTSTART")})
        state = SourceState(b"\x00\xffcursor" * 1000, NOW, NOW - HOUR, "cut off", rejected)
        for kept in (state, replace(state, cursor=None, complete_at=None, problem=None, rejected=frozenset())):
            await ledger.save_source("sales", kept)
            assert await ledger.source("sales") == kept
        assert await ledger.source("other") == SourceState()

    async def test_vendors_come_back(self, ledger: Ledger) -> None:
        assert await ledger.vendor("main") == VendorState()
        for kept in (VendorState(NOW, "asked to wait"), VendorState()):
            await ledger.save_vendor("main", kept)
            assert await ledger.vendor("main") == kept

    async def test_runs_come_back_the_newest_first(self, ledger: Ledger) -> None:
        assert await ledger.last_run("sales") is None
        first = await ledger.start_run("sales", NOW)
        await ledger.finish_run(first, NOW + HOUR, 0, {"create": 2}, "")
        second = await ledger.start_run("sales", NOW + HOUR)
        newest, good = await ledger.last_run("sales"), await ledger.last_run("sales", successful=True)
        assert newest
        assert good
        assert (newest.id, newest.finished_at, newest.exit, newest.counts) == (second, None, None, {})
        assert (good.id, good.finished_at, good.exit, good.counts, good.reason) == (
            first, NOW + HOUR, 0, {"create": 2}, None,
        )  # fmt: skip
        assert await ledger.last_run("other") is None

    async def test_the_installations_name_is_made_once(self, ledger: Ledger) -> None:
        name = await ledger.installation()
        assert len(name) == 12
        assert await ledger.installation() == name
