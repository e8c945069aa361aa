"""How a check goes at vendors that show less than the five do, and when something stops it half-way."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from daemon.database import open_ledger
from sync.change import Action
from sync.drift import DriftReport
from sync.drift_check import DriftCheckup, due_at
from sync.errors import CredentialsRefused, OutsideError, RateLimited, UnknownOutcome, Unreachable
from sync.gate import VendorGate
from sync.ledger.records import LinkState
from sync.ledger.store import Ledger
from sync.model import Capabilities, Session, Window
from sync.plan import Situation
from sync.ports import Connector, Listing
from sync.report import Exit
from sync.snapshot import Snapshot, Trouble
from tests.clock import ManualClock
from tests.unit.builders import FULL, HOUR, NOW, ROUTE, key, link_of, meeting, situation

NAMES = ("m1", "m2", "m3", "m4")
LINKS = [link_of(meeting(name)) for name in NAMES]


class Vendor:
    """Holds sessions; what it is asked for can fail."""

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self.sessions = {str(one.session): shown(one) for one in LINKS}
        self.fails: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.complete = True

    async def list(self, window: Window) -> Listing:
        self._called("list")
        return Listing(tuple(self.sessions.values()), self.complete)

    async def get(self, ref: str) -> Session | None:
        self._called(f"get {ref}")
        return self.sessions.get(ref)

    async def delete(self, ref: str) -> None:
        self._called(f"delete {ref}")
        self.sessions.pop(ref, None)

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if call in self.fails:
            raise self.fails[call]


def shown(link: Any) -> Session:
    return Session(link.session, link.title, link.start, link.end, link.join_url, link.marker)


class Scene:
    """A ledger with four meetings in step with their vendor."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.clock = ManualClock(NOW)
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.vendor = Vendor(FULL)
        self.snapshot: Snapshot | None = None

    async def check(self, *, force: bool = False, stop: bool = False) -> DriftReport:
        gate = VendorGate("main", cast(Connector, self.vendor), self.clock, 5)
        if stop:
            gate.stop("the service is stopping")

        async def wanted() -> Situation:
            return situation(links=await self.ledger.links("sales"), snapshot=self.snapshot)

        can = self.vendor.capabilities
        return await DriftCheckup(ROUTE, self.ledger, gate, self.clock, self._say, can, 2, force).run(wanted)

    def events(self) -> list[str]:
        return [event for event, _ in self.log]

    def _say(self, event: str, /, **fields: Any) -> None:
        self.log.append((event, fields))

    async def states(self) -> dict[str, tuple[LinkState, int]]:
        return {link.key.uid.partition("@")[0]: (link.state, link.missing) for link in await self.ledger.links()}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_ledger(f"sqlite:///{tmp_path}/convener.db") as ledger:
        await ledger.save_links(LINKS, NOW)
        yield Scene(ledger)


ALL_LIVE = dict.fromkeys(NAMES, (LinkState.LIVE, 0))


async def test_where_there_is_only_a_list_a_session_is_gone_when_two_checks_in_a_row_lack_it(scene: Scene) -> None:
    scene.vendor.capabilities = replace(FULL, reads_back=False)
    del scene.vendor.sessions["s-m1@example.com"]
    first = await scene.check()
    assert [(one.kind, one.outcome) for one in first.found] == [("missing", "suspected")]
    assert (await scene.states())["m1"] == (LinkState.LIVE, 1)
    assert [one.outcome for one in (await scene.check()).found] == ["repaired"]
    assert (await scene.states())["m1"] == (LinkState.PENDING, 0)
    assert scene.vendor.calls == ["list", "list"]


async def test_a_list_alone_that_is_not_complete_makes_nothing_gone(scene: Scene) -> None:
    scene.vendor.capabilities = replace(FULL, reads_back=False)
    scene.vendor.sessions.clear()
    scene.vendor.complete = False
    for _ in range(3):
        assert (await scene.check()).found == ()
    assert await scene.states() == ALL_LIVE


async def test_a_list_alone_says_nothing_of_what_lies_beyond_its_window(scene: Scene) -> None:
    scene.vendor.capabilities = replace(FULL, reads_back=False)
    scene.vendor.sessions.clear()
    far = NOW + timedelta(days=99)
    await scene.ledger.save_links([replace(link, start=far, end=far + HOUR) for link in LINKS], NOW)
    assert (await scene.check()).found == ()


async def test_where_there_is_no_list_each_session_is_asked_for(scene: Scene) -> None:
    scene.vendor.capabilities = replace(FULL, list=False)
    del scene.vendor.sessions["s-m2@example.com"]
    assert [one.outcome for one in (await scene.check()).found] == ["suspected"]
    assert sorted(scene.vendor.calls) == [f"get s-{name}@example.com" for name in NAMES]
    assert [one.outcome for one in (await scene.check()).found] == ["repaired"]


