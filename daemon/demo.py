"""`convener demo`: the real commands over a realistic calendar and the vendors' stand-ins, in a temporary folder."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.simulators.media import film
from connectors.simulators.serve import serve_in_thread
from daemon.commands.start import toml_table

PASSWORD = "demo-password"  # noqa: S105 - of a stand-in on loopback

KICK_OFF = "Project kick-off"
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
AGENDA = b"1. Hello\n2. What we want\n3. Who does what\n"

SOURCE = """\
[sources.sales]
type = "ical"
url  = "sales.ics"
allow_private = true      # the attached offer lies on this very machine
"""

ROUTES: dict[str, dict[str, Any]] = {
    "onstream": {"invite": "email"},
    "openmeetings": {"invite": "email"},
    "isl-groop": {"on_unsupported_update": "keep"},
    "idiligo": {},
    "livedigital": {"series": "room"},
}
"""One route for each vendor, all from the same calendar, and what is special about it."""

LOOKS = ["1s", "5m", "30m"]
"""How soon after a meeting's end its recordings are looked for: a demo has no five minutes to wait."""

EXTRAS: dict[str, dict[str, Any]] = {
    "onstream": {"experimental": True},
    "isl-groop": {"join_url": "{server}/start?session={session_code}&user={join_uid}"},
    "idiligo": {"values": {"customer": "{participant.name}", "subject": "{title}"}},
}
"""Keys of the vendors' tables that the stand-ins do not need."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """One vendor's stand-in while it is being served."""

    vendor: str
    simulator: Any

    @property
    def requests(self) -> int:
        """How many it got so far."""
        return len(self.simulator.requests)

    def leave_something(self, session: str) -> None:
        """The session has been held: it leaves at the vendor what such a session leaves there."""
        match self.vendor:
            case "onstream":
                self.simulator.add_recording(int(session), title=KICK_OFF, content=film(seconds=1800))
            case "openmeetings":
                self.simulator.add_recording(int(session), name=KICK_OFF, content=film(seconds=1800))
            case "idiligo":
                self.simulator.add_attachment(int(session), "Offer, signed.pdf", PDF.decode())
            case "livedigital":
                self.simulator.add_recording(session, name=KICK_OFF, content=film(seconds=1800))
                self.simulator.add_call(session)


def run_demo(*, keep: bool = False, story_on_stderr: bool = False) -> int:
    """The whole demo; 1 when a command did not end as announced, else 0."""
    folder = Path(tempfile.mkdtemp(prefix="convener-demo-"))
    console = Console(stderr=story_on_stderr, highlight=False, markup=False, emoji=False)
    try:
        with ExitStack() as serving:
            vendors = [_served(vendor, serving) for vendor in ROUTES]
            offer = f"{serving.enter_context(serve_in_thread(_documents())).url}/offer.pdf"
            (folder / "convener.toml").write_text(_configuration(vendors), encoding="utf-8")
            return _Demo(folder, [stand_in for stand_in, _ in vendors], console, offer).play()
    finally:
        if not keep:
            shutil.rmtree(folder)
        else:
            sys.stderr.write(f"The demo's folder: {folder}\n")


def _served(vendor: str, serving: ExitStack) -> tuple[StandIn, dict[str, Any]]:
    make = entry_points(group="convener.simulators")[vendor].load()
    simulator = make(username="acme", password=PASSWORD)
    url = serving.enter_context(serve_in_thread(simulator.app)).url
    return StandIn(vendor, simulator), simulator.table(url) | EXTRAS.get(vendor, {})


def _documents() -> Starlette:
    """The web server on which the document lies that the calendar names."""

    async def offer(_request: Request) -> Response:
        return Response(PDF, media_type="application/pdf", headers={"etag": '"1"'})

    return Starlette(routes=[Route("/offer.pdf", offer)])


def _configuration(vendors: list[tuple[StandIn, dict[str, Any]]]) -> str:
    tables = [SOURCE]
    for stand_in, table in vendors:
        name = stand_in.vendor
        tables.append(toml_table(f"vendors.{name}", table))
        route = {"source": "sales", "vendor": name, "looks": LOOKS} | ROUTES[name]
        tables.append(toml_table(f"routes.{name}", route))
        tables.append(toml_table(f"routes.{name}.publish", {"feed": f"{name}.ics"}))
    return "\n\n".join(tables) + "\n"


