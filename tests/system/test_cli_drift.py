"""`reconcile --drift` as people and scripts see it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.calendars import entries
from tests.system.process import convener
from tests.world import World, a_world

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
KEY = "sales:m0@example.com"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    """Two meetings in step, the first of which somebody has renamed at the vendor since."""
    with a_world(tmp_path) as world:
        world.entries = entries(2, first=SOON)
        world.publish()
        assert convener(world.folder, "reconcile").code == 0
        with world.sim._lock:
            world.sim._account.sessions[first(world)].topic = "By hand"
        yield world


def first(world: World) -> int:
    """The session of the first meeting: they are made side by side."""
    return next(ref for ref, one in world.sim.sessions.items() if one.start_time == f"{SOON:%Y-%m-%d %H:%M:%S}")


def test_a_pass_compares_only_when_it_is_told_to_and_says_what_it_found(live: World) -> None:
    asked = len(live.sim.requests)
    assert convener(live.folder, "reconcile").code == 0
    assert len(live.sim.requests) == asked
    done = convener(live.folder, "reconcile", "--drift")
    assert done.code == 0
    assert done.out.splitlines()[:4] == [
        "Drift sales: main, 2 sessions compared, 1 difference",
        f"  ! Meeting 0: session {first(live)} was changed at the vendor; it is changed back",
        f"      {KEY}",
        "      title  Meeting 0 → By hand",
    ]
    assert "title changed at the vendor" in done.out
    assert live.sim.sessions[first(live)].topic == "Meeting 0"
    again = convener(live.folder, "reconcile", "--drift")
    assert (again.code, again.out.splitlines()[0]) == (0, "Drift sales: main, 2 sessions compared, no differences")


def test_the_document_has_the_same_shape_with_a_check(live: World) -> None:
    without = convener(live.folder, "reconcile", "--json").document
    with_check = convener(live.folder, "reconcile", "--drift", "--json").document
    assert with_check.keys() == without.keys()
    assert with_check["routes"][0].keys() == without["routes"][0].keys()
    (change,) = with_check["routes"][0]["changes"]
    assert (change["reason"], change["result"]) == ("title changed at the vendor", "done")


def test_what_is_only_reported_ends_with_4_and_explain_tells_of_it(live: World) -> None:
    live.configure(route='drift = "report"')
    done = convener(live.folder, "reconcile", "--drift", "--json")
    assert (done.code, done.document["exit"], done.document["routes"][0]["changes"]) == (4, 4, [])
    assert [line["outcome"] for line in done.log if line["event"] == "drift.found"] == ["reported"]
    assert live.sim.sessions[first(live)].topic == "By hand"
    assert f"session {first(live)} was changed at the vendor; it stays so" in convener(live.folder, "explain", KEY).out
    (row,) = convener(live.folder, "explain", KEY, "--json").document["routes"][0]["drift"]
    assert (row["kind"], row["fields"]) == ("changed", [{"name": "title", "from": "Meeting 0", "to": "By hand"}])


def test_a_dry_run_makes_no_check(live: World) -> None:
    done = convener(live.folder, "reconcile", "--drift", "--dry-run")
    assert done.code == 2
    assert "--drift" in done.err
