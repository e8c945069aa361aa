"""A stand-in for an EspoCRM server (API v1, as 8.4.2 answers): stateful and strict, for tests and trying out.

    sim = EspoCrmSimulator(password="the API user's key")
    ada = sim.add_contact("ada@client.example", "Ada", "Client")
    demo = sim.add_meeting("Product demo", "2026-12-01 09:00:00", "2026-12-01 10:00:00", contacts=[ada])
    with serve_in_thread(sim.app) as served:
        ...                                  # the source's url is served.url

The API user comes in with the header X-Api-Key, the administrator (who makes what the API user may not) with HTTP Basic
and the same password. `POST /_sim/seed` takes `{"contacts": [{"email", "first", "last"}], "meetings": [{"name",
"start", "end", "people": [e-mail, …], …fields}]}`. Resources, as faults and the log name them, are the path's: Meeting,
Contact, attendees, contacts, stream, Note, Attachment.

Options: `clock` gives the server's time (UTC), `custom` are fields of one's own on a meeting, `joins`: the server has
the field joinUrl (from 9.0.0 on), which can be read and not written.
"""

import base64
import copy
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from connectors.simulators.espocrm_account import SHOWN, Account, Record
from connectors.simulators.espocrm_where import BadQuery, rules
from connectors.simulators.stage import Reply, Request
from connectors.simulators.stand_in import StandIn

MOST = 200
DEFAULT = 20
_POWERED = {"x-powered-by": "PHP/8.2.36"}
_NEEDED = {"Meeting": ("name",), "Contact": ("lastName",), "Note": ("type",), "Attachment": ("name", "type", "file")}
_MAY_NOT = {("Contact", "POST"), ("Contact", "PUT"), ("Role", "POST"), ("User", "POST")}


