"""A CRM: its meetings become sessions, and the join links come back into it."""

import json
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from connectors.simulators.media import film
from connectors.simulators.odoo import OdooSimulator
from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.serve import serve_in_thread
from daemon.commands.start import toml_table
from daemon.demo.stage import Stage, stage

ROUTE = {"source": "crm", "vendor": "onstream", "looks": ["1s", "5m"]}
SHOWN = ("name", "start", "videocall_location")


def run_demo(*, keep: bool = False, story_on_stderr: bool = False) -> int:
    """The whole demo; 1 when a command did not end as announced, else 0."""
    with stage(keep=keep, on_stderr=story_on_stderr) as playing, ExitStack() as serving:
        crm, vendor = OdooSimulator(version=19), OnstreamSimulator()
        tables = {
            "sources.crm": crm.table(serving.enter_context(serve_in_thread(crm.app)).url),
            "vendors.onstream": vendor.table(serving.enter_context(serve_in_thread(vendor.app)).url)
            | {"experimental": True},
            "routes.crm": ROUTE,
            "routes.crm.publish": {"write_back": True},
        }
        text = "\n\n".join(toml_table(name, table) for name, table in tables.items())
        (playing.folder / "convener.toml").write_text(text + "\n", encoding="utf-8")
        playing.servers = {"crm": lambda: len(crm.requests), "onstream": lambda: len(vendor.requests)}
        return 0 if _Demo(playing, crm, vendor).play() else 1


class _Demo:
    def __init__(self, playing: Stage, crm: OdooSimulator, vendor: OnstreamSimulator) -> None:
        self.stage = playing
        self.crm = crm
        self.vendor = vendor
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        self.tomorrow = now.replace(hour=9, minute=0) + timedelta(days=1)
        self.now = now

    def play(self) -> bool:
        """Whether all went as announced."""
        stage, crm = self.stage, self.crm
        stage.tell("A CRM (Odoo 19, a stand-in) in which people plan a demo for a client, and a call that is on now.")
        ada, bob = ("ada@client.example", "Ada Client"), ("bob@buyer.example", "Bob Buyer")
        lead = crm.add_lead("Client Ltd")
        demo = crm.add_meeting("Product demo", self.tomorrow, people=[ada, bob], opportunity_id=lead)
        call = crm.add_meeting("Kick-off call", self.now - timedelta(minutes=30), people=[ada], opportunity_id=lead)
        self._show_record(demo)
        first = stage.play(
            ("Can both be reached, and is the CRM understood?", ["check"], 0),
            ("What would be done? Nothing is written yet.", ["plan", "--detailed-exitcode"], 10),
            ("Do it.", ["reconcile"], 0),
            ("The join links.", ["links"], 0),
        )
        if not first:
            return False
        stage.tell("The link came back: this is the meeting in the CRM now.")
        self._show_record(demo)
        second = stage.play(
            ("Our own writing is no change: nothing is left to do, at the vendor and in the CRM.", ["reconcile"], 0)
        )
        if not second or not self._link_is_back(demo):
            return False
        stage.tell("Somebody puts the demo off by a day, and Bob declines (which Odoo does not count as a change).")
        crm.change_meeting(
            demo, start=self.tomorrow + timedelta(days=1), stop=self.tomorrow + timedelta(days=1, hours=1)
        )
        crm.decline(demo, bob[0])
        stage.tell("And the call is over: its recording has appeared at the vendor.")
        crm.change_meeting(call, stop=self.now - timedelta(minutes=1))
        self.vendor.add_recording(int(self._session(call)), title="Kick-off call", content=film(seconds=1800))
        third = stage.play(
            ("The session is moved, the link stays, Bob is off the list, and the recording comes.", ["reconcile"], 0),
            ("The recording is in the archive, and the CRM was told of it.", ["artifacts"], 0),
        )
        if not third:
            return False
        self._show_notes(call, lead)
        stage.tell("The meeting is deleted in the CRM. One look that does not see it proves nothing; two do.")
        crm.delete_meeting(demo)
        last = stage.play(
            ("The first look: the session stays.", ["plan", "--detailed-exitcode"], 0),
            ("A pass remembers that it was missing …", ["reconcile"], 0),
            ("… and the next one believes it.", ["reconcile"], 0),
            ("Everything is in step.", ["status"], 0),
        )
        if last:
            stage.tell("Go on with your own CRM: docs/sources.md has a configuration for each.")
        return last

    def _show_record(self, meeting: str) -> None:
        record = self.crm.meeting(meeting)
        self.stage.show(f"calendar.event {meeting}:")
        for name in SHOWN:
            self.stage.show(f"  {name} = {json.dumps(record.get(name, False))}")

    def _show_notes(self, meeting: str, lead: int) -> None:
        notes: Mapping[str, list[str]] = {
            f"calendar.event {meeting}": self.crm.notes(meeting),
            f"crm.lead {lead}": self.crm.notes(lead, "crm.lead"),
        }
        self.stage.tell("The notes in the CRM, at the meeting and at the opportunity.")
        for where, lines in notes.items():
            for line in lines:
                self.stage.show(f"{where}: {line}")

    def _link_is_back(self, meeting: str) -> bool:
        """Whether the CRM shows the session's own join link."""
        return bool(self.crm.meeting(meeting).get("videocall_location") == self._link(meeting)["join_url"])

    def _session(self, meeting: str) -> str:
        return str(self._link(meeting)["session"])

    def _link(self, meeting: str) -> Mapping[str, str]:
        listed = self.stage.convener("links", "--json", stdout=subprocess.PIPE).stdout
        links: list[Mapping[str, str]] = json.loads(listed)["links"]
        return next(link for link in links if link["uid"] == meeting)
