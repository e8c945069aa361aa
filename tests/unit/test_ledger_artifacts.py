"""Occurrences, artifacts and documents on both databases: what went in comes out, each where it is asked for."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.database import open_engine, open_ledger, upgrade
from sync.ledger.records import Occurrence, Pulled, PulledState, Pushed, PushedState
from sync.ledger.store import Ledger
from sync.model import MeetingKey, Participant, Role
from tests.unit.builders import HOUR, NOW, SOON, link_of, meeting
from tests.unit.postgresql import Server

HOSTILE = "\0 \ud800 \u202e \U0001f680 " + "x" * 3000
WEEKLY = MeetingKey("sales", "weekly@20261201", SOON)
ONE = Occurrence(
    "sales", WEEKLY, "sales:weekly@20261201", "main", "room", "Weekly", SOON, SOON + HOUR, "Room 4", "Bring ideas",
    "mara@example.com", (Participant("jon@example.com", "Jon", Role.OBSERVER),), 3, "digest", NOW, 1,
    SOON + 2 * HOUR, 2, "down", "sales/2026/11/x",
)  # fmt: skip
FILM = Pulled(
    "sales", str(WEEKLY), "main", "room", "recording", "7", "Film", "sales/2026/11/x/recording-7", PulledState.STORED,
    NOW, "video/mp4", 5 * 1024**3, "ab" * 32, 17.5, SOON, "2", "more", "sales/2026/11/x/recording-7.mp4", '"v1"', 3,
    "broke", NOW,
)  # fmt: skip
PAPER = Pushed(
    "sales", str(WEEKLY), "main", "room", "identity", "offer.pdf", PushedState.PUSHED, NOW, "application/pdf", 69,
    "cd" * 32, "12", '"v1"', 1, "", NOW, ("ab" * 32, "cd" * 32),
)  # fmt: skip


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/convener.db"
    else:
        server: Server = request.getfixturevalue("postgresql_server")
        url = server.new_database()
        async with open_engine(url) as engine:
            await upgrade(engine)
    async with open_ledger(url) as opened:
        yield opened


async def test_everything_comes_back_as_it_went_in(ledger: Ledger) -> None:
    await ledger.occurrences.save(ONE)
    await ledger.artifacts.save_pulled(FILM)
    await ledger.artifacts.save_pushed(PAPER)
    assert await ledger.occurrences.named("sales", [str(WEEKLY)]) == [replace(ONE, manifest_due=True)]
    assert await ledger.artifacts.pulled("sales") == [FILM]
    assert await ledger.artifacts.of_session("main", "room") == [FILM]
    assert await ledger.artifacts.of_meeting("sales", str(WEEKLY)) == [FILM]
    assert await ledger.artifacts.pushed("sales") == [PAPER]
    for nobodys in (
        await ledger.artifacts.pulled("x"),
        await ledger.artifacts.of_session("other", "room"),
        await ledger.artifacts.of_meeting("sales", "x"),
        await ledger.artifacts.pushed("x"),
        await ledger.occurrences.named("x", [str(WEEKLY)]),
    ):
        assert nobodys == []


async def test_saving_again_replaces(ledger: Ledger) -> None:
    for title, state in (("Weekly", PulledState.LISTED), ("Renamed", PulledState.STORED)):
        await ledger.occurrences.save(replace(ONE, title=title))
        await ledger.artifacts.save_pulled(replace(FILM, name=title, state=state))
        await ledger.artifacts.save_pushed(replace(PAPER, name=title))
    assert [one.title for one in await ledger.occurrences.named("sales", [str(WEEKLY)])] == ["Renamed"]
    assert [one.name for one in await ledger.artifacts.pulled("sales")] == ["Renamed"]
    assert [one.name for one in await ledger.artifacts.pushed("sales")] == ["Renamed"]


async def test_words_that_no_database_takes_are_no_reason_to_lose_anything(ledger: Ledger) -> None:
    await ledger.occurrences.save(replace(ONE, title=HOSTILE, location=HOSTILE, problem=HOSTILE))
    await ledger.artifacts.save_pulled(replace(FILM, name=HOSTILE, more=HOSTILE, problem=HOSTILE))
    await ledger.artifacts.save_pushed(replace(PAPER, name=HOSTILE, problem=HOSTILE))
    (one,) = await ledger.artifacts.pulled("sales")
    assert one.name.endswith("x" * 3000)


async def test_people_with_hostile_names_come_back(ledger: Ledger) -> None:
    await ledger.occurrences.save(replace(ONE, people=(Participant("jon@example.com", "J\0on \ud800 \U0001f680"),)))
    (one,) = await ledger.occurrences.named("sales", [str(WEEKLY)])
    assert one.people[0].name.endswith("\U0001f680")


async def test_looks_are_found_when_they_are_due(ledger: Ledger) -> None:
    due = replace(ONE, key=replace(WEEKLY, uid="due"), look_at=NOW, failures=0)
    failed = replace(ONE, key=replace(WEEKLY, uid="failed"), look_at=NOW + HOUR, failures=1)
    over = replace(ONE, key=replace(WEEKLY, uid="over"), look_at=None)
    later = replace(ONE, key=replace(WEEKLY, uid="later"), look_at=NOW + HOUR, failures=0, link="sales:other")
    await ledger.occurrences.save(due, failed, over, later)
    assert [one.key.uid for one in await ledger.occurrences.due("sales", NOW, at_once=False)] == ["due"]
    assert [one.key.uid for one in await ledger.occurrences.due("sales", NOW, at_once=True)] == ["due", "failed"]
    assert await ledger.occurrences.looked_for("sales") == {"sales:weekly@20261201", "sales:other"}
    assert len(await ledger.occurrences.troubled("sales")) == 4


async def test_a_manifest_is_due_from_an_artifact_until_it_is_written(ledger: Ledger) -> None:
    await ledger.occurrences.save(ONE)
    assert await ledger.occurrences.unlisted("sales") == []
    await ledger.artifacts.save_pulled(FILM, folder="elsewhere")
    (one,) = await ledger.occurrences.unlisted("sales")
    assert one.folder == "elsewhere"
    await ledger.occurrences.save(replace(one, manifest_due=False, looks=2))
    assert len(await ledger.occurrences.unlisted("sales")) == 1, "saving an occurrence does not write its manifest"
    await ledger.occurrences.listed(one)
    assert await ledger.occurrences.unlisted("sales") == []


async def test_looks_and_publishing_write_their_own_columns_only(ledger: Ledger) -> None:
    await ledger.occurrences.save(ONE)
    await ledger.occurrences.save(replace(ONE, title="Renamed by a pass", sequence=3, looks=1))
    await ledger.occurrences.save_looks(replace(ONE, looks=7, look_at=None, problem=""))
    await ledger.occurrences.save_published(replace(ONE, sequence=8, published="new", title="stale"))
    (one,) = await ledger.occurrences.named("sales", [str(WEEKLY)])
    assert (one.title, one.looks, one.look_at, one.sequence, one.published) == ("Renamed by a pass", 7, None, 8, "new")


async def test_the_archive_is_counted_and_listed_from_the_oldest_on(ledger: Ledger) -> None:
    assert await ledger.artifacts.bytes_in_archive() == 0
    for ref, age, state in (("new", 1, "stored"), ("old", 9, "stored"), ("gone", 20, "removed"), ("seen", 5, "listed")):
        stored_at = NOW - timedelta(days=age)
        await ledger.artifacts.save_pulled(replace(FILM, ref=ref, state=PulledState(state), stored_at=stored_at))
    assert [one.ref for one in await ledger.artifacts.in_archive()] == ["old", "new"]
    assert [one.ref for one in await ledger.artifacts.in_archive(NOW - timedelta(days=5))] == ["old"]
    assert await ledger.artifacts.bytes_in_archive() == 10 * 1024**3


async def test_a_forgotten_meeting_keeps_its_files_and_its_numbers_and_loses_its_session(ledger: Ledger) -> None:
    link = link_of(meeting("m1"))
    one = replace(ONE, key=link.key, link=str(link.key))
    await ledger.save_links([link], NOW)
    await ledger.occurrences.save(one)
    await ledger.artifacts.save_pulled(replace(FILM, key=str(link.key)))
    await ledger.artifacts.save_pushed(replace(PAPER, key=str(link.key)))
    await ledger.delete_link("sales", link.key)
    (kept,) = await ledger.occurrences.named("sales", [str(link.key)])
    assert (kept.session, kept.look_at, kept.sequence) == ("", None, 3)
    assert await ledger.artifacts.pushed("sales") == []
    assert len(await ledger.artifacts.pulled("sales")) == 1


async def test_a_moved_series_takes_its_documents_along(ledger: Ledger) -> None:
    link = link_of(meeting("m1"))
    new = replace(link.key, uid="new")
    await ledger.save_links([link], NOW)
    await ledger.occurrences.save(replace(ONE, key=link.key, link=str(link.key)))
    await ledger.artifacts.save_pushed(replace(PAPER, key=str(link.key)))
    await ledger.rekey("sales", {link.key: new}, NOW)
    assert [one.key for one in await ledger.artifacts.pushed("sales")] == [str(new)]
    assert [one.session for one in await ledger.occurrences.named("sales", [str(link.key)])] == [""]