@dataclass(frozen=True, slots=True)
class Options:
    """How this server is set up."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    custom: tuple[str, ...] = ()
    joins: bool = False


class Denied(Exception):
    """A refusal with a status and the reason that the header X-Status-Reason gives."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class EspoCrmSimulator(StandIn):
    """The server; `password` is the API user's key. `options` are the fields of `Options`."""

    options_type = Options
    options: Options

    def table(self, url: str) -> dict[str, Any]:
        """The keys of a `[sources.<name>]` table that reaches this stand-in at `url`."""
        return {"type": "espocrm", "url": url, "auth": {"secret": self.password}}

    # What people do in the CRM

    def add_contact(self, email: str, first: str = "", last: str = "") -> str:
        """Somebody adds a contact; its id."""
        given = {"firstName": first, "lastName": last or email, "emailAddress": email}
        return self._made("Contact", given)

    def add_user(self, email: str, first: str, last: str) -> str:
        """There is another user; its id."""
        given = {"userName": email, "firstName": first, "lastName": last, "emailAddress": email, "type": "regular"}
        return self._made("User", given)

    def add_meeting(
        self, name: str, start: str | None, end: str | None, *, contacts: Iterable[str] = (), **fields: Any
    ) -> str:
        """Somebody makes a meeting, times being naive and in UTC; its id."""
        given = {"name": name, "status": "Planned", "dateStart": start, "dateEnd": end, "contactsIds": [*contacts]}
        with self._lock:
            return self._made("Meeting", {**given, "assignedUserId": self._account.sync["id"], **fields})

    def change(self, id_: str, kind: str = "Meeting", **fields: Any) -> None:
        """Somebody changes a record."""
        with self._lock:
            self._account.change(kind, id_, fields, self._account.admin)

    def cancel(self, id_: str) -> None:
        """Somebody says that the meeting is not held."""
        self.change(id_, status="Not Held")

    def delete(self, id_: str) -> None:
        """Somebody deletes the meeting."""
        with self._lock:
            del self._account.records["Meeting"][id_]

    def hide(self, id_: str, *, hidden: bool = True) -> None:
        """The API user may not see the meeting any more (or again)."""
        with self._lock:
            (self._account.hidden.add if hidden else self._account.hidden.discard)(id_)

    def invite(self, id_: str, contact: str, status: str = "None") -> None:
        """Somebody makes a contact an attendee, or the contact answers: Accepted, Declined, Tentative."""
        with self._lock:
            self._account.link(id_, "contacts", contact, status)

    @property
    def meetings(self) -> dict[str, Record]:
        """The meetings by id, as copies."""
        with self._lock:
            return copy.deepcopy(self._account.records["Meeting"])

    @property
    def notes(self) -> list[Record]:
        """The notes in the stream, oldest first, as copies."""
        with self._lock:
            return copy.deepcopy(list(self._account.records["Note"].values()))

    @property
    def files(self) -> dict[str, Record]:
        """What was uploaded, by id, as copies."""
        with self._lock:
            return copy.deepcopy(self._account.records["Attachment"])

    def _made(self, kind: str, given: Record) -> str:
        with self._lock:
            return str(self._account.create(kind, given, self._account.admin)["id"])

    # What the stage calls

    def resource(self, request: Request) -> str:
        """The kind of record, or what is asked of one."""
        parts = _parts(request)
        return parts[2] if len(parts) > 2 else parts[0] if parts else ""

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
            return {"records": copy.deepcopy(self._account.records), **super().state()}

    def seed(self, things: dict[str, Any]) -> None:
        """Contacts and meetings as if somebody had made them."""
        known = {one["email"]: self.add_contact(**one) for one in things.get("contacts", [])}
        for one in things.get("meetings", []):
            people = [known.get(email) or self.add_contact(email) for email in one.pop("people", [])]
            self.add_meeting(contacts=people, **one)

    def reset(self) -> None:
        """An empty CRM with two users."""
        super().reset()
        with self._lock:
            custom = (*(("joinUrl",) if self.options.joins else ()), *self.options.custom)
            self._account = Account(self.options.clock, custom)

    def answer(self, request: Request) -> Reply:
        """Serve one request."""
        parts = _parts(request)
        with self._lock:
            viewer = self._viewer(request)
            if viewer is None:
                return Reply(401, b"", {**_POWERED, "content-type": "text/html; charset=UTF-8"})
            try:
                return _reply(self._dispatch(request, parts, viewer))
            except Denied as denied:
                headers = {**_POWERED, "content-type": "application/json", "x-status-reason": denied.reason}
                return Reply(denied.status, b"", headers)

    def _viewer(self, request: Request) -> Record | None:
        """Who asks."""
        if request.headers.get("x-api-key") == self.password:
            return self._account.sync
        basic = base64.b64encode(f"admin:{self.password}".encode()).decode()
        return self._account.admin if request.headers.get("authorization") == f"Basic {basic}" else None

    def _dispatch(self, request: Request, parts: list[str], viewer: Record) -> Any:
        kind, *rest = parts or [""]
        if kind not in _NEEDED and kind not in ("Role", "User"):
            raise Denied(404, "Not found.")
        method = request.method
        is_admin = viewer is self._account.admin
        if (kind, method) in _MAY_NOT and not is_admin:
            raise Denied(403, "No edit access." if method == "PUT" else "No create access.")
        match method, rest:
            case "GET", []:
                return self._list(kind, request)
            case "POST", []:
                return self._create(kind, request, viewer)
            case "GET", [id_]:
                return self._account.shown(kind, self._one(kind, id_, is_admin), "read", viewer)
            case "PUT", [id_]:
                return self._change(kind, self._one(kind, id_, is_admin), request, viewer)
            case "DELETE", [id_]:
                if not is_admin:
                    raise Denied(403, "No delete access.")
                del self._account.records[kind][self._one(kind, id_, is_admin)["id"]]
                self._changes += 1
                return True
            case _, [id_, relation] if kind == "Meeting":
                return self._related(method, self._one(kind, id_, is_admin)["id"], relation, request, viewer)
        raise Denied(405, "Method not allowed.")

    def _one(self, kind: str, id_: str, is_admin: bool) -> Record:
        record = self._account.records[kind].get(id_)
        if record is None:
            raise Denied(404, f"Record {id_} does not exist.")
        if id_ in self._account.hidden and not is_admin:
            raise Denied(403, "No read access.")
        return record

    def _list(self, kind: str, request: Request) -> Any:
        if (kind, "listed") not in SHOWN:
            raise Denied(404, "Not found.")
        query = dict(parse_qsl(request.query))
        size = _number(query.get("maxSize", str(DEFAULT)))
        if size > MOST:
            raise Denied(403, f"Max size should not exceed {MOST}. Use offset and limit.")
        offset = _number(query.get("offset", "0"))
        select = set(query["select"].split(",")) if "select" in query else None
        try:
            asked = rules(parse_qs(request.query))
        except BadQuery as error:
            raise Denied(400, str(error)) from None
        found = [
            one
            for one in self._account.records[kind].values()
            if one["id"] not in self._account.hidden and all(rule.holds(one) for rule in asked)
        ]
        by = query.get("orderBy", "createdAt")
        if by not in SHOWN[kind, "listed"].split():
            raise Denied(400, f"Order by '{by}' is not allowed.")
        found.sort(key=lambda one: (one.get(by) or "", one["id"]), reverse=query.get("order") == "desc")
        page = found[offset : offset + size]
        total = len(found)
        if request.headers.get("x-no-total") == "true":
            total = -1 if offset + size < total else -2
        viewer = self._account.sync
        return {
            "total": total,
            "list": [self._account.shown(kind, one, "listed", viewer, select=select) for one in page],
        }

    def _create(self, kind: str, request: Request, viewer: Record) -> Any:
        given = self._body(request)
        for name in _NEEDED.get(kind, ()):
            if not given.get(name):
                raise Denied(400, f"Field '{name}' is required.")
        if kind == "Note":
            self._one(str(given.get("parentType")), str(given.get("parentId")), viewer is self._account.admin)
            for one in given.get("attachmentsIds", []):
                self._one("Attachment", one, True)
        if kind == "Attachment" and not str(given["file"]).startswith(f"data:{given['type']};base64,"):
            raise Denied(400, "Bad file.")
        self._changes += 1
        record = self._account.create(kind, given, viewer)
        if kind == "User":
            self._account.sync = record
            return self._account.shown(
                kind, {**record, "apiKey": self.password, **self._roles(record)}, "created", viewer
            )
        if kind == "Contact":
            mail = record.get("emailAddress")
            record["emailAddressData"] = [_mail_data(mail)] if mail else []
        shown = self._account.shown(kind, record, "created", viewer)
        return {**shown, "isFollowed": False} if kind == "Meeting" else shown

    def _roles(self, user: Record) -> Record:
        roles = self._account.records["Role"]
        return {"rolesNames": {one: roles[one]["name"] for one in user.get("rolesIds", []) if one in roles}}

    def _change(self, kind: str, record: Record, request: Request, viewer: Record) -> Any:
        before = self._account.shown(kind, record, "read", viewer)
        self._account.change(kind, record["id"], self._body(request), viewer)
        self._changes += 1
        shown = self._account.shown(kind, record, "read", viewer)
        computed = {name: before[name] for name in ("duration", "emailAddressData") if name in before}
        if kind == "Contact" and record.get("emailAddress"):
            record["emailAddressData"] = [_mail_data(record["emailAddress"])]
        return {**shown, **computed}

    def _related(self, method: str, id_: str, relation: str, request: Request, viewer: Record) -> Any:
        account = self._account
        if method == "POST" and relation in ("contacts", "users", "leads"):
            other = str(self._body(request).get("id"))
            self._one(relation.removesuffix("s").capitalize(), other, True)
            account.link(id_, relation, other)
            self._changes += 1
            return True
        if method != "GET":
            raise Denied(405, "Method not allowed.")
        if relation == "attendees":
            return {"list": account.attendees(id_)}
        if relation == "contacts":
            rows = account.contacts(id_, set(dict(parse_qsl(request.query)).get("select", "").split(",")))
            return {"total": len(rows), "list": rows}
        if relation == "stream":
            notes = [one for one in account.records["Note"].values() if one.get("parentId") == id_]
            shown = [account.shown("Note", one, "created", viewer) for one in reversed(notes)]
            return {"total": len(shown), "list": shown}
        raise Denied(404, "Not found.")

    def _body(self, request: Request) -> Record:
        try:
            given = json.loads(request.body)
        except ValueError:
            raise Denied(400, "Bad request body.") from None
        if not isinstance(given, dict):
            raise Denied(400, "Bad request body.")
        return given


def _parts(request: Request) -> list[str]:
    path = request.path.partition("/api/v1/")[2]
    return [unquote(part) for part in path.split("/") if part]


def _number(text: str) -> int:
    if not text.isdecimal():
        raise Denied(400, "Bad number.")
    return int(text)


def _mail_data(address: str) -> Record:
    return {"emailAddress": address, "lower": address.lower(), "primary": True, "optOut": False, "invalid": False}


def _reply(value: Any) -> Reply:
    headers = {**_POWERED, "x-app-timestamp": "1795313595", "content-type": "application/json"}
    return Reply(200, json.dumps(value, separators=(",", ":")).encode(), headers)
