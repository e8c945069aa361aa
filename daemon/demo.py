"""`convener demo`: the real commands over a realistic calendar and the vendors' stand-ins, in a temporary folder."""

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

from connectors.simulators.serve import serve_in_thread
from daemon.commands.start import toml_table

PASSWORD = "demo-password"  # noqa: S105 - of a stand-in on loopback

SOURCE = """\
[sources.sales]
type = "ical"
url  = "sales.ics"
"""

ROUTES: dict[str, dict[str, Any]] = {
    "onstream": {"invite": "email"},
    "openmeetings": {"invite": "email"},
    "isl-groop": {"on_unsupported_update": "keep"},
    "idiligo": {},
    "livedigital": {"series": "room"},
}
"""One route for each vendor, all from the same calendar, and what is special about it."""

EXTRAS: dict[str, dict[str, Any]] = {
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


def run_demo(*, keep: bool = False, story_on_stderr: bool = False) -> int:
    """The whole demo; 1 when a command did not end as announced, else 0."""
    folder = Path(tempfile.mkdtemp(prefix="convener-demo-"))
    console = Console(stderr=story_on_stderr, highlight=False, markup=False, emoji=False)
    try:
        with ExitStack() as serving:
            vendors = [_served(vendor, serving) for vendor in ROUTES]
            (folder / "convener.toml").write_text(_configuration(vendors), encoding="utf-8")
            return _Demo(folder, [stand_in for stand_in, _ in vendors], console).play()
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


def _configuration(vendors: list[tuple[StandIn, dict[str, Any]]]) -> str:
    tables = [SOURCE]
    for stand_in, table in vendors:
        name = stand_in.vendor
        tables.append(toml_table(f"vendors.{name}", table))
        tables.append(toml_table(f"routes.{name}", {"source": "sales", "vendor": name} | ROUTES[name]))
    return "\n\n".join(tables) + "\n"


class _Demo:
    def __init__(self, folder: Path, stand_ins: list[StandIn], out: Console) -> None:
        self.folder = folder
        self.stand_ins = stand_ins
        self.now = datetime.now(UTC)
        self.out = out

    def play(self) -> int:
        self._tell(
            "One calendar: a weekly series (one moved, one cancelled), a webinar in New York, a call. Five vendors."
        )
        self._calendar(demo_calendar(self.now, edited=False))
        first = (
            ("The vendors differ; this is what each can do.", ["vendors"], 0),
            (
                "What would be done, and what is lost on the way? Nothing is written yet.",
                ["plan", "--detailed-exitcode"],
                10,
            ),
            ("Do it.", ["reconcile"], 0),
            ("The join links.", ["links"], 0),
            ("Once more: nothing has changed, so no vendor is asked anything.", ["reconcile"], 0),
        )
        if any(self._run(*step) for step in first):
            return 1
        self._tell("Now the calendar is edited: a title, a time, one person more, one less, one meeting cancelled.")
        self._calendar(demo_calendar(self.now, edited=True))
        second = (
            ("Each vendor gets what it can take; the join links stay, and the rest is said.", ["reconcile"], 0),
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
        command = [sys.executable, "-m", "daemon", *arguments]
        command += [] if arguments[0] == "vendors" else ["--log-format", "text"]
        environment = {**os.environ, "COLUMNS": str(self.out.width)}
        environment.pop("CONVENER_CONFIG", None)
        if self.out.is_terminal:
            environment["FORCE_COLOR"] = "1"
        self.out.file.flush()
        done = subprocess.run(  # noqa: S603
            command,
            cwd=self.folder,
            env=environment,
            stdout=self.out.file,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            check=False,
        )
        asked = ", ".join(f"{one.vendor} {one.requests - before[one.vendor]}" for one in self.stand_ins)
        self.out.print(Text(f"(exit {done.returncode}; requests: {asked})", style="dim"), soft_wrap=True)
        if done.returncode != expected:
            self.out.print(Text(f"This should have ended with exit {expected}:\n{done.stderr}", style="bold red"))
        return done.returncode != expected

    def _calendar(self, text: str) -> None:
        (self.folder / "sales.ics").write_bytes(text.encode())

    def _tell(self, words: str) -> None:
        self.out.print()
        self.out.print(Rule(Text(words, style="bold"), align="left", characters="─"))


def demo_calendar(now: datetime, *, edited: bool) -> str:
    """A realistic calendar, relative to `now`, as CRLF text."""
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
END:VCALENDAR
"""
    return lines.replace("\n", "\r\n")
