"""One standing room for a series: which meetings it takes, and what it looks like as time goes by."""

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from sync.model import Finding, Meeting, MeetingKey, Participant, RecurrenceId, Role
from sync.rooms import in_rooms, one_room_a_series
from sync.route import Match
from tests.unit.builders import HOUR, JON, MARA, NOW, ROUTE, SOON, key, meeting

WEEK = timedelta(days=7)
ROOM = key("w")
SERIES = replace(ROUTE, series="room", vendor_hosts=frozenset({"rooms.example"}))
FOREIGN = ("https://zoom.example/j/1",)


def occurrence(number: int, *, name: str = "w", rid: RecurrenceId = None, **values: Any) -> Meeting:
    """The occurrence of the weekly series that is `number` weeks from tomorrow."""
    start: datetime = values.pop("start", SOON + number * WEEK)
    named = replace(key(name), recurrence_id=rid or SOON + number * WEEK)
    return replace(meeting(name, start=start), key=named, **values)


def by_key(*meetings: Meeting) -> dict[MeetingKey, Meeting]:
    return {one.key: one for one in meetings}


def the_room(*meetings: Meeting, now: datetime = NOW) -> Meeting:
    """The one room of these occurrences, which stands under the series' own key."""
    ((name, room),) = one_room_a_series(by_key(*meetings), now).items()
    assert name == room.key == ROOM
    return room


def test_a_series_is_one_meeting_from_its_next_occurrence_to_its_last() -> None:
    room = the_room(*[occurrence(n, title=f"Week {n}") for n in (2, 0, 1)])
    assert (room.title, room.start, room.end) == ("Week 0", SOON, SOON + 2 * WEEK + HOUR)


@pytest.mark.parametrize(
    ("now", "title"),
    [
        (SOON - HOUR, "Week 0"),
        (SOON + HOUR / 2, "Week 0"),  # it runs
        (SOON + HOUR, "Week 1"),  # it ends at this very instant
        (SOON + WEEK + HOUR, "Week 2"),
        (SOON + 5 * WEEK, "Week 2"),  # all are over: it looks like the last one
    ],
)
def test_the_room_looks_like_the_occurrence_that_is_next(now: datetime, title: str) -> None:
    room = the_room(*[occurrence(n, title=f"Week {n}") for n in range(3)], now=now)
    assert room.title == title
    assert room.end == SOON + 2 * WEEK + HOUR


def test_next_is_next_by_time_and_not_by_name() -> None:
    moved = occurrence(2, title="Brought forward", start=SOON - HOUR)
    assert the_room(occurrence(0), occurrence(1), moved).title == "Brought forward"


def test_an_early_occurrence_that_ends_last_keeps_the_room_open() -> None:
    long = occurrence(0, end=SOON + 3 * WEEK)
    assert the_room(long, occurrence(1)).end == SOON + 3 * WEEK


def test_dates_name_occurrences_as_well_as_times_do() -> None:
    days = [occurrence(n, rid=date(2026, 11, 24) + n * WEEK) for n in range(2)]
    assert the_room(*days).end == SOON + WEEK + HOUR


def test_a_cancelled_occurrence_neither_closes_nor_shapes_the_room() -> None:
    room = the_room(
        occurrence(0, cancelled=True, title="Off", participants=(MARA,)),
        occurrence(1, title="On"),
        occurrence(2, cancelled=True),
    )
    assert (room.cancelled, room.title, room.end) == (False, "On", SOON + WEEK + HOUR)
    assert room.participants == (JON,)


def test_the_room_is_cancelled_when_all_of_its_occurrences_are() -> None:
    assert the_room(*[occurrence(n, cancelled=True) for n in range(3)]).cancelled


