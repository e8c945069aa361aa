"""A stand-in for a Dolibarr server (REST API, as 20.0.2 answers): stateful and strict, for tests and trying out.

    sim = DolibarrSimulator(password="the user's API key")
    ada = sim.add_contact("ada@client.example", "Ada", "Client")
    demo = sim.add_meeting("Product demo", 1796115600, 1796119200, contacts=[ada])
    with serve_in_thread(sim.app) as served:
        ...                                  # the source's url is served.url

There is no transcript of that server, only notes of what was seen: this follows them, and where they are silent it is
strict. Of the 150 keys of an event it shows those that matter. `POST /_sim/seed` takes `{"meetings": [{"label",
"start", "end", "people": [e-mail, …], …fields}]}`, times in seconds since 1970. Resources, as faults and the log name
them: agendaevents, contacts, upload.

Options: `clock` gives the server's time (UTC), `database_zone` is the zone in which the database reads the stamps of a
filter, `empty_is_404`: an empty list is a 404, as in older versions.
"""

import copy
import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote
from zoneinfo import ZoneInfo

from connectors.simulators.dolibarr_filters import BadFilter, rules
from connectors.simulators.stage import Reply, Request, json_reply
from connectors.simulators.stand_in import StandIn

ROOT = "/api/index.php/"
DEFAULT_LIMIT = 100

Row = dict[str, Any]

_BY_ID = re.compile(r"\(t\.(?:id|rowid):in:([0-9,]+)\)")
_EVENT_FIELDS = frozenset({"id", "tms", "code", "label"})
_CONTACT_FIELDS = frozenset({"rowid", "tms"})
_WRITABLE = frozenset({"label", "datep", "datef", "location", "note_private", "percentage", "fulldayevent"})


