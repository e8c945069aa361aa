"""What a route publishes: which meetings, and a SEQUENCE that only grows, whoever is killed when."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.feed import FileFeed
from daemon.database import open_ledger
from sync.errors import ArchiveError
from sync.ledger.records import Link, LinkState, Occurrence, Registered
from sync.ledger.store import Ledger
from sync.links_back.publish import SHOWN_AFTER_END, Publisher, published
from sync.model import Role
from sync.outlets import Feed, Published
from tests.clock import ManualClock
from tests.unit.builders import HOUR, NOW, SOON, key, link_of, meeting

JOIN = "https://vendor.example/join"
LATER = NOW + HOUR


def occurrence(name: str = "m1", **values: Any) -> Occurrence:
    """Tomorrow's meeting, in the session of its own link."""
    one = Occurrence(
        route="sales", key=key(name), link=str(key(name)), vendor="main", session=f"s-{name}@example.com",
        title=f"Meeting {name}", start=SOON, end=SOON + HOUR, location="Room 7", description="about",
        organizer="mara@example.com",
    )  # fmt: skip
    return replace(one, **values)


def link(name: str = "m1", **values: Any) -> Link:
    return link_of(meeting(name), **values)


def publish_one(one: Occurrence, *links: Link, now: datetime = NOW) -> tuple[Published | None, Occurrence]:
    """What is shown of one occurrence, and the occurrence as the ledger has it afterwards."""
    shown, changed = published([one], {str(x.key): x for x in links or (link(),)}, now)
    assert len(shown) <= 1
    return (shown[0] if shown else None), (changed[0] if changed else one)


class TestWhichMeetings:
    def test_a_meeting_with_a_session_is_shown_with_its_join_link(self) -> None:
        shown, saved = publish_one(occurrence())
        assert shown == Published(key(), "Meeting m1", SOON, SOON + HOUR, JOIN, "Room 7", "about", 0, NOW)
        assert (saved.sequence, saved.changed_at, saved.published != "") == (0, NOW, True)

    @pytest.mark.parametrize(
        "values",
        [
            {"session": None},
            {"session": "another"},
            {"state": LinkState.CANCELLED},
            {"session": None, "state": LinkState.PENDING},
        ],
    )
    def test_one_without_its_session_is_not(self, values: dict[str, Any]) -> None:
        assert publish_one(occurrence(), link(**values)) == (None, occurrence())

    def test_one_that_is_off_or_whose_link_is_forgotten_is_not(self) -> None:
        assert publish_one(occurrence(session=""))[0] is None
        assert publish_one(occurrence(), link("other"))[0] is None

    @pytest.mark.parametrize("state", [LinkState.LIVE, LinkState.QUARANTINED, LinkState.IN_DOUBT])
    def test_trouble_with_a_later_step_does_not_take_a_session_out_of_the_feed(self, state: LinkState) -> None:
        assert publish_one(occurrence(), link(state=state))[0] is not None

    def test_it_is_shown_for_31_days_after_its_end(self) -> None:
        end = SOON + HOUR
        assert publish_one(occurrence(), now=end + SHOWN_AFTER_END - timedelta(seconds=1))[0] is not None
        assert publish_one(occurrence(), now=end + SHOWN_AFTER_END)[0] is None

    def test_all_uses_of_a_standing_room_are_shown_with_its_link(self) -> None:
        stamps = [SOON + timedelta(days=7 * n) for n in range(3)]
        uses = [occurrence(key=replace(key(), recurrence_id=stamp), start=stamp, end=stamp + HOUR) for stamp in stamps]
        shown, changed = published(uses, {str(key()): link()}, NOW)
        assert [(one.key.recurrence_id, one.start, one.join_url) for one in shown] == [(s, s, JOIN) for s in stamps]
        assert len(changed) == 3


class TestLink:
    @pytest.mark.parametrize("nothing", ["", None])
    def test_an_empty_location_is_filled_with_the_join_link(self, nothing: str | None) -> None:
        shown, _ = publish_one(occurrence(location=""))
        assert shown is not None
        assert shown.location == JOIN
        without, _ = publish_one(occurrence(location=""), link(join_url=nothing))
        assert without is not None
        assert (without.location, without.join_url) == ("", None)

    @pytest.mark.parametrize(
        "odd",
        [
            "javascript:alert(1)",
            "ftp://v.example/x",
            "https://",
            "//v.example",
            "https://host:secret@v.example/j",
            "https://[v/",
        ],
    )
    def test_what_is_no_web_address_or_holds_a_password_is_not_shown_anywhere(self, odd: str) -> None:
        shown, _ = publish_one(occurrence(location=""), link(join_url=odd))
        assert shown is not None
        assert (shown.join_url, shown.location) == (None, "")

    def test_nobodys_own_link_is_in_it(self) -> None:
        own = Registered("jon@example.com", "Jon", Role.PARTICIPANT, "7", personal_link="https://v.example/secret-jon")
        shown, _ = publish_one(occurrence(location=""), link(invitees=(own,)))
        assert "secret-jon" not in repr(shown)
        assert "jon" not in repr(shown)