class TestPeople:
    ann = Participant("ann@example.com", "Ann")

    def test_the_room_is_for_everybody_who_still_comes_to_an_occurrence(self) -> None:
        past = occurrence(-1, participants=(Participant("left@example.com"),))
        room = the_room(past, occurrence(0, participants=(JON, MARA)), occurrence(1, participants=(self.ann, JON)))
        assert {p.email for p in room.participants} == {JON.email, MARA.email, self.ann.email}

    def test_somebody_has_the_role_of_the_next_occurrence(self) -> None:
        hosting = replace(JON, role=Role.MODERATOR)
        room = the_room(occurrence(1), occurrence(0, participants=(hosting,)))
        assert room.participants == (hosting,)

    def test_after_the_last_occurrence_its_people_stay(self) -> None:
        both = [occurrence(0, participants=(MARA,)), occurrence(1, participants=(self.ann,))]
        assert the_room(*both, now=SOON + 5 * WEEK).participants == (self.ann,)


def test_findings_and_links_are_said_once() -> None:
    twice, once = Finding("a", "said"), Finding("b", "said too")
    link, other = "https://rooms.example/1", "https://rooms.example/2"
    room = the_room(
        occurrence(-1, findings=(Finding("c", "over"),)),
        occurrence(0, findings=(twice,), conference_links=(link,)),
        occurrence(1, findings=(twice, once), conference_links=(link, other)),
    )
    assert room.findings == (twice, once)
    assert room.conference_links == (link, other)


def test_single_meetings_and_other_series_are_left_as_they_are() -> None:
    single, other = meeting("s"), occurrence(0, name="v")
    rooms = one_room_a_series(by_key(single, occurrence(0), occurrence(1), other), NOW)
    assert set(rooms) == {single.key, ROOM, key("v")}
    assert rooms[single.key] is single


def test_the_room_does_not_depend_on_the_order_of_what_was_read() -> None:
    weeks = [occurrence(n, title=f"Week {n}", participants=(JON,) if n else (MARA,)) for n in range(3)]
    assert the_room(*weeks) == the_room(*reversed(weeks))


class TestWhichMeetingsTheRouteTakes:
    def test_a_foreign_link_leaves_a_series_alone_that_has_no_room(self) -> None:
        selection = in_rooms(SERIES, [occurrence(0, conference_links=FOREIGN)], frozenset(), NOW)
        assert selection.taken == {}
        assert [finding.code for finding in selection.left.values()] == ["existing-link"]
        assert set(selection.left) == {ROOM}

    def test_a_room_is_not_given_up_for_a_foreign_link_that_is_added_later(self) -> None:
        weeks = [occurrence(n, conference_links=FOREIGN) for n in range(2)]
        selection = in_rooms(SERIES, weeks, frozenset({ROOM}), NOW)
        assert (set(selection.taken), selection.left) == ({ROOM}, {})

    def test_another_series_room_does_not_vouch_for_this_one(self) -> None:
        selection = in_rooms(SERIES, [occurrence(0, conference_links=FOREIGN)], frozenset({key("v")}), NOW)
        assert selection.taken == {}

    def test_the_rooms_own_link_is_no_foreign_one(self) -> None:
        ours = occurrence(0, conference_links=("https://rooms.example/1",))
        assert set(in_rooms(SERIES, [ours], frozenset(), NOW).taken) == {ROOM}

    def test_a_series_that_is_taken_in_part_is_taken_and_not_left(self) -> None:
        weeks = [occurrence(0, title="Private"), occurrence(1, title="Sales")]
        route = replace(SERIES, match=Match(summary=re.compile("Sales")))
        selection = in_rooms(route, weeks, frozenset(), NOW)
        assert (selection.taken[ROOM].title, selection.left) == ("Sales", {})

    def test_a_series_that_is_not_the_routes_is_left_under_the_rooms_key(self) -> None:
        route = replace(SERIES, match=Match(summary=re.compile("Sales")))
        selection = in_rooms(route, [occurrence(0), meeting("s")], frozenset({ROOM}), NOW)
        assert set(selection.left) == {ROOM, key("s")}
        assert selection.taken == {}