@dataclass(frozen=True, slots=True)
class Options:
    """How this server is set up."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    database_zone: str = "UTC"
    empty_is_404: bool = False


class Problem(Exception):
    """An error as the API answers it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class DolibarrSimulator(StandIn):
    """The server; `password` is the API key of its one user. `options` are the fields of `Options`."""

    options_type = Options
    options: Options

    def table(self, url: str) -> dict[str, Any]:
        """The keys of a `[sources.<name>]` table that reaches this stand-in at `url`."""
        zone = self.options.database_zone
        return {"type": "dolibarr", "url": url, "auth": {"secret": self.password}, "database_zone": zone}

    # What people do in the CRM

    def add_contact(self, email: str, first: str = "", last: str = "") -> str:
        """Somebody adds a contact, which the system notes in the agenda by itself; its id."""
        with self._lock:
            id_ = self._id("contacts")
            row = {"id": id_, "rowid": id_, "email": email, "firstname": first, "lastname": last, "tms": self._now()}
            self._contacts[id_] = row
            self._event(f"Contact {first} {last} created", self._now(), None, "AC_CONTACT_CREATE", ())
            return id_

    def add_meeting(
        self, label: str, start: int, end: int | None, *, contacts: Iterable[str] = (), **fields: Any
    ) -> str:
        """Somebody makes a meeting, times in seconds since 1970; its id."""
        with self._lock:
            return self._event(label, start, end, "AC_RDV", contacts, **fields)

    def change(self, id_: str, **fields: Any) -> None:
        """Somebody changes an event."""
        with self._lock:
            self._events[id_] |= {**fields, "tms": self._now()}

    def change_contact(self, id_: str, **fields: Any) -> None:
        """Somebody changes a contact."""
        with self._lock:
            self._contacts[id_] |= {**fields, "tms": self._now()}

    def invite(self, id_: str, contact: str) -> None:
        """Somebody adds a contact to an event."""
        with self._lock:
            self._events[id_]["socpeopleassigned"] = {
                **(self._events[id_]["socpeopleassigned"] or {}),
                contact: {"answer_status": "0"},
            }

    def delete(self, id_: str) -> None:
        """Somebody deletes an event."""
        with self._lock:
            del self._events[id_]

    def hide(self, id_: str, *, hidden: bool = True) -> None:
        """The user may not see the event any more (or again)."""
        with self._lock:
            (self._hidden.add if hidden else self._hidden.discard)(id_)

    @property
    def events(self) -> dict[str, Row]:
        """The events by id, as copies."""
        with self._lock:
            return copy.deepcopy(self._events)

    @property
    def files(self) -> dict[tuple[str, str], bytes]:
        """What was uploaded, by event and name."""
        with self._lock:
            return dict(self._files)

    # What the stage calls

    def resource(self, request: Request) -> str:
        """The kind of record; "upload" for a file."""
        parts = _parts(request)
        return "upload" if parts[:1] == ["documents"] else parts[0] if parts else ""

    def params(self, request: Request) -> dict[str, Any]:
        """The query, or the document that was sent."""
        if request.method == "GET":
            return dict(parse_qsl(request.query))
        try:
            sent = json.loads(request.body or b"{}")
        except ValueError:
            return {}
        return sent if isinstance(sent, dict) else {}

    def state(self) -> dict[str, Any]:
        """Everything, as JSON types."""
        with self._lock:
            return {"events": copy.deepcopy(self._events), "contacts": copy.deepcopy(self._contacts), **super().state()}

    def seed(self, things: dict[str, Any]) -> None:
        """Meetings with their people, as if somebody had made them."""
        for one in things.get("meetings", []):
            people = [self.add_contact(email) for email in one.pop("people", [])]
            self.add_meeting(contacts=people, **one)

    def reset(self) -> None:
        """An empty agenda."""
        super().reset()
        with self._lock:
            self._events: dict[str, Row] = {}
            self._contacts: dict[str, Row] = {}
            self._files: dict[tuple[str, str], bytes] = {}
            self._hidden: set[str] = set()
            self._numbers: dict[str, int] = {}

    def answer(self, request: Request) -> Reply:
        """Serve one request."""
        with self._lock:
            try:
                return json_reply(200, self._dispatch(request, _parts(request)))
            except Problem as problem:
                error = {"error": {"code": problem.status, "message": problem.message}}
                return json_reply(problem.status, error)

    def _dispatch(self, request: Request, parts: list[str]) -> Any:
        if request.headers.get("dolapikey") != self.password:
            raise Problem(401, "Unauthorized: Failed to login to API. No parameter 'HTTP_DOLAPIKEY' on HTTP header")
        match request.method, parts:
            case "GET", ["agendaevents"]:
                hidden = self._hidden
                seen = {id_: row for id_, row in self._events.items() if id_ not in hidden} if hidden else self._events
                return self._list(seen, request, _EVENT_FIELDS, "No Agenda Event found")
            case "GET", ["contacts"]:
                return self._list(self._contacts, request, _CONTACT_FIELDS, "No contacts found")
            case "GET", ["agendaevents", id_]:
                return _shown(self._one(id_))
            case "PUT", ["agendaevents", id_]:
                return self._put(self._one(id_), _body(request))
            case "POST", ["documents", "upload"]:
                return self._upload(_body(request))
        raise Problem(404, "Not Found")

    def _one(self, id_: str) -> Row:
        if id_ not in self._events:
            raise Problem(404, "Not Found: Agenda Events not found")
        if id_ in self._hidden:
            raise Problem(403, "Forbidden: Access not allowed for login")
        return self._events[id_]

    def _list(self, rows: dict[str, Row], request: Request, fields: frozenset[str], nothing: str) -> list[Row]:
        query = dict(parse_qsl(request.query))
        known = {"sqlfilters", "sortfield", "sortorder", "limit", "page", "properties"}
        if query.keys() - known:
            raise Problem(400, f"Bad Request: unknown parameter {min(query.keys() - known)}")
        try:
            asked = rules(query.get("sqlfilters", ""), fields, ZoneInfo(self.options.database_zone))
        except BadFilter as error:
            raise Problem(400, f"Bad Request: {error}") from None
        found = [row for row in _likely(rows, query) if all(rule(row) for rule in asked)]
        by, down = query.get("sortfield", "t.id").removeprefix("t."), query.get("sortorder") == "DESC"
        found.sort(key=(lambda row: row["tms"]) if by == "tms" else (lambda row: int(row.get(by, 0))), reverse=down)
        limit, page = int(query.get("limit", DEFAULT_LIMIT)), int(query.get("page", 0))
        part = found[limit * page :][:limit]
        if not part and self.options.empty_is_404:
            raise Problem(404, f"Not Found: {nothing}")
        wanted = query["properties"].split(",") if "properties" in query else None
        return [_shown(row, wanted) for row in part]

    def _put(self, row: Row, given: Row) -> Row:
        row |= {key: value for key, value in given.items() if key in _WRITABLE}
        row["tms"] = self._now()
        self._changes += 1
        return _shown(row)

    def _upload(self, given: Row) -> str:
        if given.get("modulepart") != "agenda":
            raise Problem(500, "Internal Server Error: Modulepart not supported")
        if given.get("ref") not in self._events:
            raise Problem(404, "Not Found: Event not found")
        name = str(given.get("filename", ""))
        if not name or given.get("fileencoding") != "base64":
            raise Problem(400, "Bad Request: filename and fileencoding are needed")
        where = str(given["ref"]), name
        if where in self._files and not given.get("overwriteifexists"):
            raise Problem(500, "Internal Server Error: File already exists")
        self._files[where] = b64decode(given["filecontent"])
        self._changes += 1
        return name

    def _event(self, label: str, start: int, end: int | None, code: str, contacts: Iterable[str], **fields: Any) -> str:
        id_, now = self._id("events"), self._now()
        self._events[id_] = {
            "id": id_,
            "ref": id_,
            "type_code": code,
            "code": code,
            "label": label,
            "datec": now,
            "tms": now,
            "datep": start,
            "datef": end,
            "fulldayevent": "0",
            "percentage": "0",
            "location": "",
            "note_private": "",
            "userownerid": "1",
            "userassigned": {"1": {"id": "1", "answer_status": "0"}},
            "socpeopleassigned": {one: {"answer_status": "0"} for one in contacts} or [],
            "socid": None,
            **fields,
        }
        return id_

    def _id(self, kind: str) -> str:
        self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return str(self._numbers[kind])

    def _now(self) -> int:
        return int(self.options.clock().timestamp())


def _likely(rows: dict[str, Row], query: dict[str, str]) -> Iterable[Row]:
    """The rows among which those that are asked for are: asking for some of many by id is no search."""
    ids = _BY_ID.fullmatch(query.get("sqlfilters", ""))
    return rows.values() if ids is None else [rows[one] for one in ids[1].split(",") if one in rows]


def _shown(row: Row, wanted: list[str] | None = None) -> Row:
    """The row as an answer shows it: the stamp of the last change is called datem there."""
    hidden = {"tms", "rowid"}
    shown = {**{key: value for key, value in row.items() if key not in hidden}, "datem": row["tms"]}
    return shown if wanted is None else {key: value for key, value in shown.items() if key in wanted}


def _parts(request: Request) -> list[str]:
    path = request.path.partition(ROOT)[2]
    return [unquote(part) for part in path.split("/") if part]


def _body(request: Request) -> Row:
    try:
        given = json.loads(request.body)
    except ValueError:
        raise Problem(400, "Bad Request: Error decoding JSON") from None
    if not isinstance(given, dict):
        raise Problem(400, "Bad Request: Error decoding JSON")
    return given
