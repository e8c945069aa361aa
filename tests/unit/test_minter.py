"""Making personal links: written ahead, recorded, refused, and what a kill or a defect leaves behind."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.database import open_ledger
from sync.errors import CredentialsRefused, Gone, OutsideError, Refused, UnknownOutcome, Unreachable
from sync.gate import VendorGate
from sync.ledger.records import MINT, LinkState
from sync.ledger.store import Ledger
from sync.model import Meeting, Participant, PersonalLink, Session
from sync.personal import Minter
from sync.settle import Settler
from tests.clock import ManualClock
from tests.unit.builders import HOUR, JON, MARA, NOW, ROUTE, SOON, link_of, meeting
from tests.unit.test_personal import LIVING, MINTS, showing


class Vendor:
    """Gives links or raises the errors, one after the other; `asked` are the participants, `ahead` the intents that
    stood open in the ledger when it was called."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.errors: list[BaseException] = []
        self.asked: list[Participant] = []
        self.ahead: list[list[tuple[str, str | None]]] = []
        self.expires: datetime | None = None
        self.gone = False

    async def get(self, ref: str) -> Session | None:
        return None if self.gone else Session(ref)

    async def personal_link(self, ref: str, meeting: Meeting, participant: Participant) -> PersonalLink:
        self.asked.append(participant)
        open_now = await self.ledger.open_intents(ROUTE.name)
        self.ahead.append([(intent.action, intent.participant) for intent in open_now])
        if self.errors:
            raise self.errors.pop(0)
        return PersonalLink(f"https://v.example/{ref}/{participant.email}/{len(self.asked)}", self.expires)


