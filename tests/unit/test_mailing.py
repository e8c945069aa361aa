"""Who is mailed what and when: planned from the ledger, sent to a real mail server, and not mailed again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from connectors.mail import MailSettings, SmtpMailer
from daemon.database import open_ledger
from sync.errors import Refused, UnknownOutcome, Unreachable
from sync.ledger.records import DOUBT, GONE, Link, LinkState, Mail, MailState, Occurrence, Registered
from sync.ledger.store import Ledger
from sync.links_back.mail_plan import KEPT, LOST, MailPlan, Situation, due_mails, way_in
from sync.links_back.mailing import FIRST_BACKOFF, LONGEST_BACKOFF, MOST_ATTEMPTS, Mailing
from sync.model import Capabilities, Limits, MeetingKey, Participant, Role
from sync.outlets import Invitation
from tests.clock import ManualClock
from tests.unit.builders import FULL, HOUR, JON, MARA, NOW, ROUTE, SOON, key
from tests.unit.mail_server import DROP, Letter, Post, mail_server

EMAIL_ROUTE = replace(ROUTE, invite="email")
OPEN = replace(FULL, vendor_mail=False)
"""A vendor with one link for everybody."""
OWN = replace(OPEN, personal_links=True, mints_links=True, invite=False)
"""A vendor that makes each participant's own link on request."""
ANN = Participant("ann@example.com", "Ann Ash", Role.OBSERVER)
KEY = str(key())


def occurrence(**values: Any) -> Occurrence:
    """A meeting with Jon and Ann that Mara organises."""
    one = Occurrence("sales", key(), KEY, "main", "s-1", "Review", SOON, SOON + HOUR)
    return replace(one, **{"organizer": MARA.email, "people": (ANN, JON, MARA), **values})


def personal(email: str, version: int = 1) -> str:
    return f"https://v.example/own/{email.partition('@')[0]}/{version}"


def link(**values: Any) -> Link:
    """The session's, with a personal link for each of the people."""
    people = tuple(
        Registered(p.email, p.name, p.role, personal_link=personal(p.email), link_for="x") for p in (ANN, JON, MARA)
    )
    one = Link(
        "sales",
        key(),
        "main",
        "marker",
        LinkState.LIVE,
        "s-1",
        "Review",
        SOON,
        SOON + HOUR,
        "https://v.example/all",
        {},
        people,
    )
    return replace(one, **values)


def with_person(email: str, **values: Any) -> Link:
    return link(invitees=tuple(replace(p, **values) if p.email == email else p for p in link().invitees))


def situation(
    occurrences: Iterable[Occurrence] = (), links: Iterable[Link] = (), capabilities: Capabilities = OPEN, **values: Any
) -> Situation:
    by_key = {str(one.key): one for one in occurrences}
    made = Situation("here", "sales", by_key, {str(one.key): one for one in links}, capabilities, NOW)
    return replace(made, **values)


def plan(one: Occurrence | None, mails: Iterable[Mail] = (), the_link: Link | None = None, **values: Any) -> MailPlan:
    return due_mails(situation([one] if one else [], [the_link or link()], **values), mails)


def sent(the_plan: MailPlan, **values: Any) -> list[Mail]:
    """The records of a plan's mails after they were taken."""
    taken = {"state": MailState.SENT, "invited": True, **values}
    return [replace(due.mail, **taken) for due in the_plan.due]


def told(the_plan: MailPlan) -> list[tuple[str, str, int]]:
    return [(due.mail.email, due.mail.method, due.mail.sequence) for due in the_plan.due]


BOTH_INVITED = [(ANN.email, "REQUEST", 0), (JON.email, "REQUEST", 0)]
BOTH_CANCELLED = [(ANN.email, "CANCEL", 1), (JON.email, "CANCEL", 1)]


