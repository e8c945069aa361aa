"""Join links and artifacts get back to a CRM over whole passes, and what we wrote there changes nothing afterwards."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.livedigital import LivedigitalSimulator
from connectors.simulators.media import film
from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from daemon.wiring import Installation
from sync.errors import Unreachable
from sync.ledger.write_backs import WriteBack
from sync.model import Meeting, MeetingKey, Participant
from sync.reconcile import Options
from sync.report import Exit, RouteReport
from sync.snapshot import Trouble
from tests.clock import START
from tests.memory_crm import Killed, MemoryCrm
from tests.world import World, a_world

SOON = START + timedelta(hours=30)
FILM = film(bytes(range(256)) * 40)


def demo(uid: str = "1", **values: Any) -> Meeting:
    """A meeting as the CRM has it."""
    people = (Participant("jon@example.com", "Jon Doe"),)
    one = Meeting(MeetingKey("sales", uid), f"Demo {uid}", SOON, SOON + timedelta(hours=1), people)
    return replace(one, organizer="mara@example.com", **values)


class Office:
    """A CRM, one route or several, and the vendor; each pass in an installation of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.crm = MemoryCrm()
        self.crm.add(demo())
        self.writes_back = {"sales", "other"}

    async def go(self, route: str = "sales", *, harvest: bool = False, **options: Any) -> RouteReport:
        given = Options(**options)

        async def use(inside: Installation) -> RouteReport:
            inside._sources["sales"] = self.crm
            source = self.crm if route in self.writes_back else None
            address = "https://files.example"
            inside._outlets[route] = replace(inside.outlets(route), source=source, archive_url=address)
            async with inside.working(route) as reconciler:
                report = await reconciler.run(given)
            if not harvest:
                return report
            async with inside.working(route, "harvest") as reconciler:
                return await reconciler.harvest(report, given)

        report: RouteReport = await self.world.open(use, locked=not given.writes)
        return report

    async def link(self, uid: str = "1", route: str = "sales") -> str:
        async def use(inside: Installation) -> str:
            (link,) = [one for one in await inside.ledger.links(route) if one.key.uid == uid]
            return str(link.join_url)

        url: str = await self.world.open(use)
        return url

    async def rows(self) -> list[WriteBack]:
        async def use(inside: Installation) -> list[WriteBack]:
            return await inside.ledger.write_backs.links("sales")

        rows: list[WriteBack] = await self.world.open(use)
        return rows

    async def is_quiet(self, *routes: str) -> None:
        """Nothing is planned, and a pass asks nobody for anything."""
        self.crm.told()
        for route in routes or ("sales",):
            asked = len(self.world.sim.requests)
            assert (await self.go(route, mode="plan")).changes == ()
            report = await self.go(route)
            assert (report.exit(), report.changes) == (Exit.DONE, ())
            assert len(self.world.sim.requests) == asked
        assert self.crm.told() == []


VENDORS = {"onstream": OnstreamSimulator, "openmeetings": OpenMeetingsSimulator, "livedigital": LivedigitalSimulator}


@pytest.fixture
def vendor() -> str:
    return "livedigital"


@pytest.fixture
def office(tmp_path: Path, vendor: str) -> Iterator[Office]:
    with a_world(tmp_path, VENDORS[vendor]) as world:
        if hasattr(world.sim.options, "clock"):
            world.sim.options.clock = world.clock.now
        world.configure('settle = "0s"')
        yield Office(world)


@pytest.mark.parametrize(
    ("vendor", "place", "before"),
    [
        ("onstream", "location", ""),
        ("livedigital", "location", ""),
        ("openmeetings", "location", ""),
        ("openmeetings", "description", ""),
        ("openmeetings", "description", "Agenda: prices"),
    ],
)
async def test_a_link_gets_back_and_is_no_change_in_the_next_pass(office: Office, place: str, before: str) -> None:
    office.crm.place = place
    office.crm.change("1", **{place: before})
    assert (await office.go(mode="plan")).exit() is Exit.DONE
    assert (await office.go(mode="dry-run")).exit() is Exit.DONE
    assert office.crm.told() == []
    report = await office.go()
    assert (report.exit(), report.followed.get("link.written_back")) == (Exit.DONE, 1)
    url = await office.link()
    assert url.startswith("http")
    assert office.crm.shown("1") == (url if place == "location" else f"{before}\n\nJoin: {url}".strip())
    await office.is_quiet()


