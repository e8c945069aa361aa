"""`convener demo`: the real commands over a realistic calendar and a stand-in vendor, in a temporary folder."""

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.serve import serve_in_thread

PASSWORD = "demo-password"  # noqa: S105 - of a stand-in on loopback

CONFIGURATION = """\
[sources.sales]
type = "ical"
url  = "sales.ics"

[vendors.main]
type = "onstream"
url  = "{url}"
username = "acme"
password = "{password}"

[routes.sales]
source = "sales"
vendor = "main"
invite = "email"
"""


def run_demo(*, keep: bool = False, story_on_stderr: bool = False) -> int:
    """The whole demo; the exit code of the first command that did not do as announced, else 0."""
    folder = Path(tempfile.mkdtemp(prefix="convener-demo-"))
    simulator = OnstreamSimulator(username="acme", password=PASSWORD)
    try:
        with serve_in_thread(simulator.app) as server:
            (folder / "convener.toml").write_text(CONFIGURATION.format(url=server.url, password=PASSWORD))
            return _Demo(
                folder, simulator, Console(stderr=story_on_stderr, highlight=False, markup=False, emoji=False)
            ).play()
    finally:
        if not keep:
            shutil.rmtree(folder)
        else:
            sys.stderr.write(f"The demo's folder: {folder}\n")


class _Demo:
    def __init__(self, folder: Path, simulator: OnstreamSimulator, out: Console) -> None:
        self.folder = folder
        self.simulator = simulator
        self.now = datetime.now(UTC)
        self.out = out

    def play(self) -> int:
        self._tell("A calendar: a weekly series (one moved, one cancelled), a webinar in New York, a call.")
        self._calendar(demo_calendar(self.now, edited=False))
        first = (
            ("What would be done? Nothing is written yet.", ["plan", "--detailed-exitcode"], 10),
            ("Do it.", ["reconcile"], 0),
            ("The join links.", ["links"], 0),
            ("Once more: nothing has changed, so the vendor is not asked anything.", ["reconcile"], 0),
        )
        if any(self._run(*step) for step in first):
            return 1
        self._tell("Now the calendar is edited: a title, a time, one person more, one less, one meeting cancelled.")
        self._calendar(demo_calendar(self.now, edited=True))
        second = (
            ("Exactly these changes are made; the join links stay.", ["reconcile"], 0),
            ("And they are in step again.", ["status"], 0),
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
        before = len(self.simulator.requests)
        command = [sys.executable, "-m", "daemon", *arguments, "--log-format", "text"]
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
        asked = len(self.simulator.requests) - before
        self.out.print(Text(f"(exit {done.returncode}; the vendor got {asked} requests)", style="dim"))
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