class TestPlanning:
    def test_everybody_but_the_organizer_is_invited_under_one_uid(self) -> None:
        made = plan(occurrence())
        assert told(made) == BOTH_INVITED
        assert len({due.mail.uid for due in made.due}) == 1
        assert len({due.mail.message_id for due in made.due}) == 2
        assert {due.mail.organizer for due in made.due} == {"Mara Moe"}
        assert made.due[0].mail.uid != KEY

    def test_the_uid_is_the_meetings_for_ever_and_nobody_elses(self) -> None:
        (first, *_), (again, *_) = plan(occurrence()).due, plan(occurrence(title="New")).due
        assert first.mail.uid == again.mail.uid
        assert plan(occurrence(), installation="elsewhere").due[0].mail.uid != first.mail.uid

    def test_whoever_was_mailed_is_not_mailed_again(self) -> None:
        assert plan(occurrence(), sent(plan(occurrence()))) == MailPlan()

    @pytest.mark.parametrize(
        "values",
        [
            {"title": "New"},
            {"start": SOON + HOUR / 2},
            {"end": SOON + 2 * HOUR},
            {"location": "Room 5"},
        ],
    )
    def test_a_change_that_matters_is_told_with_the_next_number(self, values: dict[str, Any]) -> None:
        made = plan(occurrence(**values), sent(plan(occurrence())))
        assert told(made) == [(ANN.email, "REQUEST", 1), (JON.email, "REQUEST", 1)]

    @pytest.mark.parametrize("values", [{"description": "New"}, {"people": (MARA, JON, ANN)}, {"sequence": 9}])
    def test_what_does_not_matter_is_not_told(self, values: dict[str, Any]) -> None:
        assert plan(occurrence(**values), sent(plan(occurrence()))).due == ()

    def test_a_new_link_matters_to_whom_it_is_for(self) -> None:
        mails = sent(plan(occurrence(), capabilities=OWN))
        renewed = with_person(ANN.email, personal_link=personal(ANN.email, 2))
        assert told(plan(occurrence(), mails, renewed, capabilities=OWN)) == [(ANN.email, "REQUEST", 1)]
        assert plan(occurrence(), mails, link(join_url="https://v.example/new"), capabilities=OWN).due == ()

    def test_no_link_is_kept_in_a_record(self) -> None:
        for due in plan(occurrence(), capabilities=OWN).due:
            assert "v.example" not in repr(due.mail)
            assert "v.example" in due.link
            assert "v.example" not in repr(due)

    @pytest.mark.parametrize(
        ("end", "invited"), [(NOW - HOUR, False), (NOW, False), (NOW + timedelta(seconds=1), True)]
    )
    def test_what_is_over_is_mailed_to_nobody(self, end: datetime, invited: bool) -> None:
        assert bool(plan(occurrence(start=NOW - 2 * HOUR, end=end)).due) is invited

    @pytest.mark.parametrize(
        "values",
        [
            {"session": None, "state": LinkState.PENDING},
            {"session": "another"},
            {"state": LinkState.CANCELLED},
        ],
    )
    def test_without_a_session_mails_wait_and_are_not_taken_back(self, values: dict[str, Any]) -> None:
        assert plan(occurrence(), the_link=link(**values)) == MailPlan()
        assert plan(occurrence(title="New"), sent(plan(occurrence())), link(**values)) == MailPlan()

    @pytest.mark.parametrize("join_url", [None, ""])
    def test_without_a_link_nobody_is_invited_but_who_was_hears_of_another_time(self, join_url: str | None) -> None:
        waiting = link(join_url=join_url)
        assert plan(occurrence(), the_link=waiting) == MailPlan()
        before = sent(plan(occurrence()))
        assert plan(occurrence(), before, waiting) == MailPlan(), "that the link is not known now is no news"
        made = plan(occurrence(start=SOON + HOUR, end=SOON + 2 * HOUR), before, waiting)
        assert told(made) == [(ANN.email, "REQUEST", 1), (JON.email, "REQUEST", 1)]
        assert {due.link for due in made.due} == {""}
        later = plan(occurrence(start=SOON + HOUR, end=SOON + 2 * HOUR), sent(made))
        assert told(later) == [(ANN.email, "REQUEST", 2), (JON.email, "REQUEST", 2)]
        assert "" not in {due.link for due in later.due}

    @pytest.mark.parametrize("state", [LinkState.QUARANTINED, LinkState.IN_DOUBT])
    def test_a_meeting_that_is_set_aside_but_takes_place_is_mailed(self, state: LinkState) -> None:
        assert told(plan(occurrence(), the_link=link(state=state))) == BOTH_INVITED