CHANGES: list[dict[str, Any]] = [
    {"title": "Other"},
    {"start": SOON - HOUR},
    {"end": SOON + 2 * HOUR},
    {"location": "Room 8"},
    {"location": ""},
    {"description": ""},
]


class TestSequence:
    @pytest.mark.parametrize("change", CHANGES, ids=str)
    def test_it_grows_with_every_change_of_what_is_shown(self, change: dict[str, Any]) -> None:
        _, first = publish_one(occurrence())
        shown, second = publish_one(replace(first, **change), now=LATER)
        assert shown is not None
        assert (second.sequence, second.changed_at) == (shown.sequence, shown.changed_at) == (1, LATER)
        assert publish_one(second, now=LATER + HOUR) == (shown, second)

    def test_it_grows_with_a_new_join_link(self) -> None:
        _, first = publish_one(occurrence())
        shown, second = publish_one(first, link(join_url="https://vendor.example/new"), now=LATER)
        assert shown is not None
        assert (shown.join_url, shown.sequence, second.sequence) == ("https://vendor.example/new", 1, 1)

    @pytest.mark.parametrize(
        "change", [{"organizer": "x@example.com"}, {"people": ()}, {"looks": 3}, {"folder": "2026/11"}], ids=str
    )
    def test_what_the_feed_does_not_say_is_no_change(self, change: dict[str, Any]) -> None:
        shown, first = publish_one(occurrence())
        after = replace(first, **change)
        assert publish_one(after, now=LATER) == (shown, after)

    def test_one_that_comes_back_the_same_keeps_it_and_one_that_comes_back_different_grows(self) -> None:
        shown, first = publish_one(occurrence(), now=NOW)
        away, kept = publish_one(first, link(state=LinkState.CANCELLED), now=LATER)
        assert (away, kept) == (None, first)
        assert publish_one(kept, now=LATER) == (shown, first)
        again, _ = publish_one(kept, link(join_url="https://vendor.example/new"), now=LATER)
        assert again is not None
        assert (again.sequence, again.changed_at) == (1, LATER)

    def test_one_whose_saying_was_forgotten_does_not_begin_again(self) -> None:
        _, saved = publish_one(replace(occurrence(), sequence=5, changed_at=NOW), now=LATER)
        assert (saved.sequence, saved.changed_at) == (6, LATER)


edits = st.one_of(
    st.sampled_from(CHANGES).map(lambda change: ("edit", change)),
    st.sampled_from([JOIN, "https://vendor.example/2", "", None]).map(lambda url: ("link", {"join_url": url})),
    st.sampled_from(list(LinkState)).map(lambda state: ("link", {"state": state})),
    st.sampled_from([None, "s-m1@example.com", "s-2"]).map(lambda ref: ("link", {"session": ref})),
    st.sampled_from(["", "s-m1@example.com", "s-2"]).map(lambda ref: ("edit", {"session": ref})),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(edits, max_size=25))
def test_in_any_history_each_text_has_its_own_sequence_and_later_ones_are_higher(
    history: list[tuple[str, dict[str, Any]]],
) -> None:
    one, its_link, now = occurrence(), link(), NOW
    said: list[tuple[int, Published]] = []
    for what, values in history:
        one, its_link = (replace(one, **values), its_link) if what == "edit" else (one, replace(its_link, **values))
        now += timedelta(minutes=1)
        shown, one = publish_one(one, its_link, now=now)
        if shown is not None:
            said.append((shown.sequence, shown))
    for (before, old), (after, new) in pairwise(said):
        assert after == before if old == new else after == before + 1
        assert new == old or new.changed_at > old.changed_at


class Lines(list[tuple[str, dict[str, Any]]]):
    """A log that keeps its lines."""

    def __call__(self, event: str, /, **fields: Any) -> None:
        self.append((event, fields))