class _Demo:
    def __init__(self, folder: Path, stand_ins: list[StandIn], out: Console, offer: str) -> None:
        self.folder = folder
        self.stand_ins = stand_ins
        self.now = datetime.now(UTC)
        self.out = out
        self.offer = offer

    def play(self) -> int:
        self._tell(
            "One calendar: a weekly series (one moved, one cancelled), a webinar in New York, a call. Five vendors."
        )
        self._tell("And a kick-off that is on right now, with two documents attached: one inline, one by address.")
        self._calendar(demo_calendar(self.now, self.offer, edited=False))
        first = (
            ("The vendors differ; this is what each can do.", ["vendors"], 0),
            (
                "What would be done, and what is lost on the way? Nothing is written yet.",
                ["plan", "--detailed-exitcode"],
                10,
            ),
            ("Do it.", ["reconcile"], 0),
            ("The join links.", ["links"], 0),
            ("The documents of the kick-off went to the vendors that take documents.", ["artifacts"], 0),
            ("Once more: nothing has changed, so no vendor is asked anything.", ["reconcile"], 0),
        )
        if any(self._run(*step) for step in first):
            return 1
        self._tell("People subscribe to a calendar with the join links in it; this is one entry of feeds/onstream.ics.")
        self._show_entry((self.folder / "feeds" / "onstream.ics").read_text(encoding="utf-8"))
        self._tell("Now the calendar is edited: a title, a time, one person more, one less, one meeting cancelled.")
        self._calendar(demo_calendar(self.now, self.offer, edited=True))
        self._tell("And the kick-off is over: where sessions can be recorded, a recording has appeared.")
        self._hold_the_kick_off()
        second = (
            ("Each vendor gets what it can take; the join links stay, and the rest is said.", ["reconcile"], 0),
            ("Recordings and documents are in the archive, whole and listed.", ["artifacts"], 0),
            ("And all are in step again.", ["status"], 0),
            ("What was said is remembered: nothing is left to do.", ["plan", "--detailed-exitcode"], 0),
        )
        if any(self._run(*step) for step in second):
            return 1
        self._tell("Go on with your own calendar:")
        for line in ("convener init        # writes convener.toml, with comments", "convener check", "convener plan"):
            self.out.print(Text(f"  {line}", style="bold green"))
        return 0

    def _run(self, words: str, arguments: list[str], expected: int) -> bool:
        """Run a command as a person would; True when it did not end as announced."""
        self._tell(words)
        self.out.print(Text(f"$ convener {' '.join(arguments)}", style="bold green"))
        before = {one.vendor: one.requests for one in self.stand_ins}
        self.out.file.flush()
        given = arguments if arguments[0] == "vendors" else [*arguments, "--log-format", "text"]
        done = self._convener(*given, stdout=self.out.file)
        asked = ", ".join(f"{one.vendor} {one.requests - before[one.vendor]}" for one in self.stand_ins)
        self.out.print(Text(f"(exit {done.returncode}; requests: {asked})", style="dim"), soft_wrap=True)
        if done.returncode != expected:
            self.out.print(Text(f"This should have ended with exit {expected}:\n{done.stderr}", style="bold red"))
        return done.returncode != expected

    def _convener(self, *arguments: str, stdout: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": str(self.out.width)}
        environment.pop("CONVENER_CONFIG", None)
        if self.out.is_terminal:
            environment["FORCE_COLOR"] = "1"
        return subprocess.run(  # noqa: S603
            [sys.executable, "-m", "daemon", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def _hold_the_kick_off(self) -> None:
        """Each vendor's session of the kick-off leaves something."""
        listed = self._convener("links", "--json", stdout=subprocess.PIPE).stdout
        sessions = {link["route"]: link["session"] for link in json.loads(listed)["links"] if link["title"] == KICK_OFF}
        for stand_in in self.stand_ins:
            stand_in.leave_something(sessions[stand_in.vendor])

    def _show_entry(self, feed: str) -> None:
        """The first entry of a feed, as it stands there."""
        begin, end = feed.index("BEGIN:VEVENT"), feed.index("END:VEVENT")
        for line in feed[begin:end].splitlines():
            self.out.print(Text(f"  {line}", style="dim"), soft_wrap=True)

    def _calendar(self, text: str) -> None:
        (self.folder / "sales.ics").write_bytes(text.encode())

    def _tell(self, words: str) -> None:
        self.out.print()
        self.out.print(Rule(characters="─", style="dim"))
        self.out.print(Text(words, style="bold"))


def demo_calendar(now: datetime, offer: str, *, edited: bool) -> str:
    """A realistic calendar, relative to `now`, as CRLF text; `offer` is the address of an attached document."""
    began, ends = now - timedelta(minutes=30), now + timedelta(minutes=-1 if edited else 30)
    monday = (now + timedelta(days=7 - now.weekday())).date()
    day = [(monday + timedelta(days=n)).strftime("%Y%m%d") for n in range(30)]
    title = "Product webinar: what is new, and why" if edited else "Product webinar"
    talk = "1630" if edited else "1500"
    person = "Omar Haddad:mailto:omar@example.net" if edited else "Lee Chan:mailto:lee@example.net"
    lines = f"""\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//convener//demo//EN
X-WR-TIMEZONE:Europe/Berlin
BEGIN:VEVENT
UID:weekly-review@example.com
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART;TZID=Europe/Berlin:{day[0]}T090000
DTEND;TZID=Europe/Berlin:{day[0]}T093000
RRULE:FREQ=WEEKLY;COUNT=4
SUMMARY:Weekly sales review
ORGANIZER;CN=Mara Vogt:mailto:mara@example.com
ATTENDEE;CN=Jon Berg;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED:mailto:jon@example.com
ATTENDEE;CN=Ana Ruiz;ROLE=OPT-PARTICIPANT:MAILTO:ana@example.com
ATTENDEE;CN=Room 4;CUTYPE=ROOM:mailto:room4@example.com
END:VEVENT
BEGIN:VEVENT
UID:weekly-review@example.com
RECURRENCE-ID;TZID=Europe/Berlin:{day[7]}T090000
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART;TZID=Europe/Berlin:{day[8]}T140000
DTEND;TZID=Europe/Berlin:{day[8]}T144500
SUMMARY:Weekly sales review (moved: bank holiday)
ORGANIZER;CN=Mara Vogt:mailto:mara@example.com
ATTENDEE;CN=Jon Berg:mailto:jon@example.com
END:VEVENT
BEGIN:VEVENT
UID:weekly-review@example.com
RECURRENCE-ID;TZID=Europe/Berlin:{day[14]}T090000
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART;TZID=Europe/Berlin:{day[14]}T090000
DTEND;TZID=Europe/Berlin:{day[14]}T093000
STATUS:CANCELLED
SUMMARY:Weekly sales review
END:VEVENT
BEGIN:VEVENT
UID:webinar-2@example.com
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART;TZID=America/New_York:{day[2]}T{talk}00
DURATION:PT1H
SUMMARY:{title}
ORGANIZER;CN=Priya Nair:mailto:priya@example.com
ATTENDEE;CN=Sam Ode;ROLE=CHAIR:mailto:sam@example.com
ATTENDEE;CN={person}
ATTENDEE;CN=Press desk;ROLE=NON-PARTICIPANT:mailto:press@example.org
END:VEVENT
BEGIN:VEVENT
UID:support-call-77@example.com
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART:{day[3]}T080000Z
DTEND:{day[3]}T083000Z
SUMMARY:Support call: migration & roll-out
{"STATUS:CANCELLED" if edited else "STATUS:CONFIRMED"}
ORGANIZER;CN=Support:mailto:support@example.com
ATTENDEE;CN=Kim Larsen:mailto:kim@example.org
END:VEVENT
BEGIN:VEVENT
UID:kick-off@example.com
DTSTAMP:{now:%Y%m%dT%H%M%SZ}
DTSTART:{began:%Y%m%dT%H%M%SZ}
DTEND:{ends:%Y%m%dT%H%M%SZ}
SUMMARY:{KICK_OFF}
ORGANIZER;CN=Mara Vogt:mailto:mara@example.com
ATTENDEE;CN=Jon Berg:mailto:jon@example.com
ATTACH;FMTTYPE=application/pdf;FILENAME=offer.pdf:{offer}
ATTACH;FMTTYPE=text/plain;FILENAME=agenda.txt;ENCODING=BASE64;VALUE=BINARY:{base64.b64encode(AGENDA).decode()}
END:VEVENT
END:VCALENDAR
"""
    return lines.replace("\n", "\r\n")