class TestCancelling:
    def test_a_meeting_that_is_off_is_cancelled_for_all_who_were_invited_once(self) -> None:
        off = occurrence(session="", off=True)
        mails = sent(plan(occurrence()))
        made = plan(off, mails)
        assert told(made) == BOTH_CANCELLED
        assert [due.link for due in made.due] == ["", ""]
        assert {due.mail.uid for due in made.due} == {mail.uid for mail in mails}
        assert plan(off, sent(made)) == MailPlan()

    def test_who_is_dropped_is_told_and_nobody_else(self) -> None:
        mails = sent(plan(occurrence()))
        made = plan(occurrence(people=(ANN, MARA)), mails)
        assert told(made) == [(JON.email, "CANCEL", 1)]

    def test_who_comes_back_is_invited_with_a_higher_number(self) -> None:
        mails = sent(plan(occurrence()))
        cancelled = sent(plan(occurrence(people=(ANN, MARA)), mails))
        made = plan(occurrence(), [mails[0], *cancelled])
        assert told(made) == [(JON.email, "REQUEST", 2)]

    def test_who_was_never_mailed_gets_no_cancellation(self) -> None:
        never = [
            replace(m, state=s, invited=False)
            for s in (MailState.WAITING, MailState.REFUSED)
            for m in sent(plan(occurrence()))
        ]
        for mails in (never[:2], never[2:]):
            made = plan(occurrence(session="", off=True), mails)
            assert made.due == ()
            assert made.dropped == tuple(mails)

    def test_who_may_have_been_mailed_gets_one(self) -> None:
        mails = [due.mail for due in plan(occurrence()).due]
        assert told(plan(occurrence(session="", off=True), mails)) == BOTH_CANCELLED

    def test_a_meeting_that_has_ended_is_not_cancelled(self) -> None:
        mails = sent(plan(occurrence()))
        assert plan(occurrence(session="", off=True), mails, now=SOON + HOUR) == MailPlan()
        assert plan(None, mails, now=SOON + HOUR) == MailPlan()

    def test_a_meeting_that_ended_earlier_than_it_was_to_is_not_cancelled(self) -> None:
        mails = sent(plan(occurrence()))
        for people in (occurrence().people, (MARA,)):
            made = plan(occurrence(end=SOON + HOUR / 4, people=people), mails, now=SOON + HOUR / 2)
            assert made == MailPlan()

    def test_a_meeting_that_was_forgotten_and_is_about_to_be_made_anew_is_not_cancelled(self) -> None:
        mails = sent(plan(occurrence()))
        pending = link(session=None, state=LinkState.PENDING, join_url=None)
        for known in (pending, None):
            assert plan(occurrence(session=""), mails, known) == MailPlan()

    def test_who_was_invited_and_organises_it_now_is_left_alone(self) -> None:
        mails = sent(plan(occurrence()))
        made = plan(occurrence(organizer=JON.email), mails)
        assert told(made) == [(MARA.email, "REQUEST", 0)]


