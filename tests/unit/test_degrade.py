"""Degrading: what a vendor can hold of a wish, and that every loss is told."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from sync.degrade import ASSUMED_LENGTH, UNTITLED, degrade, held_fields, instant_text, wish_digest
from sync.model import Capabilities, Limits, Meeting, Participant, Role
from sync.route import Route
from tests.unit.builders import FULL, HOUR, JON, MARA, ROUTE, SOON, meeting

SECOND = timedelta(seconds=1)


def degraded(wish: Meeting, capabilities: Capabilities = FULL, route: Route = ROUTE) -> tuple[Meeting, list[str]]:
    got = degrade(wish, capabilities, route)
    return got, [finding.code for finding in got.findings]


def limited(**limits: object) -> Capabilities:
    return replace(FULL, limits=Limits(**limits))


def test_a_wish_that_fits_stays_as_it_is() -> None:
    assert degrade(meeting(), FULL, ROUTE) == meeting()


def test_degrading_twice_changes_no_value() -> None:
    wish = meeting(title="\x1b x" * 90, end=SOON, participants=(JON, MARA))
    capabilities = limited(title=20, participants=1, whole_minutes=True)
    once = degrade(wish, capabilities, ROUTE)
    again = degrade(once, capabilities, ROUTE)
    assert replace(again, findings=()) == replace(once, findings=())


@pytest.mark.parametrize(
    ("title", "shown", "codes"),
    [
        ("  a\t b\r\nc  ", "a b c", []),
        ("a\x00b\x1b[31m\x7f\x85c", "a b [31m c", []),
        ("a\u2028b\u2029c", "a b c", []),
        ("a\ud800b", "a?b", []),
        ("Grüße 👋🏽 e\u0301", "Grüße 👋🏽 e\u0301", []),
        ("", UNTITLED, ["untitled"]),
        (" \n\x07 ", UNTITLED, ["untitled"]),
        ("x" * 20, "x" * 20, []),
        ("x" * 21, "x" * 19 + "…", ["title-cut"]),
        ("x" * 18 + " yz", "x" * 18 + "…", ["title-cut"]),
    ],
)
def test_the_title_is_one_clean_line_within_the_limit(title: str, shown: str, codes: list[str]) -> None:
    got, found = degraded(meeting(title=title), limited(title=20))
    assert (got.title, found) == (shown, codes)
    assert len(got.title) <= 20


@pytest.mark.parametrize(
    ("length", "limits", "expected", "codes"),
    [
        (HOUR, {}, HOUR, []),
        (0 * HOUR, {}, ASSUMED_LENGTH, ["duration-assumed"]),
        (-HOUR, {}, ASSUMED_LENGTH, ["duration-assumed"]),
        (61 * SECOND, {}, 61 * SECOND, []),
        (61 * SECOND, {"whole_minutes": True}, 120 * SECOND, ["duration-rounded"]),
        (60 * SECOND, {"whole_minutes": True}, 60 * SECOND, []),
        (60 * SECOND, {"whole_minutes": True, "min_minutes": 5}, 300 * SECOND, ["duration-rounded"]),
        (0 * HOUR, {"whole_minutes": True}, ASSUMED_LENGTH, ["duration-assumed"]),
    ],
)
def test_the_length_is_one_that_the_vendor_knows(
    length: timedelta, limits: dict[str, object], expected: timedelta, codes: list[str]
) -> None:
    got, found = degraded(meeting(length=length), limited(**limits))
    assert (got.start, got.end - got.start, found) == (SOON, expected, codes)


def test_fractions_of_a_second_are_dropped() -> None:
    half = timedelta(microseconds=500_000)
    got, found = degraded(meeting(start=SOON + half))
    assert (got.start, got.end, found) == (SOON, SOON + HOUR, [])


@pytest.mark.parametrize("name", ["description", "location"])
def test_a_field_that_is_not_stored_is_told_only_where_there_is_one(name: str) -> None:
    assert degraded(meeting(**{name: "text"}))[1] == ["field-unsupported"]
    assert degraded(meeting(**{name: "text"}), replace(FULL, holds=FULL.holds | {name}))[1] == []
    assert degraded(meeting())[1] == []


class TestParticipants:
    def test_they_are_in_the_order_of_their_addresses(self) -> None:
        one, _ = degraded(meeting(participants=(MARA, JON)))
        two, _ = degraded(meeting(participants=(JON, MARA)))
        assert one.participants == two.participants == (JON, MARA)

    @pytest.mark.parametrize(
        ("route", "capabilities", "people"),
        [
            (ROUTE, FULL, 1),
            (replace(ROUTE, declined="keep"), FULL, 2),
            (replace(ROUTE, invite="none"), FULL, 0),
            (ROUTE, replace(FULL, invite=False), 0),
        ],
    )
    def test_policy_and_vendor_say_who_is_registered(
        self, route: Route, capabilities: Capabilities, people: int
    ) -> None:
        wish = meeting(participants=(replace(JON, declined=True), MARA))
        got, _ = degraded(wish, capabilities, route)
        assert len(got.participants) == people

    def test_a_role_that_the_vendor_lacks_becomes_participant_and_is_told(self) -> None:
        observer = Participant("o@example.com", role=Role.OBSERVER)
        capabilities = replace(FULL, roles=frozenset({Role.MODERATOR, Role.PARTICIPANT}))
        got, found = degraded(meeting(participants=(observer, MARA)), capabilities)
        assert {p.email: p.role for p in got.participants} == {
            "o@example.com": Role.PARTICIPANT,
            MARA.email: Role.MODERATOR,
        }
        assert found == ["role-unsupported"]

    def test_when_there_are_too_many_the_moderators_stay(self) -> None:
        many = tuple(Participant(f"a{n}@example.com") for n in range(5))
        got, found = degraded(meeting(participants=(*many, MARA)), limited(participants=3))
        assert len(got.participants) == 3
        assert MARA in got.participants
        assert found == ["participants-cut"]
        assert "takes 3 participants: 3 more (a2@example.com" in got.findings[0].message

    @pytest.mark.parametrize(
        ("invite", "can_mail", "people", "codes"),
        [
            ("email", False, (JON,), ["mail-unsupported"]),
            ("email", True, (JON,), []),
            ("email", False, (), []),
            ("register", False, (JON,), []),
        ],
    )
    def test_a_vendor_that_cannot_mail_says_so(
        self, invite: str, can_mail: bool, people: tuple[Participant, ...], codes: list[str]
    ) -> None:
        route, capabilities = replace(ROUTE, invite=invite), replace(FULL, vendor_mail=can_mail)
        assert degraded(meeting(participants=people), capabilities, route)[1] == codes


def test_held_fields_are_those_that_the_vendor_stores_as_texts_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    wish = meeting(start=SOON.astimezone(berlin), description="about", location="here")
    assert held_fields(wish, replace(FULL, holds=frozenset({"start", "title", "location"}))) == {
        "title": "Meeting m1",
        "start": "2026-11-24T06:00:00Z",
        "location": "here",
    }


def test_instants_are_written_to_the_second_in_utc() -> None:
    plus = timezone(timedelta(hours=5, minutes=45))
    assert instant_text(datetime(2026, 12, 1, 0, 0, 0, 999, plus)) == "2026-11-30T18:15:00Z"


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"title": "Other"}, True),
        ({"start": SOON + SECOND}, True),
        ({"participants": (replace(JON, name="J."),)}, True),
        ({"participants": (replace(JON, role=Role.OBSERVER),)}, True),
        ({"participants": ()}, True),
        ({"description": "not held"}, False),
        ({"categories": ("A",)}, False),
        ({"start": SOON.astimezone(timezone(HOUR))}, False),
    ],
)
def test_the_digest_of_a_wish_changes_with_what_would_be_sent_and_only_then(
    change: dict[str, object], differs: bool
) -> None:
    assert (wish_digest(meeting(**change), FULL) != wish_digest(meeting(), FULL)) is differs
