"""Personal links: when those that are made on request are due, and what is kept of those that the vendor lists."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from sync.keep_up import ASKED, with_listed_links
from sync.ledger.records import DOUBT, GONE, Link, LinkState
from sync.model import Invitee, Limits, Meeting, Role
from sync.personal import RENEW, _purpose, due_links
from tests.unit.builders import FULL, HOUR, JON, MARA, NOW, SOON, link_of, meeting

LIFE = timedelta(days=5)
SECOND = timedelta(seconds=1)
MINTS = replace(
    FULL,
    invite=False,
    create_invites=False,
    personal_links=True,
    mints_links=True,
    personal_relinks_on=frozenset({"start", "end"}),
)
LIVING = replace(MINTS, limits=Limits(link_life=LIFE))


def showing(link: Link, wish: Meeting) -> Link:
    """The link after a pass that saw the wish."""
    return replace(link, title=wish.title, start=wish.start, end=wish.end)


def due(wish: Meeting, link: Link, now: datetime = NOW, capabilities: Any = MINTS) -> list[str]:
    """The addresses of those who need a link now."""
    found = due_links([showing(link, wish)], capabilities, now)
    return [person.email for _, people in found for person in people]


def minted(wish: Meeting, capabilities: Any = MINTS, *, expires: datetime | None = None, **values: Any) -> Link:
    """The link of a meeting whose participants have the links that the minter would have given them."""
    purposes = {p.email: _purpose(p, link_of(wish), capabilities) for p in link_of(wish).invitees}
    people = (
        replace(p, personal_link="https://v.example/p", link_for=purposes[p.email], link_expires=expires)
        for p in link_of(wish).invitees
    )
    return replace(link_of(wish), invitees=tuple(people), **values)


class TestWhoIsDue:
    def test_everybody_without_a_link(self) -> None:
        wish = meeting(participants=(JON, MARA))
        assert due(wish, link_of(wish)) == [JON.email, MARA.email]

    def test_nobody_who_has_one_for_this_very_purpose(self) -> None:
        assert due(meeting(), minted(meeting())) == []

    def test_nobody_at_a_vendor_that_makes_none(self) -> None:
        assert due(meeting(), link_of(meeting()), capabilities=replace(MINTS, mints_links=False)) == []

    def test_nobody_whom_the_vendor_refused_until_the_purpose_changes(self) -> None:
        link = minted(meeting())
        refused = replace(link, invitees=(replace(link.invitees[0], personal_link=""),))
        assert due(meeting(), refused) == []
        assert due(meeting(end=SOON + 3 * HOUR), refused) == [JON.email]

    def test_nobody_who_is_gone_from_the_calendar(self) -> None:
        wish = meeting(participants=(JON, MARA))
        link = link_of(wish)
        gone = replace(link, invitees=(replace(link.invitees[0], stale=GONE), link.invitees[1]))
        assert due(wish, gone) == [MARA.email]

    @pytest.mark.parametrize(
        "values",
        [
            {"state": LinkState.CANCELLED},
            {"state": LinkState.PENDING, "session": None},
        ],
    )
    def test_nobody_of_a_meeting_that_is_not_live(self, values: dict[str, Any]) -> None:
        assert due(meeting(), link_of(meeting(), **values)) == []

    @pytest.mark.parametrize("state", [LinkState.QUARANTINED, LinkState.IN_DOUBT])
    def test_everybody_of_a_meeting_that_is_set_aside_but_takes_place(self, state: LinkState) -> None:
        assert due(meeting(), link_of(meeting(), state=state)) == [JON.email]

    @pytest.mark.parametrize(
        ("now", "wanted"), [(SOON + HOUR - SECOND, True), (SOON + HOUR, False), (SOON + 2 * HOUR, False)]
    )
    def test_nobody_when_it_is_over(self, now: datetime, wanted: bool) -> None:
        assert bool(due(meeting(), link_of(meeting()), now)) is wanted


class TestTime:
    @pytest.mark.parametrize(
        ("now", "made"),
        [
            (SOON - LIFE - SECOND, False),
            (SOON - LIFE, False),  # not nearer than its life, but exactly that
            (SOON - LIFE + SECOND, True),
            (SOON, True),
            (SOON + HOUR / 2, True),
        ],
    )
    def test_a_link_is_made_only_when_the_start_is_nearer_than_its_longest_life(
        self, now: datetime, made: bool
    ) -> None:
        assert bool(due(meeting(), link_of(meeting()), now, LIVING)) is made
        assert due(meeting(), link_of(meeting()), now, MINTS) == [JON.email], "without a limit it is made at once"

    @pytest.mark.parametrize(
        ("expires", "now", "again"),
        [
            (None, SOON, False),
            (SOON + HOUR, SOON + HOUR - SECOND, False),  # it lives until the very end
            (SOON + HOUR - SECOND, SOON - RENEW + HOUR - 2 * SECOND, False),
            (SOON + HOUR - SECOND, SOON - RENEW + HOUR - SECOND, True),
            (SOON + HOUR - SECOND, SOON - LIFE + SECOND, False),  # it ends too early, but there is time
            (SOON, SOON + HOUR / 2, True),  # it has expired while the meeting runs
        ],
    )
    def test_one_that_ends_before_the_meeting_is_made_anew_some_hours_before_it_expires(
        self, expires: datetime | None, now: datetime, again: bool
    ) -> None:
        assert bool(due(meeting(), minted(meeting(), LIVING, expires=expires), now, LIVING)) is again

    @pytest.mark.parametrize(("left", "again"), [(HOUR + SECOND, False), (HOUR, True)])
    def test_a_short_lived_one_is_made_anew_at_half_of_its_life(self, left: timedelta, again: bool) -> None:
        short = replace(MINTS, limits=Limits(link_life=2 * HOUR))
        long = meeting(length=8 * HOUR)
        link = minted(long, short, expires=SOON + 3 * HOUR)
        assert bool(due(long, link, SOON + 3 * HOUR - left, short)) is again

    def test_in_a_standing_room_it_is_made_for_the_occurrence_that_is_next(self) -> None:
        far = meeting(start=SOON + LIFE, length=20 * LIFE)
        assert due(far, link_of(far), NOW, LIVING) == []
        near = replace(far, start=SOON)
        assert due(near, link_of(far), NOW, LIVING) == [JON.email], "the ledger's time counts, not what was applied"
        link = minted(near, LIVING, expires=SOON + LIFE)
        assert due(near, link, SOON + LIFE - RENEW - SECOND, LIVING) == []
        assert due(near, link, SOON + LIFE - RENEW, LIVING) == [JON.email]
        following = replace(near, start=SOON + 2 * LIFE)
        assert due(following, link, SOON + LIFE - RENEW, LIVING) == [], "nobody needs one between two occurrences"


class TestPurpose:
    @pytest.mark.parametrize(
        ("capabilities", "change", "again"),
        [
            (MINTS, {"start": SOON - HOUR}, True),
            (MINTS, {"end": SOON + 2 * HOUR}, True),
            (MINTS, {"title": "New"}, False),
            (replace(MINTS, holds=frozenset({"title"})), {"start": SOON - HOUR}, True),  # times count, held or not
            (replace(MINTS, personal_relinks_on=frozenset()), {"start": SOON - HOUR}, False),
            (replace(MINTS, personal_relinks_on=frozenset({"title"})), {"title": "New"}, True),
        ],
    )
    def test_it_changes_with_the_fields_that_void_the_links_and_no_others(
        self, capabilities: Any, change: dict[str, Any], again: bool
    ) -> None:
        link = minted(meeting(), capabilities)
        assert bool(due(replace(meeting(), **change), link, capabilities=capabilities)) is again

    def test_it_changes_with_the_role_of_that_person_alone(self) -> None:
        wish = meeting(participants=(JON, MARA))
        link = minted(wish)
        people = (replace(link.invitees[0], role=Role.OBSERVER), link.invitees[1])
        assert due(wish, replace(link, invitees=people)) == [JON.email]

    def test_the_same_instant_in_another_zone_is_the_same_purpose(self) -> None:
        wish = meeting()
        assert due(replace(wish, start=wish.start.astimezone(timezone(HOUR))), minted(wish)) == []


class TestListed:
    """Links that the vendor shows with its list of participants."""

    def after(self, *listed: Invitee, **jons: Any) -> list[tuple[str | None, str]]:
        """Link and mark of Jon and Mara after the vendor's list was looked at."""
        link = link_of(meeting(participants=(JON, MARA)))
        jon, mara = link.invitees
        looked = with_listed_links(replace(link, invitees=(replace(jon, **jons), mara)), listed)
        return [(person.personal_link, person.link_for) for person in looked.invitees]

    def test_each_gets_their_own_whatever_the_case_of_the_address(self) -> None:
        listed = (
            Invitee("2", MARA.email, personal_link="/mara"),
            Invitee("1", JON.email.upper(), personal_link="/jon"),
        )
        assert self.after(*listed) == [("/jon", ""), ("/mara", "")]

    @pytest.mark.parametrize("shown", [None, ""])
    def test_who_has_none_or_is_not_there_is_marked_as_asked_for(self, shown: str | None) -> None:
        assert self.after(Invitee("1", JON.email, personal_link=shown)) == [(None, ASKED), (None, ASKED)]

    def test_of_two_registrations_of_one_address_the_first_with_a_link_counts(self) -> None:
        twice = (
            Invitee("1", JON.email),
            Invitee("2", JON.email, personal_link="/2"),
            Invitee("3", JON.email, None, "", "/3"),
        )
        assert self.after(*twice)[0] == ("/2", "")

    @pytest.mark.parametrize(
        "jons",
        [{"personal_link": "/known"}, {"personal_link": ""}, {"stale": GONE}, {"stale": DOUBT}, {"link_for": ASKED}],
    )
    def test_nobody_else_is_touched(self, jons: dict[str, Any]) -> None:
        before = (jons.get("personal_link"), jons.get("link_for", ""))
        assert self.after(Invitee("1", JON.email, personal_link="/other"), **jons)[0] == before