class TestMoving:
    def test_a_meeting_under_a_new_key_is_told_as_a_change(self) -> None:
        mails = sent(plan(occurrence()))
        new = MeetingKey("sales", key().uid, SOON + HOUR)
        moved = occurrence(key=new, link=str(new), start=SOON + HOUR, end=SOON + 2 * HOUR)
        made = plan(moved, mails, link(key=new))
        assert told(made) == [(ANN.email, "REQUEST", 1), (JON.email, "REQUEST", 1)]
        assert {due.mail.uid for due in made.due} == {mails[0].uid}
        assert {due.mail.key for due in made.due} == {str(new)}

    def test_a_new_key_alone_is_nobodys_business_but_is_remembered(self) -> None:
        mails = sent(plan(occurrence()))
        new = MeetingKey("sales", key().uid, SOON)
        made = plan(occurrence(key=new, link=str(new)), mails, link(key=new))
        assert made.due == ()
        assert made.settled == tuple(replace(mail, key=str(new)) for mail in mails)

    def test_the_uid_that_a_moved_meeting_took_along_is_not_given_again(self) -> None:
        new = MeetingKey("sales", key().uid, SOON)
        mails = [replace(mail, key=str(new)) for mail in sent(plan(occurrence()))]
        both = [occurrence(key=new, link=str(new)), occurrence(session="s-2")]
        made = due_mails(situation(both, [link(key=new), link(session="s-2")]), mails)
        assert told(made) == BOTH_INVITED
        assert made.due[0].mail.uid != mails[0].uid

    @pytest.mark.parametrize("values", [{"session": "s-2"}, {"start": SOON + timedelta(days=8)}])
    def test_another_session_or_a_far_away_one_is_another_meeting(self, values: dict[str, Any]) -> None:
        new = MeetingKey("sales", "other")
        one = occurrence(key=new, link=str(new), **{"end": SOON + timedelta(days=9), **values})
        old = occurrence(session="", off=True)
        made = due_mails(situation([old, one], [link(key=new, session=one.session)]), sent(plan(occurrence())))
        assert sorted(told(made)) == sorted(BOTH_CANCELLED + BOTH_INVITED)


class TestTrying:
    WAITING = replace(sent(plan(occurrence(people=(JON,))))[0], state=MailState.WAITING, invited=False, attempts=3)

    @pytest.mark.parametrize(
        ("respect_backoff", "retry_at", "tried"),
        [(True, NOW + HOUR, False), (True, NOW, True), (True, None, True), (False, NOW + HOUR, True)],
    )
    def test_what_waits_is_tried_again_when_it_is_time(
        self, respect_backoff: bool, retry_at: datetime | None, tried: bool
    ) -> None:
        waiting = replace(self.WAITING, retry_at=retry_at)
        made = plan(occurrence(people=(JON,)), [waiting], respect_backoff=respect_backoff)
        assert [(d.mail.attempts, d.mail.sequence, d.mail.message_id) for d in made.due] == (
            [(4, 0, waiting.message_id)] if tried else []
        )

    def test_what_waits_and_changes_is_another_mail_under_the_same_number(self) -> None:
        (due,) = plan(occurrence(people=(JON,), title="New"), [self.WAITING]).due
        assert (due.mail.attempts, due.mail.sequence, due.mail.title) == (1, 0, "New")

    def test_what_was_refused_is_tried_again_only_when_it_changes(self) -> None:
        refused = replace(self.WAITING, state=MailState.REFUSED)
        assert plan(occurrence(people=(JON,)), [refused], respect_backoff=False) == MailPlan()
        assert told(plan(occurrence(people=(JON,), title="New"), [refused])) == [(JON.email, "REQUEST", 0)]

    def test_what_nobody_knows_of_is_sent_once_more_as_the_same_mail_and_then_left(self) -> None:
        one = occurrence(people=(JON,))
        (first,) = plan(one).due
        (second,) = plan(one, [first.mail]).due
        assert (second.mail.message_id, second.mail.sequence) == (first.mail.message_id, 0)
        assert second.mail.attempts == 2
        made = plan(one, [second.mail])
        assert made.due == ()
        assert [(mail.state, mail.problem) for mail in made.settled] == [(MailState.SENT, LOST)]
        assert plan(one, made.settled) == MailPlan()

    def test_a_second_try_that_was_certainly_not_taken_leaves_one_more_and_no_two(self) -> None:
        one = occurrence(people=(JON,))
        waiting = replace(self.WAITING, doubted=True, invited=True)
        (again,) = plan(one, [waiting]).due
        assert plan(one, [again.mail]).due == ()

    def test_what_nobody_knows_of_and_changes_gets_the_next_number(self) -> None:
        (first,) = plan(occurrence(people=(JON,))).due
        assert told(plan(occurrence(people=(JON,), title="New"), [first.mail])) == [(JON.email, "REQUEST", 1)]

    def test_the_ones_that_were_tried_least_come_first(self) -> None:
        made = plan(occurrence(), [self.WAITING], respect_backoff=False)
        assert [due.mail.email for due in made.due] == [ANN.email, JON.email]


