"""Routes: which meetings they take, and why they leave the others."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from sync.model import Meeting
from sync.route import Match, select
from tests.unit.builders import NOW, ROUTE, key, meeting

WEBINAR = meeting(
    title="Quarterly webinar", categories=("Webinar", "Blue"), location="Room 7", organizer="Mara@Example.com"
)


@pytest.mark.parametrize(
    ("match", "reason"),
    [
        (Match(), None),
        (Match(categories=("webinar",)), None),
        (Match(categories=("Red", "BLUE")), None),
        (Match(categories=("Red",)), "categories"),
        (Match(categories=("Web",)), "categories"),  # whole names, not parts
        (Match(summary=re.compile("web")), None),
        (Match(summary=re.compile("^web")), "summary"),
        (Match(location=re.compile(r"Room \d")), None),
        (Match(location=re.compile(r"^$")), "location"),
        (Match(organizer=("@example.com",)), None),
        (Match(organizer=("@other.org", "MARA@EXAMPLE.COM")), None),
        (Match(organizer=("@ample.com",)), "organizer"),
        (Match(categories=("Webinar",), summary=re.compile("nothing")), "summary"),  # all of them must hold
    ],
)
def test_a_route_takes_what_meets_all_its_conditions(match: Match, reason: str | None) -> None:
    selection = select(replace(ROUTE, match=match), [WEBINAR], frozenset())
    assert (WEBINAR.key in selection.taken) is (reason is None)
    assert [(f.code, reason in f.message) for f in selection.left.values()] == [("not-matched", True)] * bool(reason)


def test_a_meeting_without_an_organizer_is_not_some_organizers() -> None:
    route = replace(ROUTE, match=Match(organizer=("@example.com",)))
    assert select(route, [meeting(organizer="")], frozenset()).taken == {}


OURS = {"vendor_hosts": frozenset({"vendor.example"})}


@pytest.mark.parametrize(
    ("links", "options", "linked", "taken"),
    [
        ((), {}, False, True),
        (("https://zoom.example/j/1",), {}, False, False),
        (("https://zoom.example/j/1",), {"existing_link": "add"}, False, True),
        (("https://zoom.example/j/1",), {}, True, True),  # a session that is there is not given up
        (("https://vendor.example/1",), OURS, False, True),
        (
            ("https://vendor.example/1", "https://zoom.example/2"),
            OURS,
            False,
            False,
        ),
        (("https://VENDOR.example:8443/1",), OURS, False, True),
        (("not a link",), {}, False, True),
    ],
)
def test_a_meeting_that_carries_a_foreign_link_is_left_alone(
    links: tuple[str, ...], options: dict[str, str], linked: bool, taken: bool
) -> None:
    wish = meeting(conference_links=links)
    selection = select(replace(ROUTE, **options), [wish], frozenset({wish.key} if linked else ()))
    assert (wish.key in selection.taken) is taken
    if not taken:
        finding = selection.left[wish.key]
        assert finding.code == "existing-link"
        assert "zoom.example" in finding.message
        assert "/j/1" not in finding.message


def test_a_cancelled_meeting_with_a_foreign_link_is_still_taken_so_that_its_session_goes() -> None:
    wish = meeting(conference_links=("https://zoom.example/j/1",), cancelled=True)
    assert wish.key in select(ROUTE, [wish], frozenset()).taken


def test_every_meeting_is_either_taken_or_left() -> None:
    meetings: list[Meeting] = [meeting(f"m{n}", categories=("A",) if n % 2 else ()) for n in range(10)]
    selection = select(replace(ROUTE, match=Match(categories=("A",))), meetings, frozenset())
    assert set(selection.taken) | set(selection.left) == {m.key for m in meetings}
    assert not set(selection.taken) & set(selection.left)
    assert list(selection.taken) == [key(f"m{n}") for n in range(1, 10, 2)]


def test_a_broken_link_in_a_calendar_does_not_stop_the_selection() -> None:
    wish = meeting(conference_links=("https://[broken/", "https://host:port/x"))
    selection = select(ROUTE, [wish, meeting("m2")], frozenset())
    assert key("m2") in selection.taken


def test_the_window_reaches_from_behind_to_ahead() -> None:
    window = replace(ROUTE, ahead=timedelta(days=2), behind=timedelta(hours=3)).window(NOW)
    assert (window.start, window.end) == (NOW - timedelta(hours=3), NOW + timedelta(days=2))
