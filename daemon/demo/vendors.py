"""The five vendors: one calendar, a route for each."""

import json
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.simulators.media import film
from connectors.simulators.serve import serve_in_thread
from daemon.commands.start import toml_table
from daemon.demo.calendar import KICK_OFF, demo_calendar
from daemon.demo.stage import Stage, stage

PASSWORD = "demo-password"  # noqa: S105 - of a stand-in on loopback

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"

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
    with stage(keep=keep, on_stderr=story_on_stderr) as playing, ExitStack() as serving:
        vendors = [_served(vendor, serving) for vendor in ROUTES]
        offer = f"{serving.enter_context(serve_in_thread(_documents())).url}/offer.pdf"
        (playing.folder / "convener.toml").write_text(_configuration(vendors), encoding="utf-8")
        stand_ins = [stand_in for stand_in, _ in vendors]
        playing.servers = {one.vendor: one.requests for one in stand_ins}
        return 0 if _Demo(playing, stand_ins, offer).play() else 1


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
    def __init__(self, playing: Stage, stand_ins: list[StandIn], offer: str) -> None:
        self.stage = playing
        self.stand_ins = stand_ins
        self.now = datetime.now(UTC)
        self.offer = offer

    def play(self) -> bool:
        """Whether all went as announced."""
        stage = self.stage
        stage.tell(
            "One calendar: a weekly series (one moved, one cancelled), a webinar in New York, a call. Five vendors."
        )
        stage.tell("And a kick-off that is on right now, with two documents attached: one inline, one by address.")
        self._calendar(demo_calendar(self.now, self.offer, edited=False))
        plan = "What would be done, and what is lost on the way? Nothing is written yet."
        first = stage.play(
            ("The vendors differ; this is what each can do.", ["vendors"], 0),
            (plan, ["plan", "--detailed-exitcode"], 10),
            ("Do it.", ["reconcile"], 0),
            ("The join links.", ["links"], 0),
            ("The documents of the kick-off went to the vendors that take documents.", ["artifacts"], 0),
            ("Once more: nothing has changed, so no vendor is asked anything.", ["reconcile"], 0),
        )
        if not first:
            return False
        stage.tell("People subscribe to a calendar with the join links in it; this is one entry of feeds/onstream.ics.")
        self._show_entry((stage.folder / "feeds" / "onstream.ics").read_text(encoding="utf-8"))
        stage.tell("Now the calendar is edited: a title, a time, one person more, one less, one meeting cancelled.")
        self._calendar(demo_calendar(self.now, self.offer, edited=True))
        stage.tell("And the kick-off is over: where sessions can be recorded, a recording has appeared.")
        self._hold_the_kick_off()
        second = stage.play(
            ("Each vendor gets what it can take; the join links stay, and the rest is said.", ["reconcile"], 0),
            ("Recordings and documents are in the archive, whole and listed.", ["artifacts"], 0),
            ("And all are in step again.", ["status"], 0),
            ("What was said is remembered: nothing is left to do.", ["plan", "--detailed-exitcode"], 0),
        )
        if not second:
            return False
        stage.tell("Go on with your own calendar:")
        for line in ("convener init        # writes convener.toml, with comments", "convener check", "convener plan"):
            stage.show(line, "bold green")
        return True

    def _hold_the_kick_off(self) -> None:
        """Each vendor's session of the kick-off leaves something."""
        listed = self.stage.convener("links", "--json", stdout=subprocess.PIPE).stdout
        sessions = {link["route"]: link["session"] for link in json.loads(listed)["links"] if link["title"] == KICK_OFF}
        for stand_in in self.stand_ins:
            stand_in.leave_something(sessions[stand_in.vendor])

    def _show_entry(self, feed: str) -> None:
        """The first entry of a feed, as it stands there."""
        begin, end = feed.index("BEGIN:VEVENT"), feed.index("END:VEVENT")
        for line in feed[begin:end].splitlines():
            self.stage.show(line)

    def _calendar(self, text: str) -> None:
        (self.stage.folder / "sales.ics").write_bytes(text.encode())