class TestWayIn:
    @pytest.mark.parametrize(
        ("capabilities", "person", "wanted"),
        [
            (OPEN, {}, "all"),
            (OPEN, None, "all"),
            (OWN, {}, "own"),
            (OWN, {"personal_link": None}, ""),
            (OWN, {"personal_link": ""}, "all"),
            (OWN, {"stale": DOUBT, "personal_link": None}, "all"),
            (OWN, {"stale": DOUBT}, "own"),
            (OWN, {"stale": GONE}, "own"),
            (OWN, {"link_expires": SOON}, ""),
            (OWN, {"link_expires": SOON + timedelta(seconds=1)}, "own"),
            (OWN, None, ""),  # is yet to be registered
            (replace(OWN, mints_links=False), None, "all"),
            (replace(OWN, limits=Limits(participants=2)), None, "all"),
            (replace(OWN, limits=Limits(participants=3)), None, ""),
            (replace(OWN, hosts_apart=True), None, ""),
        ],
    )
    def test_it_is_their_own_where_there_is_one_and_everybodys_where_there_will_be_none(
        self, capabilities: Capabilities, person: dict[str, Any] | None, wanted: str
    ) -> None:
        if person is None:
            the_link = link(invitees=tuple(p for p in link().invitees if p.email != JON.email))
        else:
            the_link = with_person(JON.email, **person)
        links = {"all": "https://v.example/all", "own": personal(JON.email), "": ""}
        assert way_in(JON, occurrence(), the_link, capabilities, NOW) == links[wanted]

    def test_hosts_that_are_never_registered_get_everybodys(self) -> None:
        nobody = link(invitees=())
        apart = replace(OWN, hosts_apart=True)
        assert way_in(MARA, occurrence(), nobody, apart, NOW) == "https://v.example/all"
        assert way_in(JON, occurrence(), nobody, apart, NOW) == ""

    def test_during_the_meeting_one_that_is_over_is_none(self) -> None:
        now = SOON + HOUR / 2
        assert way_in(JON, occurrence(), with_person(JON.email, link_expires=now), OWN, now) == ""


class Scene:
    """A real ledger and a mailer; `meeting` and `link` are what the ledger says of the one meeting."""

    def __init__(self, ledger: Ledger, mailer: Any) -> None:
        self.ledger = ledger
        self.mailer = mailer
        self.clock = ManualClock()
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.meeting = occurrence()
        self.link = link()
        self.stopping: Callable[[], bool] = lambda: False

    async def run(self, *others: Occurrence, respect_backoff: bool = True, capabilities: Capabilities = OWN) -> int:
        """A pass, in a new process as far as the mailing is concerned."""
        await self.ledger.occurrences.save(self.meeting, *others)
        route, stopping = EMAIL_ROUTE, self.stopping
        mailing = Mailing(self.ledger, self.mailer, self.clock, self._say, route, capabilities, stopping)
        found = await self.ledger.occurrences.since("sales", self.clock.now())
        links = {str(self.link.key): self.link} | {one.link: link(key=one.key, session=one.session) for one in others}
        return await mailing.run([one for one in found if one.session], links, respect_backoff=respect_backoff)

    async def mails(self) -> dict[str, Mail]:
        return {mail.email: mail for mail in await self.ledger.mails.of_route("sales")}

    def events(self) -> list[str]:
        found = [event for event, _ in self.log]
        self.log.clear()
        return found

    def _say(self, event: str, /, **fields: Any) -> None:
        self.log.append((event, fields))
        assert "@" not in str(fields | {"key": ""})
        assert "v.example" not in str(fields)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite:///{tmp_path}/convener.db") as opened:
        yield opened