class Broken:
    """A feed whose disk is full, or whose process is killed while it writes."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.asked: list[list[Published]] = []

    async def write(self, meetings: Sequence[Published]) -> bool:
        self.asked.append(list(meetings))
        raise self.error


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite:///{tmp_path}/convener.db") as opened:
        yield opened


class Stage:
    """A route with its ledger, its file and a clock."""

    def __init__(self, ledger: Ledger, path: Path) -> None:
        self.ledger, self.path = ledger, path
        self.clock, self.lines = ManualClock(), Lines()
        self.publisher = self.fresh()

    def fresh(self, feed: Feed | None = None) -> Publisher:
        """The publisher of a new process."""
        return Publisher(feed or FileFeed(self.path, "sales"), self.clock, self.lines, "sales")

    async def publish(self, *links: Link, by: Publisher | None = None) -> bool:
        self.clock.advance(minutes=5)
        return await (by or self.publisher).publish(self.ledger, links or (link(), link("m2")))

    async def kept(self, name: str = "m1") -> Occurrence:
        (one,) = await self.ledger.occurrences.named("sales", [str(key(name))])
        return one


@pytest.fixture
async def stage(ledger: Ledger, tmp_path: Path) -> Stage:
    await ledger.occurrences.save(occurrence(), occurrence("m2"), occurrence("m3", route="other"))
    return Stage(ledger, tmp_path / "feeds" / "sales.ics")


class TestPublisher:
    async def test_it_publishes_its_own_route_and_says_so_once(self, stage: Stage) -> None:
        assert await stage.publish()
        text = stage.path.read_bytes()
        assert [text.count(f"UID:{name}@".encode()) for name in ("m1", "m2", "m3")] == [1, 1, 0]
        assert stage.lines == [("feed.written", {"route": "sales", "meetings": 2})]

    async def test_an_unchanged_feed_is_the_same_to_the_byte_in_every_process(self, stage: Stage) -> None:
        await stage.publish()
        before = (stage.path.read_bytes(), stage.path.stat().st_mtime_ns)
        saved = await stage.kept()
        assert await stage.publish()
        assert await stage.publish(by=stage.fresh())
        assert (stage.path.read_bytes(), stage.path.stat().st_mtime_ns) == before
        assert await stage.kept() == saved
        assert len(stage.lines) == 1

    async def test_a_feed_that_somebody_deleted_comes_back_as_it_was(self, stage: Stage) -> None:
        await stage.publish()
        text = stage.path.read_bytes()
        stage.path.unlink()
        assert await stage.publish()
        assert stage.path.read_bytes() == text

    async def test_a_meeting_that_ended_long_ago_leaves_and_keeps_its_sequence(self, stage: Stage) -> None:
        await stage.publish()
        stage.clock.advance(days=33)
        assert await stage.publish()
        assert b"VEVENT" not in stage.path.read_bytes()
        assert (await stage.kept()).published != ""

    async def test_only_what_it_publishes_of_an_occurrence_is_changed(self, stage: Stage) -> None:
        before = occurrence(looks=2, look_at=SOON, failures=1, problem="busy")
        await stage.ledger.occurrences.save(before)
        await stage.publish()
        after = await stage.kept()
        assert after == replace(before, published=after.published, changed_at=after.changed_at)

    async def test_a_feed_that_cannot_be_written_stops_nothing_and_is_said_once(self, stage: Stage) -> None:
        stage.path.parent.write_bytes(b"a file where the folder should be")
        assert [await stage.publish() for _ in range(3)] == [False] * 3
        ((event, fields),) = stage.lines
        assert (event, fields["route"]) == ("feed.failed", "sales")
        assert fields["reason"].startswith("feed: sales.ics: ")
        stage.path.parent.unlink()
        assert await stage.publish()
        assert [event for event, _ in stage.lines] == ["feed.failed", "feed.written"]
        stage.path.unlink()
        stage.path.mkdir()
        assert not await stage.publish()
        assert [event for event, _ in stage.lines] == ["feed.failed", "feed.written", "feed.failed"]

    @pytest.mark.parametrize("error", [Killed(), ArchiveError("feed: sales.ics: disk full")], ids=["kill", "full disk"])
    async def test_what_was_decided_is_saved_before_it_is_said(self, stage: Stage, error: BaseException) -> None:
        await stage.publish()
        await stage.ledger.occurrences.save(replace(await stage.kept(), title="New title"))
        broken = Broken(error)
        with suppress(Killed):
            await stage.publish(by=stage.fresh(broken))
        assert b"New title" not in stage.path.read_bytes()
        ((first, _),) = broken.asked
        assert (first.title, first.sequence, first.changed_at) == ("New title", 1, stage.clock.now())
        assert ((await stage.kept()).sequence, (await stage.kept()).changed_at) == (1, first.changed_at)
        assert await stage.publish(by=stage.fresh())
        text = stage.path.read_bytes()
        assert b"SUMMARY:New title\r\n" in text
        assert text.count(b"SEQUENCE:1\r\n") == text.count(b"SEQUENCE:0\r\n") == 1

    @pytest.mark.parametrize("seed", range(5))
    async def test_through_edits_and_kills_a_reader_never_sees_a_sequence_twice_or_falling(
        self, stage: Stage, seed: int
    ) -> None:
        pick = random.Random(seed)
        seen: dict[int, bytes] = {}
        highest = -1
        for step in range(25):
            kept = await stage.kept()
            if pick.random() < 0.6:
                kept = replace(kept, title=f"Title {step}", session=pick.choice([kept.session, "", "s-m1@example.com"]))
                await stage.ledger.occurrences.save(kept)
            if pick.random() < 0.4:
                with pytest.raises(Killed):
                    await stage.publish(by=stage.fresh(Broken(Killed())))
            else:
                await stage.publish(by=stage.fresh())
            text = stage.path.read_bytes() if stage.path.exists() else b""
            blocks = [part for part in text.split(b"BEGIN:VEVENT") if b"UID:m1@" in part]
            for block in blocks:
                number = int(block.partition(b"SEQUENCE:")[2].split(b"\r\n")[0])
                assert number >= highest
                assert seen.setdefault(number, block) == block
                highest = number
        assert highest > 3