class Scene:
    """A meeting in a real ledger, and a minter before a made-up vendor."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.clock = ManualClock()
        self.vendor = Vendor(ledger)
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.again()

    def again(self) -> None:
        """A gate as a new run has it."""
        self.gate = VendorGate("main", self.vendor, self.clock, patience=5.0)  # type: ignore[arg-type]

    async def mint(self, *wishes: Meeting, capabilities: Any = MINTS) -> int:
        minter = Minter(self.ledger, self.gate, self.clock, self._say, capabilities, 4, repair=True)
        seen = {wish.key: wish for wish in wishes}
        links = [showing(link, seen[link.key]) for link in await self.ledger.links()]
        await self.ledger.save_links(links, self.clock.now())
        return await minter.make(links)

    async def people(self) -> dict[str, str | None]:
        return {p.email: p.personal_link for link in await self.ledger.links() for p in link.invitees}

    async def save(self, wishes: Iterable[Meeting]) -> None:
        await self.ledger.save_links([link_of(wish) for wish in wishes], NOW)

    def _say(self, event: str, /, **fields: Any) -> None:
        self.log.append((event, fields))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_ledger(f"sqlite:///{tmp_path}/convener.db") as ledger:
        made = Scene(ledger)
        await made.save([meeting()])
        yield made


async def test_links_are_made_and_kept_and_not_made_twice(scene: Scene) -> None:
    wish = meeting(participants=(JON, MARA))
    await scene.save([wish])
    assert await scene.mint(wish) == 0
    assert await scene.people() == {
        JON.email: "https://v.example/s-m1@example.com/jon@example.com/1",
        MARA.email: "https://v.example/s-m1@example.com/mara@example.com/2",
    }
    assert await scene.mint(wish) == 0
    assert [(p.email, p.role) for p in scene.vendor.asked] == [(JON.email, JON.role), (MARA.email, MARA.role)]


async def test_the_intent_is_on_disk_before_the_vendor_is_called_and_closed_afterwards(scene: Scene) -> None:
    await scene.mint(meeting())
    assert scene.vendor.ahead == [[(MINT, JON.email)]]
    assert await scene.ledger.open_intents(ROUTE.name) == []


async def test_the_link_is_never_logged_and_nothing_of_it_stands_in_an_intent(scene: Scene) -> None:
    await scene.mint(meeting())
    await scene.mint(meeting(end=SOON + 3 * HOUR))
    assert [(event, fields["again"]) for event, fields in scene.log] == [("link.minted", False), ("link.minted", True)]
    assert "v.example" not in str(scene.log)


async def test_a_changed_purpose_replaces_the_link(scene: Scene) -> None:
    await scene.mint(meeting())
    await scene.mint(meeting(start=SOON - HOUR))
    assert (await scene.people())[JON.email] == "https://v.example/s-m1@example.com/jon@example.com/2"


async def test_a_refusal_is_asked_once_and_again_when_something_changes(scene: Scene) -> None:
    scene.vendor.errors = [Refused("nobody by that name")]
    assert await scene.mint(meeting()) == 1
    assert await scene.mint(meeting()) == 1, "it still lacks one"
    assert len(scene.vendor.asked) == 1
    assert await scene.people() == {JON.email: ""}
    assert [event for event, _ in scene.log] == ["link.refused"]
    assert await scene.mint(meeting(end=SOON + 3 * HOUR)) == 0
    assert len(scene.vendor.asked) == 2


@pytest.mark.parametrize("error", [UnknownOutcome("time-out"), Unreachable("no route")])
async def test_trouble_leaves_no_trace_and_is_tried_again_in_the_next_pass(scene: Scene, error: OutsideError) -> None:
    before = await scene.ledger.links()
    scene.vendor.errors = [error]
    assert await scene.mint(meeting()) == 1
    assert await scene.ledger.links() == before
    assert await scene.ledger.open_intents(ROUTE.name) == []
    assert await scene.mint(meeting()) == 0
    assert len(scene.vendor.asked) == 2


async def test_one_refusal_stops_neither_the_others_of_the_meeting_nor_other_meetings(scene: Scene) -> None:
    wishes = [meeting(participants=(JON, MARA)), meeting("m2", SOON + HOUR, participants=(replace(JON, email="ann"),))]
    await scene.save(wishes)
    scene.vendor.errors = [Refused("no")]
    assert await scene.mint(*wishes) == 1
    assert [email for email, url in (await scene.people()).items() if not url] == [JON.email]


async def test_a_vendor_that_is_set_aside_is_not_called_and_the_links_are_counted_as_lacking(scene: Scene) -> None:
    wish = meeting(participants=(JON, MARA))
    await scene.save([wish])
    scene.vendor.errors = [CredentialsRefused("no")]
    assert await scene.mint(wish) == 1
    assert await scene.mint(wish) == 1
    assert len(scene.vendor.asked) == 1
    assert await scene.ledger.open_intents(ROUTE.name) == []
    assert await scene.people() == {JON.email: None, MARA.email: None}


async def test_a_kill_in_the_middle_is_closed_at_the_next_start_and_does_no_harm(scene: Scene) -> None:
    scene.vendor.errors = [asyncio.CancelledError()]
    with pytest.raises(asyncio.CancelledError):
        await scene.mint(meeting())
    (left,) = await scene.ledger.open_intents(ROUTE.name)
    assert left.action == MINT
    scene.again()
    settler = Settler(ROUTE, scene.ledger, scene.gate, scene.clock, scene._say, timedelta(0), MINTS)
    assert await settler.settle_all({str(link.key): link for link in await scene.ledger.links()}) == frozenset()
    assert await scene.mint(meeting()) == 0
    assert await scene.ledger.open_intents(ROUTE.name) == []


async def test_an_expiring_link_is_made_anew_once_and_then_lasts(scene: Scene) -> None:
    scene.vendor.expires = SOON + HOUR / 2
    await scene.mint(meeting(), capabilities=LIVING)
    scene.clock.advance(hours=12, seconds=1800)
    scene.vendor.expires = SOON + 2 * HOUR
    await scene.mint(meeting(), capabilities=LIVING)
    await scene.mint(meeting(), capabilities=LIVING)
    assert len(scene.vendor.asked) == 2


async def test_a_defect_in_one_meeting_stops_no_other(scene: Scene) -> None:
    wishes = [meeting(), meeting("m2", SOON + HOUR, participants=(MARA,))]
    await scene.save(wishes)
    scene.vendor.errors = [KeyError("alias")]
    assert await scene.mint(*wishes) == 1
    assert [event for event, _ in scene.log] == ["meeting.defect", "link.minted"]
    assert list((await scene.people()).values()).count(None) == 1


async def test_a_refused_renewal_leaves_the_link_that_works_and_is_not_repeated(scene: Scene) -> None:
    scene.vendor.expires = SOON + HOUR / 2
    await scene.mint(meeting(), capabilities=LIVING)
    scene.clock.advance(hours=12, seconds=1800)
    scene.vendor.errors = [Refused("not now")]
    await scene.mint(meeting(), capabilities=LIVING)
    await scene.mint(meeting(), capabilities=LIVING)
    assert len(scene.vendor.asked) == 2
    assert await scene.people() == {JON.email: "https://v.example/s-m1@example.com/jon@example.com/1"}


async def test_a_renewal_that_lasts_no_longer_is_not_repeated_before_it_expires(scene: Scene) -> None:
    scene.vendor.expires = SOON + HOUR / 2
    await scene.mint(meeting(), capabilities=LIVING)
    scene.clock.advance(hours=12, seconds=1800)
    for _ in range(3):
        await scene.mint(meeting(), capabilities=LIVING)
    assert len(scene.vendor.asked) == 2
    scene.clock.advance(hours=12)
    await scene.mint(meeting(), capabilities=LIVING)
    assert len(scene.vendor.asked) == 3, "it has expired, and the meeting runs"


async def test_a_session_that_proves_to_be_gone_is_made_anew_and_not_held_against_the_person(scene: Scene) -> None:
    scene.vendor.errors, scene.vendor.gone = [Gone("no such room")], True
    assert await scene.mint(meeting()) == 1
    assert [event for event, _ in scene.log] == ["session.vanished"]
    (link,) = await scene.ledger.links()
    assert (link.state, link.session) == (LinkState.PENDING, None)