class TestWholeLife:
    @pytest.fixture
    async def post(self) -> AsyncIterator[Post]:
        async with mail_server() as server:
            yield server

    @pytest.fixture
    def scene(self, ledger: Ledger, post: Post) -> Scene:
        table = {
            "host": "127.0.0.1",
            "port": post.port,
            "from": "sales@example.com",
            "starttls": False,
            "timeout": "5s",
        }
        return Scene(ledger, SmtpMailer(MailSettings.model_validate(table)))

    async def quiet(self, scene: Scene, post: Post) -> None:
        for respect_backoff in (True, False):
            assert await scene.run(respect_backoff=respect_backoff) == 0
        assert post.letters() == []
        assert scene.events() == []

    async def told(self, scene: Scene, post: Post, *expected: tuple[str, str, int, str]) -> list[Letter]:
        """One pass mails exactly this; nobody learns of anybody else; then it is quiet."""
        assert await scene.run() == 0
        letters = sorted(post.letters(), key=lambda letter: letter.to)
        assert [(one.to, one.method, one.sequence, one.link) for one in letters] == list(expected)
        assert scene.events() == ["mail.sent"] * len(expected)
        for one in letters:
            assert one.ics.count("ATTENDEE") == 1
            for other in (ANN, JON):
                if one.to != other.email:
                    assert other.email not in one.everything
                    assert other.name not in one.everything
                    assert personal(other.email)[:-2] not in one.everything
        await self.quiet(scene, post)
        return letters

    async def test_from_the_invitation_to_the_cancellation(self, scene: Scene, post: Post) -> None:
        ann, jon = personal(ANN.email), personal(JON.email)
        letters = await self.told(scene, post, (ANN.email, "REQUEST", 0, ann), (JON.email, "REQUEST", 0, jon))
        (uid,) = {str(one.event["UID"]) for one in letters}
        assert all("Mara Moe" in one.text for one in letters)

        scene.meeting = replace(scene.meeting, start=SOON + HOUR, end=SOON + 2 * HOUR)
        letters = await self.told(scene, post, (ANN.email, "REQUEST", 1, ann), (JON.email, "REQUEST", 1, jon))
        assert {one.event["DTSTART"].dt for one in letters} == {SOON + HOUR}

        scene.meeting = replace(scene.meeting, description="nothing that matters")
        await self.quiet(scene, post)

        jon = personal(JON.email, 2)
        scene.link = with_person(JON.email, personal_link=jon)
        letters += await self.told(scene, post, (JON.email, "REQUEST", 2, jon))

        scene.meeting = replace(scene.meeting, people=(JON, MARA))
        letters += await self.told(scene, post, (ANN.email, "CANCEL", 2, ""))
        assert letters[-1].event["STATUS"] == "CANCELLED"

        scene.meeting = replace(scene.meeting, session="", off=True)
        letters += await self.told(scene, post, (JON.email, "CANCEL", 3, ""))
        assert {str(one.event["UID"]) for one in letters} == {uid}

    async def test_a_kill_after_the_mail_was_taken_costs_one_more_under_the_same_message_id(
        self, scene: Scene, post: Post
    ) -> None:
        scene.meeting = replace(scene.meeting, people=(JON,))
        real = scene.mailer

        class Killed:
            async def send(self, invitation: Invitation) -> None:
                await real.send(invitation)
                raise asyncio.CancelledError

        scene.mailer = Killed()
        with pytest.raises(asyncio.CancelledError):
            await scene.run()
        scene.mailer = real
        (first,) = post.letters()
        assert await scene.run() == 0
        (second,) = post.letters()
        assert first.mail["Message-ID"] == second.mail["Message-ID"]
        assert (second.sequence, second.method, second.link) == (0, "REQUEST", personal(JON.email))
        scene.log.clear()
        await self.quiet(scene, post)

    async def test_a_kill_at_both_times_is_left_at_that_and_told(self, scene: Scene, post: Post) -> None:
        scene.meeting = replace(scene.meeting, people=(JON,))
        post.data = [DROP, DROP]
        assert await scene.run() == 1
        assert scene.events() == ["mail.failed"]
        assert await scene.run() == 0
        assert scene.events() == ["mail.refused"]
        assert len({str(one.mail["Message-ID"]) for one in post.letters()}) == 1
        assert (await scene.mails())[JON.email].problem == LOST
        await self.quiet(scene, post)
        scene.meeting = replace(scene.meeting, session="", off=True)
        await self.told(scene, post, (JON.email, "CANCEL", 1, ""))

    async def test_one_refused_person_stops_nobody_and_is_tried_again_after_a_retry(
        self, scene: Scene, post: Post
    ) -> None:
        post.rcpt = ["550 5.1.1 unknown"]
        for _ in range(2):
            assert await scene.run(respect_backoff=False) == 1
        assert scene.events() == ["mail.refused", "mail.sent"]
        assert [one.to for one in post.letters()] == [JON.email]
        assert await scene.ledger.mails.release("sales", "sales:another") == 0
        assert await scene.ledger.mails.release("sales", KEY) == 1
        await self.told(scene, post, (ANN.email, "REQUEST", 0, personal(ANN.email)))

    async def test_a_greylisted_person_stops_nobody_and_is_tried_again_later(self, scene: Scene, post: Post) -> None:
        post.rcpt = ["450 4.7.1 greylisted"]
        assert await scene.run() == 1
        assert [one.to for one in post.letters()] == [JON.email]
        assert scene.events() == ["mail.failed", "mail.sent"]
        assert await scene.run() == 1, "it waits"
        scene.clock.advance(seconds=FIRST_BACKOFF.total_seconds())
        await self.told(scene, post, (ANN.email, "REQUEST", 0, personal(ANN.email)))

    async def test_a_server_that_is_down_is_asked_once_a_pass(self, scene: Scene, post: Post) -> None:
        post.sender = ["451 4.3.0 later"] * 3
        for passes in (1, 2, 3):
            assert await scene.run(respect_backoff=False) == 2
            assert post.conversations == passes
        assert scene.events() == ["mail.failed"]
        assert await scene.run(respect_backoff=False) == 0
        assert sorted(one.to for one in post.letters()) == [ANN.email, JON.email]