async def test_a_conference_link_that_is_ours_is_not_somebody_elses_meeting(office: Office) -> None:
    await office.go()
    office.crm.change("1", conference_links=(await office.link(),), location="")
    await office.is_quiet()


async def test_a_person_who_removes_our_link_is_not_contradicted(office: Office) -> None:
    await office.go()
    office.crm.change("1", location="")
    await office.is_quiet()
    office.crm.change("1", location="Room 5")
    await office.is_quiet()


async def test_a_new_join_link_takes_the_place_of_the_former(office: Office) -> None:
    await office.go()
    former = await office.link()
    (link,) = (await office.world.links()).values()
    office.world.sim.remove_session(str(link.session))
    office.crm.change("1", title="Another title")
    for _ in range(3):
        report = await office.go()
    assert report.exit() is Exit.DONE
    assert await office.link() != former
    assert office.crm.shown("1") == await office.link()
    await office.is_quiet()


async def test_when_the_session_is_removed_the_link_goes_too_if_the_meeting_goes_on(office: Office) -> None:
    office.world.configure('settle = "0s"', '[routes.sales.match]\nsummary = "Demo"')
    office.crm.add(demo("2"))
    await office.go()
    office.crm.change("1", title="Lunch")
    office.crm.change("2", cancelled=True)
    stood = office.crm.shown("2")
    office.crm.told()
    await office.go(force=True)
    assert [call[:2] for call in office.crm.told()] == [("1", "")]
    assert (office.crm.shown("1"), office.crm.shown("2")) == ("", stood)
    await office.is_quiet()
    office.crm.change("1", title="Demo 1")
    office.crm.change("2", cancelled=False)
    assert (await office.go()).exit() is Exit.DONE
    assert {office.crm.shown(uid) for uid in "12"} == {await office.link(uid) for uid in "12"}
    await office.is_quiet()


async def test_a_meeting_that_is_gone_or_over_is_not_written(office: Office) -> None:
    await office.go()
    office.crm.told()
    gone = office.crm.meetings.pop("1")
    await office.go(force=True)
    assert office.crm.told() == []
    office.crm.add(gone)
    office.world.clock.advance(days=2)
    await office.go()
    assert office.crm.told() == []


async def test_a_source_that_takes_nothing_holds_no_meeting_up_and_recovers_by_the_clock(office: Office) -> None:
    office.crm.add(demo("2"))
    office.crm.errors = [Unreachable("no connection")] * 2
    report = await office.go(respect_backoff=True)
    assert report.exit() is Exit.PARTIAL
    assert report.counts["create"] == 2
    assert len(office.crm.told()) == 1
    assert report.wake_at == START + timedelta(minutes=5)
    report = await office.go(respect_backoff=True)
    assert (report.exit(), len(office.crm.told())) == (Exit.PARTIAL, 1), "the other meeting's link is tried"
    office.world.clock.advance(minutes=5)
    report = await office.go(respect_backoff=True)
    assert report.exit() is Exit.DONE
    assert len(office.world.events("writeback.failed")) == 1
    assert len(office.world.events("writeback.recovered")) == 1
    await office.is_quiet()


async def test_a_source_that_cannot_be_read_is_not_written_either(office: Office) -> None:
    office.crm.errors = [Unreachable("no connection")]
    await office.go()
    office.crm.told()
    office.crm.trouble = Trouble.UNREADABLE
    assert (await office.go()).exit() is Exit.UNREACHABLE
    assert office.crm.told() == []
    office.crm.trouble = Trouble.NONE
    assert (await office.go()).exit() is Exit.DONE
    await office.is_quiet()


async def test_a_vendor_in_trouble_does_not_hold_up_what_is_to_be_written(office: Office) -> None:
    office.crm.errors = [Unreachable("no connection")]
    await office.go()
    office.crm.add(demo("2"))
    office.world.sim.faults.add(Fault("503_before", times=50))
    await office.go()
    assert office.crm.shown("1") == await office.link()


@pytest.mark.parametrize("moment", ["errors", "late"])
@pytest.mark.parametrize("place", ["location", "description"])
async def test_a_kill_around_a_write_leaves_one_link_and_no_change(office: Office, moment: str, place: str) -> None:
    office.crm.place = place
    setattr(office.crm, moment, [Killed()])
    with pytest.raises(Killed):
        await office.go()
    assert (await office.go(mode="plan")).changes == (), "what is being written is no change either"
    assert (await office.go()).exit() is Exit.DONE
    assert office.crm.shown("1").count("http") == 1
    await office.is_quiet()


