"""A stand-in for one HubSpot account: meetings, contacts, notes and owners behind the CRM API, dated paths and v3.

It is strict: what HubSpot's OpenAPI descriptions do not know is refused. `password` is the service key. By document
only: no real account was recorded.
"""

from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from connectors.simulators.hubspot_calls import Calls
from connectors.simulators.hubspot_rules import Options, Problem, authorize, body_of, milliseconds, stamp
from connectors.simulators.hubspot_search import KEYS
from connectors.simulators.hubspot_state import NEVER, Account, SimOwner
from connectors.simulators.stage import Logged, Reply, Request, json_reply
from connectors.simulators.stand_in import StandIn

_BODY = KEYS | {"inputs", "properties", "associations", "propertiesWithHistory", "idProperty"}


class HubspotSimulator(StandIn):
    """The account. Times of the methods are UTC datetimes; ids are HubSpot's, as text."""

    options_type = Options
    _account: Account

    # What a person does in HubSpot

    def add_meeting(
        self,
        title: str,
        start: datetime,
        end: datetime | None,
        *,
        contacts: Iterable[str] = (),
        owner: str = "",
        modified: datetime | None = None,
        **properties: str,
    ) -> str:
        """Plan a meeting with contacts. `modified` is what HubSpot stamps it with, unless that is now."""
        fields = {
            "hs_meeting_title": title,
            "hs_meeting_start_time": stamp(milliseconds(start)),
            "hs_meeting_end_time": "" if end is None else stamp(milliseconds(end)),
            "hs_timestamp": stamp(milliseconds(start)),
            "hs_meeting_outcome": "SCHEDULED",
            "hubspot_owner_id": owner,
            **properties,
        }
        with self._lock:
            present = {name: value for name, value in fields.items() if value}
            made = self._account.add("meetings", present, None if modified is None else milliseconds(modified))
            for contact in contacts:
                self._account.link(made.id, int(contact))
            return str(made.id)

    def change_meeting(self, meeting: str, *, modified: datetime | None = None, **properties: str | datetime) -> None:
        """Write properties of a meeting."""
        fields = {
            name: stamp(milliseconds(value)) if isinstance(value, datetime) else value
            for name, value in properties.items()
        }
        with self._lock:
            self._account.change(int(meeting), fields, None if modified is None else milliseconds(modified))

    def cancel_meeting(self, meeting: str) -> None:
        """Say that it will not take place."""
        self.change_meeting(meeting, hs_meeting_outcome="CANCELED")

    def delete_meeting(self, meeting: str) -> None:
        """Move it to the recycle bin."""
        with self._lock:
            self._alter(meeting, archived_at=self._account.now())

    def restore_meeting(self, meeting: str) -> None:
        """Take it out of there."""
        with self._lock:
            self._alter(meeting, archived_at=None)

    def purge_meeting(self, meeting: str) -> None:
        """Delete it for good: it is not in the recycle bin either."""
        with self._lock:
            self._account.drop(int(meeting))

    def hide_meeting(self, meeting: str, *, hidden: bool = True) -> None:
        """Take away the key's permission to see it, or give it back. That moves no stamp."""
        with self._lock:
            self._alter(meeting, hidden=hidden)

    def withhold(self, meeting: str, *, withheld: bool = True) -> None:
        """Let no search show what was done to a meeting last, or show it now; its stamp stays what it was."""
        with self._lock:
            *states, last = self._account.versions[int(meeting)]
            self._account.put([*states, replace(last, indexed=NEVER if withheld else self._account.now())])

    def invite(self, meeting: str, contact: str) -> None:
        """Associate a contact with a meeting; that is no change of the meeting."""
        with self._lock:
            self._account.link(int(meeting), int(contact))

    def uninvite(self, meeting: str, contact: str) -> None:
        """Take that away."""
        with self._lock:
            self._account.unlink(int(meeting), int(contact))

    def add_contact(self, email: str, firstname: str = "", lastname: str = "") -> str:
        """Add a contact."""
        fields = {"email": email, "firstname": firstname, "lastname": lastname}
        with self._lock:
            return str(self._account.add("contacts", {name: value for name, value in fields.items() if value}).id)

    def change_contact(self, contact: str, **properties: str) -> None:
        """Write properties of a contact."""
        with self._lock:
            self._account.change(int(contact), properties)

    def delete_contact(self, contact: str) -> None:
        """Move a contact to the recycle bin."""
        with self._lock:
            self._alter(contact, archived_at=self._account.now())

    def add_owner(self, email: str, first_name: str = "", last_name: str = "", *, archived: bool = False) -> str:
        """Add a user of the account, or one who has left it."""
        with self._lock:
            owner = SimOwner(self._account.new_id(), email, first_name, last_name, archived)
            self._account.owners[owner.id] = owner
            return str(owner.id)

    # What tests look at

    def meeting(self, meeting: str) -> dict[str, str]:
        """The properties of a meeting now."""
        with self._lock:
            return dict(self._account.versions[int(meeting)][-1].properties)

    @property
    def notes(self) -> list[dict[str, Any]]:
        """Every note: `body`, `timestamp`, and the ids of its `contacts`."""
        with self._lock:
            return [
                {
                    "body": note.value("hs_note_body"),
                    "timestamp": note.value("hs_timestamp"),
                    "contacts": [str(one) for one in self._account.linked(note.id, "contacts")],
                }
                for note in self._account.all("notes")
            ]

    def is_write(self, entry: Logged) -> bool:
        """Searches and batch reads are POSTs without effect."""
        return entry.method in ("PATCH", "DELETE") or (
            entry.method == "POST" and not entry.resource.endswith(("/search", "/batch/read"))
        )

    # What the stage calls

    def resource(self, request: Request) -> str:
        """The path without version and ids: "meetings/search", "contacts/batch/read", "associations/batch/read",
        "meetings", "notes", "owners"."""
        parts = request.path.strip("/").split("/")
        if "associations" in parts:
            return "associations/batch/read"
        if "owners" in parts:
            return "owners"
        return "/".join(part for part in parts[3:] if not part.isdigit()) or "unknown"

    def params(self, request: Request) -> dict[str, Any]:
        """The query of a GET, the body of anything else as far as it is JSON."""
        if request.method == "GET":
            return {name: values[-1] for name, values in parse_qs(request.query).items()}
        try:
            return body_of(request, _BODY)
        except Problem:
            return {}

    def state(self) -> dict[str, Any]:
        """Everything, as JSON types."""
        with self._lock:
            latest = [states[-1] for states in self._account.versions.values()]
            return {
                "objects": [asdict(one) for one in latest],
                "owners": [asdict(one) for one in self._account.owners.values()],
                **super().state(),
            }

    def seed(self, things: dict[str, Any]) -> None:
        """Meetings: `title`, `start` and `end` (ISO 8601 with a zone), `people` (addresses), `owner` (an address), and
        properties."""
        rest = {name for name in things if name != "meetings"}
        super().seed(dict.fromkeys(rest))
        for given in things.get("meetings", []):
            fields = dict(given)
            owner = fields.pop("owner", "")
            self.add_meeting(
                fields.pop("title"),
                datetime.fromisoformat(fields.pop("start")),
                datetime.fromisoformat(fields.pop("end")),
                contacts=[self.add_contact(email) for email in fields.pop("people", [])],
                owner=self.add_owner(owner) if owner else "",
                **fields,
            )

    def reset(self) -> None:
        """An empty account."""
        super().reset()
        with self._lock:
            self._account = Account(self.options)

    def answer(self, request: Request) -> Reply:
        """Serve one request."""
        headers: dict[str, str] = {}
        try:
            authorize(request, self.password)
            with self._lock:
                headers = self._account.admit(search=request.path.endswith("/search"))
                calls = Calls(self._account)
                status, body = calls.dispatch(request)
                self._changes += calls.effects
                reply = json_reply(status, body) if body is not None else Reply(status)
        except Problem as problem:
            reply = problem.reply()
        return Reply(reply.status, reply.body, {**reply.headers, **headers})

    def _alter(self, id_: str, **fields: Any) -> None:
        """What moves no stamp."""
        before = self._account.versions[int(id_)][-1].modified
        self._account.change(int(id_), {}, before, **fields)