class Scripted:
    """Raises the errors by turns; `asked` is what was sent, with the record that was on disk by then."""

    def __init__(self, ledger: Ledger, *errors: BaseException | None) -> None:
        self.ledger = ledger
        self.errors = list(errors)
        self.asked: list[Invitation] = []
        self.ahead: list[Mail] = []

    async def send(self, invitation: Invitation) -> None:
        self.asked.append(invitation)
        on_disk = await self.ledger.mails.of_route("sales")
        self.ahead += [mail for mail in on_disk if mail.email == invitation.email]
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error


class TestRecording:
    @pytest.fixture
    def scene(self, ledger: Ledger) -> Scene:
        scene = Scene(ledger, Scripted(ledger))
        scene.meeting = replace(scene.meeting, people=(JON,))
        return scene

    async def test_the_record_is_on_disk_before_anything_is_sent(self, scene: Scene) -> None:
        await scene.run()
        (ahead,) = scene.mailer.ahead
        assert (ahead.state, ahead.sequence, ahead.invited) == (MailState.SENDING, 0, False)
        after = (await scene.mails())[JON.email]
        assert after == replace(ahead, state=MailState.SENT, invited=True)

    async def test_every_field_of_a_record_comes_back(self, scene: Scene) -> None:
        full = replace(
            sent(plan(occurrence()))[0],
            name="Ünïcödé 会議",
            problem="it's broken",
            retry_at=NOW + HOUR,
            doubted=True,
            attempts=4,
            state=MailState.WAITING,
        )
        await scene.ledger.mails.save(full)
        assert await scene.ledger.mails.of_route("sales") == [full]
        assert await scene.ledger.mails.of_route("other") == []
        moved = replace(full, key="sales:other", sequence=7)
        await scene.ledger.mails.save(moved)
        assert await scene.ledger.mails.of_route("sales") == [moved]
        await scene.ledger.mails.drop([moved])
        assert await scene.ledger.mails.of_route("sales") == []

    async def test_no_personal_link_is_in_the_database(self, scene: Scene, tmp_path: Path) -> None:
        await scene.run()
        assert scene.mailer.asked[0].link == personal(JON.email)
        for file in tmp_path.glob("convener.db*"):
            assert b"v.example/own" not in file.read_bytes()

    async def test_the_waits_double_up_to_the_longest_and_then_a_person_has_to_say(self, scene: Scene) -> None:
        scene.mailer.errors = [Refused("not now", 450)] * 99
        waits = []
        while True:
            await scene.run()
            mail = (await scene.mails())[JON.email]
            if mail.retry_at is None:
                break
            waits.append(mail.retry_at - scene.clock.now())
            scene.clock._now = mail.retry_at
        assert len(scene.mailer.asked) == MOST_ATTEMPTS
        assert waits[0] == FIRST_BACKOFF
        assert all(after == min(2 * before, LONGEST_BACKOFF) for before, after in pairwise(waits))
        assert mail.state is MailState.REFUSED
        assert mail.problem == "not now; tried 8 times"
        assert scene.events() == ["mail.failed", "mail.refused"]
        assert await scene.run(respect_backoff=False) == 1
        assert len(scene.mailer.asked) == MOST_ATTEMPTS
        assert await scene.ledger.mails.release() == 1
        scene.mailer.errors = [Unreachable("down")]
        assert await scene.run() == 1
        mail = (await scene.mails())[JON.email]
        assert (mail.state, mail.attempts) == (MailState.WAITING, 1), "all attempts are before it again"
        assert await scene.run(respect_backoff=False) == 0
        assert scene.mailer.asked[-1].message_id == scene.mailer.asked[0].message_id

    async def test_a_service_that_stops_sends_no_further_mail(self, scene: Scene) -> None:
        scene.meeting, scene.stopping = occurrence(), lambda: len(scene.mailer.asked) >= 1
        await scene.run()
        assert len(scene.mailer.asked) == 1
        scene.stopping = lambda: False
        await scene.run()
        assert {mail.state for mail in (await scene.mails()).values()} == {MailState.SENT}
        assert len(scene.mailer.asked) == len(await scene.mails()) > 1

    async def test_a_server_that_is_down_is_tried_for_as_long_as_it_takes(self, scene: Scene) -> None:
        scene.mailer.errors = [Unreachable("down")] * (2 * MOST_ATTEMPTS)
        for _ in range(2 * MOST_ATTEMPTS):
            assert await scene.run(respect_backoff=False) == 1
        assert await scene.run(respect_backoff=False) == 0
        assert scene.events() == ["mail.failed", "mail.sent"]

    async def test_a_second_try_that_is_refused_says_so(self, scene: Scene) -> None:
        scene.mailer.errors = [UnknownOutcome("lost"), Refused("no", 550)]
        assert await scene.run() == 1
        assert await scene.run() == 1
        assert (await scene.mails())[JON.email].state is MailState.REFUSED

    async def test_a_defect_in_one_mail_stops_no_other_and_shows_nothing_of_it(self, scene: Scene) -> None:
        scene.meeting = occurrence()
        scene.mailer.errors = [ValueError("ann@example.com https://v.example/own")]
        assert await scene.run() == 1
        assert scene.events() == ["mail.refused", "mail.sent"]
        assert (await scene.mails())[ANN.email].problem == "a defect of convener (ValueError)"

    async def test_a_database_that_fails_is_no_trouble_of_the_mail_server(self, scene: Scene) -> None:
        async def broken(*_: Mail) -> None:
            raise OSError("disk")

        scene.ledger.mails.save = broken  # type: ignore[method-assign]
        with pytest.raises(OSError, match="disk"):
            await scene.run()
        assert scene.mailer.asked == []

    async def test_a_meeting_that_ended_early_is_not_cancelled_although_it_is_not_handed_in(self, scene: Scene) -> None:
        await scene.run()
        scene.clock._now = SOON + HOUR / 2
        scene.meeting = replace(scene.meeting, end=SOON + HOUR / 4)
        assert await scene.run() == 0
        assert len(scene.mailer.asked) == 1

    async def test_who_was_mailed_is_forgotten_long_after_the_meeting(self, scene: Scene) -> None:
        await scene.run()
        scene.clock._now = SOON + HOUR + KEPT
        await scene.run()
        assert len(await scene.mails()) == 1
        scene.clock.advance(seconds=1)
        await scene.run()
        assert await scene.mails() == {}

    async def test_a_person_of_two_meetings_gets_a_mail_about_each(self, scene: Scene) -> None:
        other = occurrence(key=key("m2"), link=str(key("m2")), session="s-2", people=(JON,))
        assert await scene.run(other) == 0
        assert len({invitation.uid for invitation in scene.mailer.asked}) == 2
