"""A realistic state of a service with several routes and vendors, for the page and its picture in the README.

`python -m tests.showcase` takes the picture anew: docs/status-page.png; with --all also those in dark and of a phone.
"""

import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from daemon.live import Standing
from sync.change import Action, Change, LinkEffect, Result
from sync.ledger.records import (
    Link,
    LinkState,
    Occurrence,
    Pulled,
    PulledState,
    Registered,
    SourceState,
    VendorState,
)
from sync.model import Finding, MeetingKey, Participant, Role
from tests.chromium import chromium, picture, scheme, window
from tests.clock import START
from tests.live import StillLife, served_in_thread

NOW = START + timedelta(days=1, hours=3, minutes=20)  # a Tuesday, 09:20 UTC

CONFIG = """\
[daemon]
listen = "127.0.0.1:0"

[sources.sales]
type = "ical"
url = "https://calendar.example.com/sales.ics"

[sources.training]
type = "ical"
url = "https://calendar.example.com/training.ics"
poll = "15m"

[vendors.onstream]
type = "onstream"
url = "https://join.onstreammedia.com"
username = "acme"
password = "s3cret-of-onstream"

[vendors.rooms]
type = "livedigital"
url = "https://moodhood-api.livedigital.space"
front_url = "https://edu.livedigital.space"
space = "Acme"
access_token = "s3cret-of-livedigital"

[vendors.meetings]
type = "openmeetings"
url = "https://meet.example.com/openmeetings"
username = "convener"
password = "s3cret-of-openmeetings"

[vendors.helpdesk]
type = "isl-groop"
url = "https://server98.islonline.net"
username = "acme"
password = "s3cret-of-isl"

[vendors.advice]
type = "idiligo"
url = "https://app.idiligo.com"
api_key = "s3cret-key-of-idiligo"
username = "acme"
password = "s3cret-of-idiligo"
traject = "advice"

[routes.webinars]
source = "sales"
vendor = "onstream"

[routes.customers]
source = "sales"
vendor = "meetings"

[routes.academy]
source = "training"
vendor = "rooms"
series = "room"

[routes.support]
source = "sales"
vendor = "helpdesk"

[routes.advice]
source = "sales"
vendor = "advice"
"""

PEOPLE = ("Mara Vogt", "Jon Berg", "Ana Ruiz", "Priya Nair", "Omar Haddad", "Kim Larsen", "Lee Chan", "Sam Ode")


def people(*numbers: int) -> tuple[Registered, ...]:
    return tuple(
        Registered(
            f"{PEOPLE[n].split()[0].lower()}@example.com",
            PEOPLE[n],
            Role.PARTICIPANT if n else Role.MODERATOR,
            personal_link=f"https://join.example.com/personal-{n}-of-{PEOPLE[n].split()[0]}",
        )
        for n in numbers
    )


def link(route: str, name: str, title: str, start: datetime, minutes: int = 45, who: Iterable[int] = (0, 1, 2)) -> Link:
    """A live meeting with a session."""
    vendor, join = {
        "webinars": ("onstream", "https://join.onstreammedia.com/go/acme/{}"),
        "customers": ("meetings", "https://meet.example.com/openmeetings/#room/{}"),
        "academy": ("rooms", "https://edu.livedigital.space/room/{}"),
        "support": ("helpdesk", "https://server98.islonline.net/start?session={}"),
        "advice": ("advice", "https://app.idiligo.com/client?id={}"),
    }[route]
    source = "training" if route == "academy" else "sales"
    number = f"{sum(name.encode()) % 9000 + 1000}"
    return Link(
        route, MeetingKey(source, f"{name}@example.com"), vendor, "", LinkState.LIVE, number, title, start,
        start + timedelta(minutes=minutes), join.format(number), {}, people(*who),
    )  # fmt: skip


def step(
    of: Link, action: Action, reason: str, effect: LinkEffect, result: Result = Result.DONE, why: str = ""
) -> Change:
    findings = (Finding("failed", why),) if why else ()
    return Change(of.key, action, reason, effect, of.title, of.start, result, findings=findings)


