"""What we wrote into a source is not read back from it: the meeting reads as if we had never been there."""

from dataclasses import replace
from typing import Any

import pytest

from sync.links_back.echo import all_without_ours, without_ours
from sync.model import Meeting
from sync.snapshot import Snapshot
from tests.unit.builders import NOW, ROUTE, meeting

OURS = "https://vendor.example/join/17"
FORMER = "https://vendor.example/join/9?pwd=a&x=1"
THEIRS = "https://zoom.example/j/5"


def seen(**values: Any) -> Meeting:
    return without_ours(meeting(**values), (OURS, FORMER))


@pytest.mark.parametrize(
    "location", [OURS, FORMER, f" {OURS}\n", f"{OURS}/", f"<{OURS}>"], ids=["as it is", "former", "space", "/", "<>"]
)
def test_a_location_that_is_our_link_is_none(location: str) -> None:
    assert seen(location=location) == meeting()


@pytest.mark.parametrize(
    "location", ["Room 5", "", THEIRS, f"{OURS}8", f"{OURS}/8", f"Room 5, {OURS}", "https://vendor.example/join/1"]
)
def test_any_other_location_is_the_meetings(location: str) -> None:
    assert seen(location=location) == meeting(location=location)


@pytest.mark.parametrize(
    ("description", "left"),
    [
        (f"Join: {OURS}", ""),
        (f"Agenda\n\nJoin: {OURS}", "Agenda"),
        (f"Agenda\r\n\r\nJoin: {OURS}\r\n", "Agenda"),
        (f"Agenda\n\nJoin: {OURS}\n\n  \n", "Agenda"),
        (f"Join: {OURS}\n\n  Agenda", "  Agenda"),
        (f"One \n\nJoin: {FORMER}\nTwo\n\nJoin: {OURS}", "One \n\nTwo"),
        (f'<a href="{OURS}">{OURS}</a>\nAgenda', "Agenda"),
        (f"See {OURS}. Bye\nAgenda", "Agenda"),
        (f"{OURS}8 and {OURS}\nAgenda", "Agenda"),
    ],
)
def test_lines_with_our_link_are_dropped_with_the_blank_ones_that_they_leave(description: str, left: str) -> None:
    assert seen(description=description) == meeting(description=left)


@pytest.mark.parametrize(
    "description",
    [
        "Agenda\n\n",
        f"Join: {THEIRS}\n\n",
        f"Join: {OURS}8\n",
        f"Join: {OURS}/8\n",
        f"Join: {OURS}.html\n",
        f"Join: {OURS}?pwd=1\n",
        "vendor.example/join/17",
    ],
)
def test_a_description_without_our_link_stays_as_it_is_to_the_last_byte(description: str) -> None:
    assert seen(description=description) == meeting(description=description)


def test_our_link_is_no_conference_and_somebody_elses_is() -> None:
    assert seen(conference_links=(OURS, THEIRS, f"{FORMER}/")) == meeting(conference_links=(THEIRS,))


def test_what_is_not_ours_is_the_very_same_meeting() -> None:
    untouched = meeting(location="Room 5", description=f"Join: {THEIRS}", conference_links=(THEIRS,))
    assert without_ours(untouched, (OURS,)) is untouched


def test_a_series_may_show_the_links_of_its_other_occurrences_and_no_other_meeting_may() -> None:
    first, second = meeting("m1", location=OURS), meeting("m1", location=OURS)
    second = replace(second, key=replace(second.key, recurrence_id=NOW))
    other = meeting("m2", location=OURS)
    snapshot = Snapshot("sales", ROUTE.window(NOW), (first, second, other))
    read = all_without_ours(snapshot, {first.key.uid: frozenset({OURS})})
    assert [one.location for one in read.meetings] == ["", "", OURS]
    assert all_without_ours(snapshot, {}) is snapshot