async def test_one_that_could_not_be_asked_for_stays_and_the_others_are_judged(scene: Scene) -> None:
    for name in ("m1", "m2"):
        del scene.vendor.sessions[f"s-{name}@example.com"]
    scene.vendor.fails["get s-m1@example.com"] = Unreachable("no answer")
    report = await scene.check()
    assert [(one.key, one.outcome) for one in report.found] == [(str(key("m2")), "repaired")]
    assert (report.problem, report.exit()) == ("no answer", Exit.UNREACHABLE)
    assert (await scene.states())["m1"] == (LinkState.LIVE, 0)
    assert scene.events() == ["drift.found", "session.vanished", "drift.failed"]
    assert await due_at(scene.ledger, "sales", FULL, 6 * HOUR, NOW) == NOW + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unreachable("down"), Exit.UNREACHABLE), (CredentialsRefused("no"), Exit.UNREACHABLE),
        (RateLimited("wait", 900), Exit.PARTIAL), (ZeroDivisionError("oh"), Exit.PARTIAL),
    ],
)  # fmt: skip
async def test_a_check_that_cannot_be_made_concludes_nothing_and_raises_nothing(
    scene: Scene, error: Exception, code: Exit
) -> None:
    scene.vendor.sessions["s-m1@example.com"] = replace(shown(LINKS[0]), title="By hand")
    await scene.check()
    before = await scene.ledger.drift.last("sales")
    assert before is not None
    scene.vendor.fails["list"] = error
    for _ in range(2):
        assert (await scene.check()).exit() is code
    assert scene.events().count("drift.failed") == 1, "the first failure, not each repetition"
    after = await scene.ledger.drift.last("sales")
    assert after is not None
    assert (after.found, after.complete) == (before.found, False), "what was found before is still known"
    del scene.vendor.fails["list"]
    await scene.check()
    assert scene.events()[-1] == "drift.checked"


async def test_a_check_that_our_own_end_cuts_short_leaves_no_trace(scene: Scene) -> None:
    report = await scene.check(stop=True)
    assert (report.found, scene.vendor.calls, scene.log) == ((), [], [])
    assert await scene.ledger.drift.last("sales") is None


async def test_a_meeting_with_an_open_call_is_left_to_those_who_settle_it(scene: Scene) -> None:
    scene.vendor.sessions["s-m1@example.com"] = replace(shown(LINKS[0]), title="By hand")
    intent = await scene.ledger.open_intent(LINKS[0], Action.UPDATE, NOW)
    assert (await scene.check()).found == ()
    await scene.ledger.settle(intent, "done", NOW)
    assert [one.kind for one in (await scene.check()).found] == ["changed"]


@pytest.mark.parametrize(
    ("error", "outcome", "open_after"),
    [(UnknownOutcome("lost"), "repaired", 1), (Unreachable("down"), "reported", 0), (None, "repaired", 0)],
)
async def test_the_removal_of_a_double_is_written_ahead(
    scene: Scene, error: OutsideError | None, outcome: str, open_after: int
) -> None:
    scene.vendor.sessions["9"] = replace(shown(LINKS[0]), ref="9")
    if error:
        scene.vendor.fails["delete 9"] = error
    report = await scene.check()
    assert [(one.kind, one.session, one.outcome) for one in report.found] == [("double", "9", outcome)]
    intents = await scene.ledger.undecided("sales")
    assert [one.payload for one in intents] == [{"double": "9"}] * open_after
    assert ("session.deleted" in scene.events()) is (error is None)


async def test_a_double_that_only_shows_a_short_mark_is_reported_and_not_removed(scene: Scene) -> None:
    first = replace(shown(LINKS[0]), marker="cv-0123456789ab")
    scene.vendor.sessions |= {first.ref: first, "9": replace(first, ref="9")}
    report = await scene.check()
    assert [(one.kind, one.outcome) for one in report.found] == [("double", "reported")]
    assert not [call for call in scene.vendor.calls if call.startswith("delete")]


@pytest.mark.parametrize("proved", [True, False])
async def test_a_double_of_a_removed_meeting_goes_when_the_calendar_proves_that_it_is_not_wanted(
    scene: Scene, proved: bool
) -> None:
    removed = replace(LINKS[0], state=LinkState.CANCELLED)
    if not proved:
        scene.snapshot = Snapshot("sales", ROUTE.window(NOW), trouble=Trouble.PARTIAL)
    del scene.vendor.sessions[str(removed.session)]
    installation = await scene.ledger.installation()
    removed = replace(removed, marker=f"convener/{installation}/x/y")
    await scene.ledger.save_link(removed, NOW)
    scene.vendor.sessions["9"] = replace(shown(removed), ref="9")
    (drift,) = (await scene.check()).found
    assert (drift.kind, drift.outcome) == (("leftover", "repaired") if proved else ("orphan", "reported"))
    assert ("9" in scene.vendor.sessions) is not proved