async def fill(life: StillLife) -> None:
    """Three routes: one held back, one with a meeting in quarantine, one in step."""
    day = NOW.replace(hour=0, minute=0)
    kick_off = link("customers", "kick-off", "Project kick-off: Northwind", NOW - timedelta(minutes=20), 60, (0, 1, 5))
    review = link("webinars", "review", "Weekly sales review", day + timedelta(hours=13), 30, (0, 1, 2, 3))
    webinar = link(
        "webinars", "launch", "Product webinar: what is new, and why", day + timedelta(days=1, hours=15), 60, range(8)
    )
    advice = link(
        "advice", "pension", "Pension advice: family Okafor", day + timedelta(hours=10, minutes=30), 50, (3, 4)
    )
    support = link(
        "support", "support", "Support call: migration & roll-out", day + timedelta(days=1, hours=8), 30, (0, 5)
    )
    onboarding = link(
        "customers", "onboarding", "Einführung für neue Kunden – Zürich", day + timedelta(days=2, hours=9), 90, (0, 6)
    )
    broken = replace(
        link("webinars", "partner", "Partner briefing (EMEA)", day + timedelta(days=1, hours=11), 45, (0, 3)),
        state=LinkState.QUARANTINED, session=None, join_url=None, attempts=5,
        problem="the vendor says no: 'moderator' is not a user of this account",
    )  # fmt: skip
    retried = replace(
        link("customers", "demo", "Demo for Fabrikam", day + timedelta(days=3, hours=14), 30, (0, 7)),
        state=LinkState.PENDING, session=None, join_url=None, attempts=2, retry_at=NOW + timedelta(minutes=8),
        problem="the vendor answered 409: the room's name is taken",
    )  # fmt: skip
    course = link("academy", "course", "Safety course", day + timedelta(hours=16), 45, ())
    ledger = life.inside.ledger
    for one in (kick_off, review, webinar, advice, support, onboarding, broken, retried, course):
        await ledger.save_link(one, NOW - timedelta(hours=2))
    await ledger.occurrences.save(*(_lesson(course, n, day) for n in range(3)))
    await _passes(life)
    await _memory(life)
    old = [link("academy", f"old-{n}", f"Safety course, group {n}", day + timedelta(days=9 + n)) for n in range(7)]
    await _steps(life, (kick_off, review, webinar, support, onboarding, broken, retried), old)
    await _stored(life, day)


def _lesson(course: Link, number: int, day: datetime) -> Occurrence:
    start = day + timedelta(days=7 * number, hours=16)
    key = replace(course.key, recurrence_id=start)
    who = tuple(Participant(f"{n}@example.com", PEOPLE[n], Role.PARTICIPANT) for n in range(2 + number))
    return Occurrence(
        "academy", key, str(course.key), "rooms", str(course.session), f"Safety course, part {number + 1}", start,
        start + timedelta(minutes=45), people=who,
    )  # fmt: skip


async def _passes(life: StillLife) -> None:
    held = "7 of 9 meetings (78 %) are gone from the calendar, more than max_delete_percent = 30 allows"
    ends = {
        "webinars": (4, 2, {}, ""),
        "customers": (4, 3, {}, ""),
        "academy": (3, 6, {"held": 7}, held),
        "support": (0, 2, {}, ""),
        "advice": (0, 1, {}, ""),
    }
    for route, (code, minutes, counts, reason) in ends.items():
        before = NOW - timedelta(minutes=35 + minutes)
        number = await life.inside.ledger.start_run(route, before)
        await life.inside.ledger.finish_run(number, before + timedelta(seconds=2), 0, {}, "")
        last = NOW - timedelta(minutes=minutes)
        number = await life.inside.ledger.start_run(route, last)
        await life.inside.ledger.finish_run(number, last + timedelta(seconds=3), code, counts, reason)
        life.standings[route] = Standing(next_run=NOW + timedelta(minutes=5 - minutes % 4), running=False)
    life.standings["academy"] = Standing(next_run=None, running=False, owner="convener-2 (berlin)")
    life.started_at = NOW - timedelta(days=12, hours=4)


async def _memory(life: StillLife) -> None:
    ledger, read = life.inside.ledger, NOW - timedelta(minutes=2)
    await ledger.save_source("sales", SourceState(None, read, read, None))
    whole = NOW - timedelta(minutes=6)
    unreadable = frozenset({("offsite@example.com", "its start is no date (line 412)")})
    await ledger.save_source("training", SourceState(None, whole, whole, None, unreadable))
    await ledger.save_vendor("rooms", VendorState())