async def test_two_routes_write_once_each_and_the_last_one_stands(office: Office) -> None:
    office.world.configure('settle = "0s"', '[routes.other]\nsource = "sales"\nvendor = "main"')
    await office.go("sales")
    first = office.crm.shown("1")
    await office.go("other")
    assert office.crm.shown("1") == await office.link(route="other") != first
    assert [call[1:] for call in office.crm.told()] == [(first, ""), (office.crm.shown("1"), first)]
    await office.is_quiet("sales", "other")


async def test_a_route_that_writes_nothing_back_sees_no_change_either(office: Office) -> None:
    office.world.configure('settle = "0s"', '[routes.other]\nsource = "sales"\nvendor = "main"')
    office.writes_back = {"sales"}
    await office.go("other")
    await office.go("sales")
    assert office.crm.shown("1") == await office.link()
    await office.is_quiet("other", "sales")
    assert len(await office.rows()) == 1


async def test_nobodys_personal_link_is_written(office: Office) -> None:
    await office.go()
    (link,) = (await office.world.links()).values()
    (person,) = link.invitees
    office.world.clock.advance(hours=28)
    await office.go()
    (link,) = (await office.world.links()).values()
    (person,) = [one for one in link.invitees if one.email == "jon@example.com"]
    assert person.personal_link
    assert person.personal_link not in str(office.crm)
    assert office.crm.shown("1") == link.join_url


async def test_a_forgotten_meeting_gets_its_new_link_in_place_of_the_old(office: Office) -> None:
    await office.go()
    former = await office.link()

    async def forget(inside: Installation) -> None:
        await inside.ledger.delete_link("sales", MeetingKey("sales", "1"))

    await office.world.open(forget)
    office.crm.change("1", conference_links=(former,))
    office.world.sim.faults.add(Fault("503_before", times=9))
    await office.go()
    assert office.crm.shown("1") == former, "its session goes on until there is another"
    office.world.sim.faults.clear()
    assert (await office.go()).exit() is Exit.DONE
    assert office.crm.shown("1") == await office.link() != former
    await office.is_quiet()


@pytest.mark.parametrize("vendor", ["onstream"])
@pytest.mark.parametrize("moment", ["", "errors", "late"])
async def test_an_artifact_is_told_once_whoever_is_killed(office: Office, moment: str) -> None:
    await office.go()
    (link,) = (await office.world.links()).values()
    office.world.sim.add_recording(int(str(link.session)), content=FILM)
    office.world.clock.advance(hours=31, minutes=5)
    office.crm.told()
    if moment:
        setattr(office.crm, moment, [Killed()])
        with pytest.raises(Killed):
            await office.go(harvest=True)
    for _ in range(3):
        assert (await office.go(harvest=True)).exit() is Exit.DONE
        office.world.clock.advance(hours=12)
    (artifact,) = office.crm.files["1"]
    assert (artifact.kind, artifact.content, artifact.size) == ("recording", FILM, len(FILM))
    assert (
        artifact.url
        == f"https://files.example/{artifact.path.replace(' ', '%20').replace('[', '%5B').replace(']', '%5D')}"
    )
    assert len(office.crm.told()) == (2 if moment else 1)
    assert len(office.world.events("artifact.told")) == 1


@pytest.mark.parametrize("vendor", ["onstream"])
async def test_a_source_that_is_not_told_costs_the_harvest_its_exit_code(office: Office) -> None:
    await office.go()
    (link,) = (await office.world.links()).values()
    office.world.sim.add_recording(int(str(link.session)), content=FILM)
    office.world.clock.advance(hours=31, minutes=5)
    office.crm.errors = [Unreachable("no connection")]
    report = await office.go(harvest=True, respect_backoff=True)
    assert (report.exit(), report.followed["writeback.failed"]) == (Exit.PARTIAL, 1)
    office.world.clock.advance(minutes=1)
    report = await office.go(harvest=True, respect_backoff=True)
    assert report.exit() is Exit.PARTIAL
    assert report.wake_at == START + timedelta(hours=31, minutes=10)
    office.world.clock.advance(minutes=4)
    assert (await office.go(harvest=True, respect_backoff=True)).exit() is Exit.DONE
    assert len(office.crm.files["1"]) == 1
