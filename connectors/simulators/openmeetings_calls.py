"""From a request to the call that it is, and from the call's outcome to an answer.

Source: the REST services of Apache OpenMeetings behind CXF and Tomcat: forms with JSON inside, `sid` always in the
query, 204 for nothing, 500 for everything that is refused, nothing but GET, POST and DELETE.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from connectors.simulators import openmeetings_calendar as calendar
from connectors.simulators import openmeetings_doors as doors
from connectors.simulators import openmeetings_files as files
from connectors.simulators import openmeetings_rooms as rooms
from connectors.simulators.openmeetings_json import Problem, coerced, no_value
from connectors.simulators.openmeetings_state import Store
from connectors.simulators.stage import Reply, Request

HEADER_LIMIT = 8192
"""Bytes of request line and headers that Tomcat takes."""

WRITES = frozenset(
    {
        "room.create",
        "room.update",
        "room.delete",
        "room.hash",
        "calendar.create",
        "calendar.update",
        "calendar.delete",
        "user.hash",
        "file.add",
        "file.move",
        "file.delete",
    }
)

_RAW = {"recordings/mp4/{}": "recording"}
_SERVICES = {
    "user/login": "login",
    "user/hash": "user.hash",
    "info/version": "version",
    "info/health": "health",
    "room/hash": "room.hash",
    "room": "room.update",
    "room/{}": "room.get",
    "room/{}/{}/{}": "room.find",
    "calendar": "calendar.create",
    "calendar/room/{}": "calendar.room",
    "calendar/{}/{}": "calendar.list",
    "calendar/{}": "calendar.delete",
    "record/room/{}": "record.room",
    "file": "file.add",
    "file/room/{}": "file.room",
    "file/{}": "file.delete",
    "file/move/{}/{}/{}": "file.move",
}
_METHODS = {
    "room.find": "GET",
    "room.create": "GET",
    "room.delete": "DELETE",
    "calendar.delete": "DELETE",
    "file.delete": "DELETE",
    **dict.fromkeys(("user.hash", "room.hash", "room.update", "calendar.create", "calendar.update"), "POST"),
    **dict.fromkeys(("file.add", "file.move"), "POST"),
}
"""The others are GET, and the login's depends on the version."""


@dataclass
class Call:
    """A request, taken apart. `resource` is "" for an address that there is not."""

    request: Request
    resource: str = ""
    args: list[str] = field(default_factory=list)
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    illegal: bool = False

    @property
    def sid(self) -> str:
        """The session that the request names."""
        return self.query.get("sid", "")

    def number(self, place: int) -> int:
        """An argument that is a number; another one is a value that cannot be converted."""
        try:
            return int(self.args[place])
        except ValueError:
            raise no_value(404) from None

    def shown(self) -> dict[str, Any]:
        """The parameters for the log, JSON read, without sid and password."""
        given = {**self.query, **self.form}
        if self.resource == "file.add":
            given["file"] = files.multipart(self.request).get("file", b"").decode("utf-8", "replace")
        shown = {name: _read(text) for name, text in given.items() if name not in ("sid", "pass")}
        return {"path": self.args, **shown}


def target(request: Request, context: str) -> Call:
    """What the request asks for."""
    call = Call(request, query=dict(parse_qsl(request.query, keep_blank_values=True)))
    size = (
        len(request.path)
        + len(request.query)
        + sum(len(name) + len(text) + 4 for name, text in request.headers.items())
    )
    call.illegal = size > HEADER_LIMIT or any(code in request.path.upper() for code in ("%2F", "%5C"))
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        call.form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    for root, table in ((f"{context}/services/", _SERVICES), (f"{context}/", _RAW)):
        if request.path.startswith(root):
            segments = [
                unquote(part.partition(";")[0]) for part in request.path.removeprefix(root).strip("/").split("/")
            ]
            call.resource, call.args = _matched(segments, table)
            break
    _refine(call)
    return call


def _matched(segments: list[str], table: dict[str, str]) -> tuple[str, list[str]]:
    for pattern, resource in table.items():
        parts = pattern.split("/")
        if len(parts) == len(segments) and all(want in ("{}", got) for want, got in zip(parts, segments, strict=True)):
            return resource, [got for want, got in zip(parts, segments, strict=True) if want == "{}"]
    return "", []