async def _steps(life: StillLife, known: tuple[Link, ...], old: list[Link]) -> None:
    kick_off, review, webinar, support, onboarding, broken, retried = known
    steps = life.inside.ledger.steps
    contoso = replace(onboarding, title="Quarterly review: Contoso")
    omar = Participant("omar@example.com", "Omar Haddad", Role.PARTICIPANT)
    await steps.record("support", [
        step(support, Action.UPDATE, "start and end changed in the calendar", LinkEffect.KEPT),
    ], NOW - timedelta(hours=4))  # fmt: skip
    await steps.record("customers", [
        step(kick_off, Action.CREATE, "new in the calendar", LinkEffect.NEW),
    ], NOW - timedelta(hours=5))  # fmt: skip
    await steps.record("customers", [
        step(contoso, Action.CANCEL, "cancelled in the calendar", LinkEffect.RETIRED),
    ], NOW - timedelta(hours=3))  # fmt: skip
    await steps.record("webinars", [
        step(review, Action.UPDATE, "title changed in the calendar", LinkEffect.KEPT),
        replace(step(webinar, Action.INVITE, "new among the participants", LinkEffect.KEPT), person=omar),
        step(broken, Action.CREATE, "new in the calendar", LinkEffect.NEW, Result.FAILED, str(broken.problem)),
    ], NOW - timedelta(minutes=37))  # fmt: skip
    gone = "no longer in the calendar"
    why = "7 of 9 meetings (78 %) are gone"
    await steps.record(
        "academy",
        [step(one, Action.CANCEL, gone, LinkEffect.RETIRED, Result.HELD, why) for one in old],
        NOW - timedelta(minutes=6),
    )
    await steps.record("customers", [
        step(onboarding, Action.CREATE, "new in the calendar", LinkEffect.NEW),
        step(retried, Action.CREATE, "new in the calendar", LinkEffect.NEW, Result.FAILED, str(retried.problem)),
    ], NOW - timedelta(minutes=3))  # fmt: skip


async def _stored(life: StillLife, day: datetime) -> None:
    for number, (route, kind, name, size, title) in enumerate(
        (
            ("webinars", "recording", "Product webinar.mp4", 734_003_200, "Product webinar"),
            ("customers", "document", "Offer, signed.pdf", 184_320, "Contract talk: Contoso"),
            ("academy", "attendance", "Attendance.json", 4_210, "Safety course, part 0"),
        )
    ):
        start = day - timedelta(days=number, hours=8)
        key = MeetingKey("sales", f"past-{number}@example.com")
        await life.inside.ledger.occurrences.save(
            Occurrence(route, key, str(key), "onstream", "9", title, start, start + timedelta(hours=1))
        )
        await life.inside.ledger.artifacts.save_pulled(
            Pulled(
                route,
                str(key),
                "onstream",
                "9",
                kind,
                f"r{number}",
                name,
                f"{route}/x",
                PulledState.STORED,
                start,
                size=size,
                path=f"{route}/{name}",
                stored_at=start + timedelta(hours=1, minutes=5),
            )
        )


def write_config(folder: Path, text: str = CONFIG) -> Path:
    """The configuration file of that state."""
    path = folder / "convener.toml"
    path.write_text(text)
    return path


def take_pictures(folder: Path, *, everything: bool) -> None:
    """`status-page.png`: the upper part, in light. With everything also in dark, whole and on a phone."""
    with (
        tempfile.TemporaryDirectory() as config,
        served_in_thread(write_config(Path(config)), fill, NOW) as (_, address),
        chromium() as browser,
    ):
        shots = [("status-page", "light", 1100, 1700)]
        if everything:
            shots += [("status-page-dark", "dark", 1100, 0), ("status-page-phone", "light", 390, 0)]
        for name, colours, width, height in shots:
            scheme(browser, colours)
            window(browser, width, 900)
            browser.get(f"http://{address}/")
            picture(browser, folder / f"{name}.png", height or None)


if __name__ == "__main__":
    take_pictures(Path(__file__).parents[1] / "docs", everything="--all" in sys.argv)
