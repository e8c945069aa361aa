"""The commands at vendors that differ: what is said once, what `explain` remembers, the ways in that `open` prints."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.idiligo import IdiligoSimulator
from connectors.simulators.isl_groop import IslGroopSimulator
from connectors.simulators.livedigital import LivedigitalSimulator
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from daemon.settings import vendor_plugins
from tests.calendars import Entry
from tests.system.process import convener
from tests.world import World, a_world

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
KEY = "sales:one@example.com"
OTHERS = {
    "openmeetings": OpenMeetingsSimulator,
    "isl-groop": IslGroopSimulator,
    "idiligo": IdiligoSimulator,
    "livedigital": LivedigitalSimulator,
}


def world_of(folder: Path, make: Callable[..., Any]) -> Iterator[World]:
    with a_world(folder, make) as world:
        world.entries = {"one": Entry("one@example.com", SOON, title="One")}
        world.publish()
        yield world


@pytest.fixture
def isl(tmp_path: Path) -> Iterator[World]:
    yield from world_of(tmp_path, IslGroopSimulator)


@pytest.fixture(params=OTHERS)
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    yield from world_of(tmp_path, OTHERS[request.param])


def route(world: World, *arguments: str) -> dict[str, Any]:
    """The one route of a plan or a pass that ended well."""
    done = convener(world.folder, *arguments, "--json")
    assert done.code == 0, done.err
    (only,) = done.document["routes"]
    return dict(only)


def test_vendors_prints_every_vendors_capabilities_without_a_configuration(tmp_path: Path) -> None:
    done = convener(tmp_path, "vendors", "--json")
    assert done.code == 0
    assert [row["type"] for row in done.document["vendors"]] == sorted(vendor_plugins())
    text = convener(tmp_path, "vendors").out
    for plugin in vendor_plugins().values():
        assert plugin.capabilities.name.split()[-1] in text


def test_a_pass_then_silence_then_a_plan_without_a_step_at_every_vendor(live: World) -> None:
    assert route(live, "plan")["counts"]["create"] == 1
    assert live.sim.requests == [], "a plan asks the vendor nothing"
    assert route(live, "reconcile")["counts"]["create"] == 1
    asked = len(live.sim.requests)
    assert route(live, "reconcile")["changes"] == []
    assert route(live, "plan")["changes"] == []
    assert len(live.sim.requests) == asked


def test_what_the_vendor_cannot_change_is_said_once_and_remembered(isl: World) -> None:
    route(isl, "reconcile")
    isl.entries["one"] = isl.entries["one"].but(title="Two", people=())
    isl.publish()
    writes = len(isl.sim.writes)
    for command in ("plan", "reconcile"):
        said = route(isl, command)
        found = {(c["action"], c["link"], f["code"]) for c in said["changes"] for f in c["findings"]}
        assert ("update", "kept", "update-unsupported") in found
        assert ("uninvite", "kept", "uninvite-unsupported") in found
        assert said["counts"]["update"] == said["counts"]["uninvite"] == 0
    assert len(isl.sim.writes) == writes
    assert route(isl, "plan")["changes"] == []
    (row,) = convener(isl.folder, "explain", KEY, "--json").document["routes"]
    assert row["stale"] == {"title": "Two"}
    assert {person["email"]: person["stale"] for person in row["participants"]}["jon@example.com"] == "gone"
    assert "the calendar says: Two" in convener(isl.folder, "explain", KEY).out


def test_a_replacement_is_made_where_the_route_says_so_with_a_warning(isl: World) -> None:
    route(isl, "reconcile")
    (before,) = convener(isl.folder, "links", "--json").document["links"]
    isl.configure(route='on_unsupported_update = "replace"')
    isl.entries["one"] = isl.entries["one"].but(title="Two")
    isl.publish()
    change = route(isl, "reconcile")["changes"][0]
    assert (change["action"], change["link"], change["result"]) == ("replace", "new", "done")
    assert "new-link" in {finding["code"] for finding in change["findings"]}
    (after,) = convener(isl.folder, "links", "--json").document["links"]
    assert after["join_url"] != before["join_url"]
    assert len(isl.sim.sessions) == 1


def test_open_prints_the_ways_in_and_leaves_no_trace_of_the_hosts(live: World) -> None:
    route(live, "reconcile")
    join = convener(live.folder, "open", KEY, "--json").document
    assert (join["kind"], join["url"][:4]) == ("join", "http")
    host = convener(live.folder, "open", KEY, "--host", "--json")
    assert host.code == 0, host.err
    assert host.document["kind"] in ("host", "personal")
    assert host.document["url"] != join["url"]
    assert host.document["url"] not in host.err
    if host.document["kind"] == "host":
        with sqlite3.connect(live.folder / "convener.db") as database:
            everything = "\n".join(database.iterdump())
        assert host.document["url"] not in everything
    person = convener(live.folder, "open", KEY, "--as", "JON@example.com", "--json")
    personal = vendor_plugins()[live.settings.vendors["main"].type].capabilities.personal_links
    assert person.code == (0 if personal else 2)


def test_open_says_what_there_is_not(isl: World) -> None:
    assert convener(isl.folder, "open", KEY).code == 2
    route(isl, "reconcile")
    for arguments in (["--as", "nobody@example.com"], ["--route", "other"], ["--host", "--as", "jon@example.com"]):
        done = convener(isl.folder, "open", KEY, *arguments)
        assert done.code == 2
        assert len(done.err.splitlines()) <= 3


def test_adopting_the_session_that_it_has_settles_a_doubt_and_registers_nobody_again(isl: World) -> None:
    isl.configure(route='invite = "email"')
    isl.sim.faults.add(Fault("reset_after", resource="add_registered_user"))
    assert convener(isl.folder, "reconcile").code == 4
    (link,) = convener(isl.folder, "links", "--json").document["links"]
    assert link["state"] == "in_doubt"
    mails = len(isl.sim.mails)
    assert convener(isl.folder, "adopt", KEY, link["session"]).code == 0
    assert route(isl, "reconcile")["changes"] == []
    assert len(isl.sim.mails) == mails == 2
    (link,) = convener(isl.folder, "links", "--json").document["links"]
    assert link["state"] == "live"


def test_adopting_its_own_call_leaves_the_published_link_good(tmp_path: Path) -> None:
    for world in world_of(tmp_path, IdiligoSimulator):
        route(world, "reconcile")
        (before,) = convener(world.folder, "links", "--json").document["links"]
        assert convener(world.folder, "adopt", KEY, before["session"]).code == 0
        (after,) = convener(world.folder, "links", "--json").document["links"]
        assert after["join_url"] == before["join_url"]
        assert route(world, "reconcile")["changes"] == []
