"""What people are told, over whole passes: nobody hears of a cancellation because of a hiccup, and the feed agrees."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.livedigital import LivedigitalSimulator
from daemon.wiring import Installation
from sync.outlets import Invitation
from sync.reconcile import Options
from sync.report import Exit, RouteReport
from tests.calendars import Entry, calendar
from tests.clock import START
from tests.world import World, a_world

SOON = START + timedelta(hours=30)


class Post:
    """A route with a standing room for each series, a feed, and mails that are kept here."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mails: list[Invitation] = []

    async def send(self, invitation: Invitation) -> None:
        self.mails.append(invitation)

    async def go(self, text: str | None = None, **options: Any) -> RouteReport:
        """A pass over the entries, or over some text instead."""
        self.world.publish(text)

        async def use(inside: Installation) -> RouteReport:
            inside._outlets["sales"] = replace(inside.outlets("sales"), mailer=self)
            async with inside.working("sales") as reconciler:
                return await reconciler.run(Options(**options))

        report: RouteReport = await self.world.open(use)
        return report

    def told(self) -> dict[str, int]:
        """How many mails of each method since the last time."""
        found = {method: sum(mail.method == method for mail in self.mails) for method in ("REQUEST", "CANCEL")}
        self.mails.clear()
        return {method: number for method, number in found.items() if number}

    def feed(self) -> int:
        text = (self.world.folder / "feeds" / "sales.ics").read_bytes()
        return len(icalendar.Calendar.from_ical(text).walk("VEVENT"))


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    with a_world(tmp_path, LivedigitalSimulator) as world:
        world.sim.options.clock = world.clock.now
        world.configure(
            'settle = "0s"', 'invite = "email"\nseries = "room"\n[routes.sales.publish]\nfeed = "sales.ics"'
        )
        for name, hour in (("a", 0), ("b", 3)):
            start = SOON + timedelta(hours=hour)
            daily = ("RRULE:FREQ=DAILY;COUNT=3",)
            world.entries[name] = Entry(f"{name}@example.com", start, title=name.upper(), extra=daily)
        yield Post(world)


async def begun(post: Post) -> None:
    await post.go()
    assert (post.told(), post.feed()) == ({"REQUEST": 6}, 6)
    assert (await post.go()).exit() is Exit.DONE
    assert post.told() == {}


async def test_an_emptied_calendar_is_held_back_for_people_as_for_sessions(post: Post) -> None:
    await begun(post)
    report = await post.go(calendar([]))
    assert report.exit() is Exit.HELD
    assert (post.told(), post.feed()) == ({}, 6)
    assert (await post.go()).exit() is Exit.DONE
    assert (post.told(), post.feed()) == ({}, 6)
    await post.go(calendar([]), force=True)
    assert (post.told(), post.feed()) == ({"CANCEL": 6}, 0)


@pytest.mark.parametrize("text", ["", "<html>", calendar([])[:-20]])
async def test_a_bad_read_tells_nobody_anything(post: Post, text: str) -> None:
    await begun(post)
    await post.go(text)
    assert (post.told(), post.feed()) == ({}, 6)


async def test_a_room_that_vanished_and_cannot_be_made_at_once_is_no_cancellation(post: Post) -> None:
    await begun(post)
    (room, *_) = [str(link.session) for link in (await post.world.links()).values()]
    post.world.sim.remove_session(room)
    post.world.entries = {name: entry.but(title=f"{entry.title}!") for name, entry in post.world.entries.items()}
    await post.go()
    post.told()
    post.world.sim.faults.add(Fault("503_before", "POST", "room-create", times=9))
    await post.go()
    assert "CANCEL" not in post.told()
    post.world.sim.faults.clear()
    await post.go()
    assert "CANCEL" not in post.told()
    assert post.feed() == 6


async def test_a_forgotten_meeting_that_cannot_be_made_anew_at_once_is_no_cancellation(post: Post) -> None:
    await begun(post)
    link = next(iter((await post.world.links()).values()))

    async def forget(inside: Installation) -> None:
        await inside.ledger.delete_link("sales", link.key)

    await post.world.open(forget)
    post.world.sim.faults.add(Fault("503_before", "POST", "room-create", times=9))
    await post.go()
    assert post.told() == {}
    post.world.sim.faults.clear()
    await post.go()
    assert post.told() == {"REQUEST": 3}, "the link is a new one"


async def test_an_explicit_word_is_told_at_once_even_when_the_vendor_cannot_follow(post: Post) -> None:
    await begun(post)
    post.world.entries["a"] = post.world.entries["a"].but(cancelled=True)
    post.world.sim.faults.add(Fault("503_before", times=50))
    await post.go()
    assert (post.told(), post.feed()) == ({"CANCEL": 3}, 3)
    post.world.sim.faults.clear()
    await post.go()
    assert post.told() == {}
    post.world.entries["a"] = post.world.entries["a"].but(cancelled=False)
    await post.go()
    assert (post.told(), post.feed()) == ({"REQUEST": 3}, 6)


async def test_a_moved_series_is_a_change_for_everybody(post: Post) -> None:
    await begun(post)
    post.world.entries["a"] = post.world.entries["a"].but(start=SOON + timedelta(hours=1))
    await post.go()
    assert (post.told(), post.feed()) == ({"REQUEST": 3}, 6)