def _refine(call: Call) -> None:
    """Some addresses stand for more than one call."""
    if call.resource == "room.find" and "room" in call.query:
        call.resource = "room.create"
    elif call.resource == "room.get" and call.request.method == "DELETE":
        call.resource = "room.delete"
    elif call.resource == "calendar.create":
        data = _read(call.form.get("appointment", ""))
        inner = data.get("appointmentDTO", data) if isinstance(data, dict) else {}
        if isinstance(inner, dict) and inner.get("id") is not None:
            call.resource = "calendar.update"


def served(store: Store, call: Call) -> Reply:
    """The answer, with whatever it does to the store."""
    method = call.request.method
    if call.illegal:
        return Reply(400)
    if method in ("HEAD", "TRACE"):
        return Reply(403)
    if not call.resource:
        return Reply(404)
    if call.resource == "recording":
        return files.mp4(store, call.request, call.args[0]) if method == "GET" else Reply(403)
    login_by = "POST" if store.options.since(9, 0, 0) else "GET"
    if method != (login_by if call.resource == "login" else _METHODS.get(call.resource, "GET")):
        return Reply(405)
    try:
        return Reply(200, _CALLS[call.resource](store, call).encode(), {"content-type": "application/json"})
    except Problem as problem:
        return _problem(store, problem)


def _problem(store: Store, problem: Problem) -> Reply:
    if problem.body == "none":
        return Reply(problem.status)
    if problem.body == "html" or not store.options.since(6, 3, 0):
        page = b"<!doctype html><html><body><h1>HTTP Status 500</h1></body></html>"
        return Reply(problem.status, page, {"content-type": "text/html"})
    body = doors.result(problem.message, "ERROR").encode()
    headers = {"content-type": "application/json"}
    if problem.message == "error.notallowed":
        headers["exception"] = problem.message
    return Reply(problem.status, body, headers)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _login(store: Store, call: Call) -> str:
    given = call.form if call.request.method == "POST" else call.query
    return doors.login(store, given.get("user", ""), given.get("pass", ""))


def _version(store: Store, call: Call) -> str:
    return coerced("info", {"version": store.options.version, "revision": "abc1234", "buildDate": "2026-07-01"})


def _health(store: Store, call: Call) -> str:
    return coerced("health", {"inited": True, "installed": True, "dbOk": store.options.healthy})


def _room_by_key(store: Store, call: Call) -> str:
    kind, external_type, external_id = call.args
    return rooms.by_key(store, call.sid, kind, external_type, external_id, call.query.get("room"))


_CALLS: dict[str, Callable[[Store, Call], str]] = {
    "login": _login,
    "version": _version,
    "health": _health,
    "room.find": _room_by_key,
    "room.create": _room_by_key,
    "room.get": lambda store, call: rooms.get(store, call.sid, call.number(0)),
    "room.update": lambda store, call: rooms.save(store, call.sid, call.form),
    "room.delete": lambda store, call: rooms.delete(store, call.sid, call.number(0)),
    "room.hash": lambda store, call: doors.room_hash(store, call.sid, call.query),
    "user.hash": lambda store, call: doors.user_hash(store, call.sid, call.form),
    "calendar.room": lambda store, call: calendar.of_room(store, call.sid, call.number(0)),
    "calendar.list": lambda store, call: calendar.in_range(store, call.sid, call.args[0], call.args[1]),
    "calendar.create": lambda store, call: calendar.save(store, call.sid, call.form),
    "calendar.update": lambda store, call: calendar.save(store, call.sid, call.form),
    "calendar.delete": lambda store, call: calendar.delete(store, call.sid, call.number(0)),
    "record.room": lambda store, call: files.recordings_of_room(store, call.sid, call.number(0)),
    "file.room": lambda store, call: files.of_room(store, call.sid, call.number(0)),
    "file.add": lambda store, call: files.upload(store, call.sid, call.request),
    "file.move": lambda store, call: files.move(store, call.sid, call.number(0), call.number(1), call.number(2)),
    "file.delete": lambda store, call: files.delete(store, call.sid, call.number(0)),
}
