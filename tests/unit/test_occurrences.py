"""Occurrences follow the calendar until they are over, and nothing but a proof takes their session away."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from sync.ledger.records import Link, LinkState, Occurrence
from sync.model import Capabilities, Meeting, MeetingKey, Participant
from sync.occurrences import keep
from sync.route import Route
from sync.snapshot import Rejected, Snapshot, Trouble
from tests.unit.builders import FULL, HOUR, NOW, ROUTE, SOON, link_of, meeting

PULLS = replace(FULL, recordings_pull=True)
LOOKING = replace(ROUTE, looks=(timedelta(minutes=5), HOUR))


def kept(
    meetings: Iterable[Meeting],
    links: Iterable[Link],
    known: Iterable[Occurrence] = (),
    *,
    route: Route = LOOKING,
    capabilities: Capabilities = PULLS,
    now: datetime = NOW,
    force: bool = False,
    **snapshot: Any,
) -> dict[str, Occurrence]:
    read = Snapshot("sales", route.window(now), tuple(meetings), **snapshot)
    by_key = {link.key: link for link in links}
    before = {str(one.key): one for one in known}
    return {str(one.key): one for one in keep(route, capabilities, read, by_key, before, now, force=force).changed}


def the_one(found: dict[str, Occurrence]) -> Occurrence:
    (only,) = found.values()
    return only


def of(wish: Meeting, link: Link) -> Occurrence:
    return the_one(kept([wish], [link]))


def test_a_meeting_with_a_session_is_kept_and_will_be_looked_after() -> None:
    wish = meeting(location="Room 4", description="Bring ideas", organizer="mara@example.com")
    one = of(wish, link_of(wish))
    assert (one.key, one.link, one.session) == (wish.key, str(wish.key), "s-m1@example.com")
    assert (one.title, one.location, one.description) == ("Meeting m1", "Room 4", "Bring ideas")
    assert one.look_at == wish.end + timedelta(minutes=5)


def test_a_meeting_without_a_session_or_of_another_route_is_not() -> None:
    wish = meeting()
    assert kept([wish], []) == {}
    assert kept([wish], [link_of(wish, session=None, state=LinkState.PENDING)]) == {}
    assert kept([wish], [link_of(wish, state=LinkState.CANCELLED)]) == {}
    elsewhere = replace(LOOKING, match=replace(LOOKING.match, organizer=("@example.org",)))
    assert kept([wish], [link_of(wish)], route=elsewhere) == {}


def test_nothing_is_looked_for_where_the_vendor_keeps_nothing() -> None:
    wish = meeting()
    assert the_one(kept([wish], [link_of(wish)], capabilities=FULL)).look_at is None
    assert the_one(kept([wish], [link_of(wish)], route=ROUTE)).look_at is None


def test_what_did_not_change_is_not_saved_again() -> None:
    wish = meeting()
    assert kept([wish], [link_of(wish)], [of(wish, link_of(wish))]) == {}


def test_a_changed_meeting_keeps_what_was_published_of_it_and_is_looked_after_at_its_new_end() -> None:
    wish = meeting()
    before = replace(of(wish, link_of(wish)), sequence=4, published="x", changed_at=NOW, folder="f")
    later = replace(wish, end=wish.end + HOUR, title="Longer")
    after = the_one(kept([later], [link_of(wish)], [before]))
    assert (after.title, after.sequence, after.published, after.folder) == ("Longer", 4, "x", "f")
    assert after.look_at == later.end + timedelta(minutes=5)


def test_what_is_over_stays_as_it_was() -> None:
    wish = meeting(start=NOW - 2 * HOUR)
    before = of(wish, link_of(wish))
    assert kept([replace(wish, title="Renamed afterwards")], [link_of(wish)], [before]) == {}


def test_a_meeting_that_ended_early_is_looked_after_early() -> None:
    wish = meeting(start=NOW - HOUR, length=2 * HOUR)
    before = of(wish, link_of(wish))
    after = the_one(kept([replace(wish, end=NOW)], [link_of(wish)], [before]))
    assert after.look_at == NOW + timedelta(minutes=5)


def test_a_meeting_that_was_moved_after_it_had_ended_is_looked_after_once_more() -> None:
    wish = meeting(start=NOW - 2 * HOUR)
    before = replace(of(wish, link_of(wish)), looks=2, look_at=None)
    after = the_one(kept([replace(wish, start=SOON, end=SOON + HOUR)], [link_of(wish)], [before]))
    assert (after.looks, after.look_at) == (0, SOON + HOUR + timedelta(minutes=5))


def test_a_new_session_takes_the_place_of_the_old_one() -> None:
    wish = meeting()
    assert the_one(kept([wish], [link_of(wish, session="s2")], [of(wish, link_of(wish))])).session == "s2"


def test_only_a_link_that_is_over_takes_the_session_away() -> None:
    wish = meeting()
    before = replace(of(wish, link_of(wish)), sequence=3)
    off = the_one(kept([], [link_of(wish, state=LinkState.CANCELLED)], [before]))
    assert (off.session, off.look_at, off.sequence, off.off) == ("", None, 3, True)
    assert kept([], [link_of(wish)], [before]) == {}, "held back by the guard"
    assert kept([], [link_of(wish, session=None, state=LinkState.PENDING)], [before]) == {}, "being made anew"
    assert kept([], [], [before]) == {}, "a link that is not there proves nothing"
    assert kept([], [link_of(wish, state=LinkState.CANCELLED)], [off]) == {}, "said once"


def test_a_cancelled_meeting_is_off_although_the_vendor_still_has_its_session() -> None:
    wish = meeting()
    cancelled = replace(wish, cancelled=True)
    assert the_one(kept([cancelled], [link_of(wish)], [of(wish, link_of(wish))])).off


def test_a_forgotten_meeting_is_off_only_when_the_calendar_proves_it() -> None:
    """What `forget` leaves: an occurrence without a session, and no link."""
    wish = meeting()
    forgotten = replace(of(wish, link_of(wish)), session="")
    assert kept([wish], [], [forgotten]) == {}
    assert kept([], [], [forgotten], trouble=Trouble.PARTIAL, reason="cut") == {}
    assert the_one(kept([], [], [forgotten])).off
    assert the_one(kept([wish], [link_of(wish, session="s2")], [forgotten])).session == "s2"


def test_a_meeting_that_comes_back_is_on_again() -> None:
    wish = meeting()
    off = replace(of(wish, link_of(wish)), session="", off=True, sequence=4)
    again = the_one(kept([wish], [link_of(wish)], [off]))
    assert (again.off, again.session, again.sequence) == (False, "s-m1@example.com", 4)


def in_a_room(number: int = 4, first: datetime = SOON) -> tuple[Link, list[Meeting]]:
    room = link_of(meeting("weekly", first, 200 * HOUR), session="room")
    times = [first + 24 * HOUR * n for n in range(number)]
    return room, [replace(meeting("weekly", t), key=MeetingKey("sales", "weekly@example.com", t)) for t in times]


def test_each_occurrence_in_a_standing_room_is_kept_by_itself() -> None:
    room, series = in_a_room()
    found = kept(series, [room])
    assert [one.session for one in found.values()] == ["room"] * 4
    assert {one.link for one in found.values()} == {str(room.key)}
    assert sorted(one.look_at or NOW for one in found.values()) == [m.end + timedelta(minutes=5) for m in series]


def test_an_occurrence_leaves_its_room_only_when_that_is_proved() -> None:
    room, series = in_a_room()
    known = list(kept(series, [room]).values())
    assert kept(series[:3], [room], known, trouble=Trouble.PARTIAL, reason="cut") == {}
    assert kept(series[:3], [room], known, rejected=(Rejected("weekly@example.com", 3, "bad"),)) == {}
    assert kept([], [room], known, trouble=Trouble.UNREADABLE, reason="down") == {}
    assert list(kept(series[:3], [room], known)) == [str(series[3].key)]
    cancelled = [*series[:3], replace(series[3], cancelled=True)]
    assert list(kept(cancelled, [room], known, trouble=Trouble.PARTIAL, reason="cut")) == [str(series[3].key)]


def test_an_empty_room_is_the_plans_to_remove_and_the_guards_to_hold() -> None:
    room, series = in_a_room()
    known = list(kept(series, [room]).values())
    assert kept([], [room], known) == {}, "the room's removal is held, or has not been made yet"
    assert len(kept([], [replace(room, state=LinkState.CANCELLED)], known)) == 4


def test_a_room_that_vanished_and_is_to_be_made_anew_takes_nobody_away() -> None:
    room, series = in_a_room()
    known = list(kept(series, [room]).values())
    assert kept(series, [replace(room, session=None, state=LinkState.PENDING)], known) == {}


@pytest.mark.parametrize(
    ("number", "left", "off"), [(10, 9, 1), (10, 7, 3), (10, 6, 0), (4, 2, 2), (4, 1, 3), (3, 1, 2)]
)
def test_occurrences_of_a_room_are_guarded_like_sessions(number: int, left: int, off: int) -> None:
    room, series = in_a_room(number)
    known = list(kept(series, [room]).values())
    assert len(kept(series[:left], [room], known)) == off
    assert len(kept(series[:left], [room], known, force=True)) == number - left
    window = LOOKING.window(NOW)
    seen = Snapshot("sales", window, tuple(series[:left]))
    verdict = keep(LOOKING, PULLS, seen, {room.key: room}, {str(one.key): one for one in known}, NOW)
    assert (verdict.held, bool(verdict.reason)) == ((number - left, True) if not off else (0, False))


def test_a_series_that_moves_within_its_room_is_no_removal() -> None:
    room, series = in_a_room(10)
    known = list(kept(series, [room]).values())
    later = [
        replace(m, key=replace(m.key, recurrence_id=m.start + HOUR), start=m.end, end=m.end + HOUR) for m in series
    ]
    found = kept(later, [room], known)
    assert sum(one.off for one in found.values()) == 10
    assert sum(one.session == "room" for one in found.values()) == 10
    assert sum(one.off for one in kept(later[:2], [room], known).values()) == 2, "eight are gone: that is held"


@pytest.mark.parametrize("minutes", [14, 0, -30])
def test_an_occurrence_that_runs_or_is_about_to_start_is_not_taken_off_by_absence(minutes: int) -> None:
    room, series = in_a_room(first=NOW + timedelta(minutes=minutes))
    known = list(kept(series, [room]).values())
    assert kept(series[1:], [room], known) == {}
    assert len(kept([replace(series[0], cancelled=True), *series[1:]], [room], known)) == 1, "an explicit word counts"


def test_a_route_that_changes_to_rooms_keeps_its_meetings() -> None:
    """The occurrences' own links are cancelled for the room's sake."""
    room, series = in_a_room()
    own = [link_of(one, state=LinkState.CANCELLED) for one in series]
    known = list(kept(series, [link_of(one) for one in series]).values())
    found = kept(series, [room, *own], known)
    assert [one.session for one in found.values()] == ["room"] * 4


def test_a_single_meeting_that_becomes_a_series_in_its_room_is_not_there_twice() -> None:
    room, series = in_a_room()
    single = of(meeting("weekly", SOON), room)
    found = kept(series, [room], [single])
    assert found[str(single.key)].off
    assert len(found) == 5


def test_those_who_declined_are_nobody_to_tell() -> None:
    ana = Participant("ana@example.com", "Ana", declined=True)
    wish = meeting(participants=(ana, Participant("jon@example.com")))
    assert [p.email for p in of(wish, link_of(wish)).people] == ["jon@example.com"]
    keeping = replace(LOOKING, declined="keep")
    assert len(the_one(kept([wish], [link_of(wish)], route=keeping)).people) == 2
