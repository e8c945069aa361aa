"""What `status` and `explain` tell a person of what did not get where it should: the reasons of an exit code 4."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.simulators.livedigital import LivedigitalSimulator
from daemon.database import open_ledger
from daemon.settings import load
from sync.ledger.records import Mail, MailState, Pulled, PulledState, Pushed, PushedState
from sync.ledger.store import Ledger
from sync.ledger.write_backs import LINK, WriteBack, WriteState
from sync.model import MeetingKey, Role
from tests.calendars import Entry, entries
from tests.system.process import convener
from tests.world import World, a_world

NOW = datetime.now(UTC).replace(microsecond=0)
SOON = NOW + timedelta(days=1)
DAY = timedelta(days=1)
KEY = "sales:m0@example.com"
OVER = "sales:m1@example.com"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    """Two meetings that are in step; the second is over by the time that the tests look."""
    with a_world(tmp_path) as world:
        world.entries = entries(2, first=SOON)
        world.publish()
        assert convener(world.folder, "reconcile").code == 0
        yield world


@pytest.fixture
def room(tmp_path: Path) -> Iterator[World]:
    """A weekly series in one standing room."""
    with a_world(tmp_path, LivedigitalSimulator) as world:
        world.configure(route='series = "room"')
        weekly = Entry("week@example.com", SOON, title="Weekly", extra=("RRULE:FREQ=WEEKLY;COUNT=3",))
        world.entries = {"week": weekly}
        world.publish()
        assert convener(world.folder, "reconcile").code == 0
        yield world


def in_ledger(world: World, use: Callable[[Ledger], Awaitable[None]]) -> None:
    """Put something into the ledger, as passes that went wrong would have."""

    async def run() -> None:
        async with open_ledger(load(world.folder / "convener.toml").database_url()) as ledger:
            await use(ledger)

    asyncio.run(run())


def mail(key: str = KEY, email: str = "jon@example.com", **values: Any) -> Mail:
    one = Mail(
        route="sales", key=key, uid=f"{key}@convener", email=email, name="Jon", role=Role.PARTICIPANT, organizer="",
        session="1", title="Meeting", start=SOON, end=SOON + DAY, method="REQUEST", sequence=0, digest="d",
        message_id="m", state=MailState.REFUSED, problem="mail.example: the recipient was answered 550 5.1.1",
    )  # fmt: skip
    return replace(one, **values)


def document(name: str, state: PushedState, key: str = KEY, **values: Any) -> Pushed:
    return replace(Pushed("sales", key, "main", "1", name, name, state, NOW), **values)


def recording(state: PulledState, key: str = KEY, **values: Any) -> Pulled:
    one = Pulled("sales", key, "main", "1", "recording", f"r-{key}", "All of it", "x/y", state, NOW)
    return replace(one, **values)


def written_back(key: str, thing: str, state: WriteState, **values: Any) -> WriteBack:
    return replace(WriteBack("sales", MeetingKey.parse(key), thing, SOON, state, "x"), **values)


async def troubles(ledger: Ledger) -> None:
    """One of each kind for the meeting to come, and for the one that is over."""
    for link in await ledger.links("sales"):
        if str(link.key) == OVER:
            await ledger.save_link(replace(link, start=NOW - DAY, end=NOW - DAY / 2), NOW)
    for key in (KEY, OVER):
        await ledger.artifacts.save_pushed(
            document("offer.pdf", PushedState.REFUSED, key, problem="files.example: answered 404")
        )
    await ledger.artifacts.save_pushed(document("plan.pdf", PushedState.IN_DOUBT, problem="no answer"))
    await ledger.artifacts.save_pushed(document("agenda.pdf", PushedState.PUSHED))
    await ledger.artifacts.save_pulled(recording(PulledState.GIVEN_UP, problem="never became ready"))
    await ledger.artifacts.save_pulled(recording(PulledState.STORED, OVER))
    await ledger.mails.save(
        mail(), mail(OVER, start=NOW - DAY, end=NOW - DAY / 2), mail(email="mara@example.com", state=MailState.SENT)
    )
    await ledger.write_backs.save(
        written_back(KEY, LINK, WriteState.REFUSED, problem="somebody wrote something else there"),
        written_back(KEY, "artifact", WriteState.WAITING, name="film.mp4", retry_at=SOON, problem="crm: answered 503"),
        written_back(OVER, LINK, WriteState.WAITING, ends_at=NOW - DAY / 2),
        written_back(OVER, "artifact", WriteState.SKIPPED, name="notes.pdf", ends_at=NOW - DAY / 2),
    )
    (one,) = await ledger.occurrences.named("sales", [KEY])
    await ledger.occurrences.save_looks(replace(one, looks=2, look_at=SOON, failures=1, problem="main: answered 500"))


def test_explain_tells_of_documents_looks_artifacts_and_mails_and_why(live: World) -> None:
    in_ledger(live, troubles)
    (row,) = convener(live.folder, "explain", KEY, "--json").document["routes"]
    assert list(row) == [
        "route", "verdict", "link", "problem", "participants", "stale", "intents", "documents", "looks", "artifacts",
        "mails", "write_back", "drift", "changes",
    ]  # fmt: skip
    assert row["documents"] == [
        {"name": "offer.pdf", "state": "refused", "problem": "files.example: answered 404"},
        {"name": "plan.pdf", "state": "in_doubt", "problem": "no answer"},
        {"name": "agenda.pdf", "state": "pushed", "problem": None},
    ]
    due = f"{SOON:%Y-%m-%dT%H:%M:%SZ}"
    assert row["looks"] == [{"key": KEY, "made": 2, "next": due, "problem": "main: answered 500"}]
    assert row["artifacts"] == [
        {"key": KEY, "kind": "recording", "name": "All of it", "state": "given_up", "problem": "never became ready"}
    ]
    refusal = "mail.example: the recipient was answered 550 5.1.1"
    assert [(m["key"], m["email"], m["method"], m["state"]) for m in row["mails"]] == [
        (KEY, "jon@example.com", "REQUEST", "refused"),
        (KEY, "mara@example.com", "REQUEST", "sent"),
    ]
    assert row["write_back"] == [
        {"key": KEY, "what": "link", "name": None, "state": "refused", "link": None, "at": None,
         "problem": "somebody wrote something else there"},
        {"key": KEY, "what": "artifact", "name": "film.mp4", "state": "waiting", "link": None, "at": None,
         "problem": "crm: answered 503"},
    ]  # fmt: skip
    text = convener(live.folder, "explain", KEY).out
    for line in (
        "  ! document offer.pdf, refused: files.example: answered 404",
        "  document agenda.pdf, pushed",
        f"  ! looked for what it left 2 times, the next look is due {due}: main: answered 500",
        "  ! recording All of it, given_up: never became ready",
        f"  ! mail (REQUEST) to jon@example.com, refused: {refusal}",
        "  ! written back: link (none), refused: somebody wrote something else there",
        "  ! written back: artifact film.mp4, waiting: crm: answered 503",
    ):
        assert line in text.splitlines()


def test_status_counts_what_is_still_of_use_and_says_where_to_look(live: World) -> None:
    in_ledger(live, troubles)
    (row,) = convener(live.folder, "status", "--json").document["routes"]
    assert row["beside"] == {
        "documents_refused": 1, "documents_in_doubt": 1, "artifacts_waiting": 0, "artifacts_given_up": 1,
        "looks_failed": 1, "mails_waiting": 0, "mails_refused": 1, "write_backs_waiting": 1, "write_backs_refused": 1,
    }  # fmt: skip
    assert row["beside_keys"] == [KEY]
    text = " ".join(convener(live.folder, "status").out.split())
    assert "1 document not handed over, 1 document in doubt, 1 artifact given up, 1 look failed, 1 mail refused" in text
    assert "1 mail refused, 1 write-back waiting, 1 write-back refused (see" in text
    assert "(see `convener explain KEY` and `convener artifacts`)" in text
    assert KEY in text


def test_status_names_several_in_the_plural_and_not_all_of_them(live: World) -> None:
    async def five(ledger: Ledger) -> None:
        await ledger.mails.save(*(mail(f"sales:m{n}@example.com") for n in range(5)))
        pushed = document("agenda.pdf", PushedState.PUSHED, problem="files.example: answered 404")
        await ledger.artifacts.save_pushed(pushed)

    in_ledger(live, five)
    text = " ".join(convener(live.folder, "status").out.split())
    assert "beside 1 document not handed over, 5 mails refused (see" in text, "its new content could not be had"
    assert "sales:m0@example.com, sales:m1@example.com, sales:m2@example.com and 2 more" in text


def test_status_without_trouble_has_nothing_beside(live: World) -> None:
    assert "beside" not in convener(live.folder, "status").out


def test_explain_knows_a_use_of_a_standing_room_and_all_uses_together(room: World) -> None:
    series = "sales:week@example.com"
    first, second = (str(MeetingKey("sales", "week@example.com", SOON + n * 7 * DAY)) for n in range(2))

    async def two(ledger: Ledger) -> None:
        await ledger.mails.save(mail(first), mail(second, start=SOON + 7 * DAY, end=SOON + 8 * DAY))
        await ledger.artifacts.save_pulled(recording(PulledState.GIVEN_UP, first, problem="never became ready"))
        await ledger.artifacts.save_pushed(document("offer.pdf", PushedState.REFUSED, series, problem="gone"))

    in_ledger(room, two)

    def explained(key: str) -> Any:
        (row,) = convener(room.folder, "explain", key, "--json").document["routes"]
        return row

    row = explained(second)
    assert (row["verdict"], row["link"]["key"]) == ("it is in step", series)
    assert [d["name"] for d in row["documents"]] == ["offer.pdf"], "the room has it, for every use"
    assert ([m["key"] for m in row["mails"]], row["artifacts"]) == ([second], [])
    assert f"  takes place in the standing room of {series}:" in convener(room.folder, "explain", second).out
    row = explained(series)
    assert (row["verdict"], row["link"]["key"]) == ("it is in step", series)
    assert [m["key"] for m in row["mails"]] == [first, second]
    assert [a["key"] for a in row["artifacts"]] == [first]
    assert f"refused ({first}): mail.example" in convener(room.folder, "explain", series).out
    row = explained("sales:week@example.com@20200101T000000Z")
    assert "the source does not have it" in row["verdict"]
    assert (row["link"]["key"], row["mails"], row["artifacts"]) == (series, [], [])


def test_explain_knows_the_room_of_a_use_before_it_is_made(room: World) -> None:
    (room.folder / "convener.db").unlink()
    key = str(MeetingKey("sales", "week@example.com", SOON))
    (row,) = convener(room.folder, "explain", key, "--json").document["routes"]
    assert (row["verdict"], row["link"]) == ("something is to be done for it", None)
    assert [change["action"] for change in row["changes"]] == ["create", "invite", "invite"]
