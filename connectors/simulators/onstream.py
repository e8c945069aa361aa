"""A stand-in for the Onstream Meetings server (API v2): stateful and strict, for tests, demonstration and trying out.

    sim = OnstreamSimulator(username="acme", password="secret")
    with serve_in_thread(sim.app) as served:
        ...                                  # the vendor's url is served.url
    sim.sessions, sim.invitees(1), sim.mails, sim.requests, sim.writes, sim.changes
    sim.faults.add(Fault("reset_after", "PUT", "session"))

Control over HTTP (state, faults, reset, seed) is described in `stage.py`; `POST /_sim/seed` takes
`{"sessions": [{"topic", "start_time", "duration", "timezone", "custom_data"}], "recordings": [{"session_id", "title",
"duration", "creation_date", "content", "media_type", "page"}]}`, every field but session_id optional. Resources, as
faults and the log name them, are the path's: authverify, session, sessions, invitee, invitees, recording, recordings,
file, file_in_session; and "play" for what is behind a recording's link.

What it does follows the Onstream API v2 document. Where that is silent, the stand-in takes the harsher way: a
second invitation of an address is a second entry, a list of participants in POST session replaces the present one,
an empty list is a 404 without a body.
"""

import copy
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from connectors.simulators.onstream_account import Account
from connectors.simulators.onstream_format import Problem, Target, authorized, body_params, rendered, wanted_format
from connectors.simulators.onstream_state import Mail, Options, SimInvitee, SimMedia, SimSession
from connectors.simulators.stage import Logged, Reply, Request
from connectors.simulators.stand_in import StandIn

VERSIONS = ("1", "2")


class OnstreamSimulator(StandIn):
    """The server with one account; `options` are the fields of `onstream_state.Options`."""

    options_type = Options
    options: Options

    def table(self, url: str) -> dict[str, Any]:
        """The keys of a `[vendors.<name>]` table that reaches this stand-in at `url`."""
        return {"type": "onstream", "url": url, "username": self.username, "password": self.password}

    # What tests look at

    @property
    def sessions(self) -> dict[int, SimSession]:
        """The sessions by id, as copies."""
        with self._lock:
            return copy.deepcopy(self._account.sessions)

    def invitees(self, session_id: int) -> list[SimInvitee]:
        """The people of a session, as copies."""
        with self._lock:
            return copy.deepcopy(self._account.sessions[session_id].invitees)

    @property
    def mails(self) -> list[Mail]:
        """Every mail sent so far."""
        with self._lock:
            return list(self._account.mails)

    def add_session(self, **fields: Any) -> SimSession:
        """Put a session there that somebody else made; `start_time` is wall time in the account's zone."""
        given = {
            "topic": "Foreign",
            "duration": 60,
            "start_time": "2026-12-01 09:00:00",
            "timezone": self.options.timezone,
            "foreign": True,
        }
        with self._lock:
            return copy.deepcopy(self._account.add(SimSession(**{**given, **fields})))

    def remove_session(self, session_id: int) -> None:
        """Somebody else deletes a session."""
        with self._lock:
            self._account.delete_session({"id": session_id})

    def documents_of(self, session: int | str) -> list[dict[str, Any]]:
        """The documents that went into a session: name, address and length in bytes (not known here)."""
        with self._lock:
            there = [self._account.files[ref] for ref in self._account.sessions[int(session)].files]
            return [{"name": one["file_description"], "url": one["file_link"], "bytes": None} for one in there]

    def add_recording(
        self,
        session_id: int,
        *,
        content: bytes | str | None = None,
        media_type: str = "video/mp4",
        page: bool = False,
        **fields: Any,
    ) -> dict[str, Any]:
        """Put a recording there; `duration` in milliseconds. Its link leads to another host, unless it has `content`
        (media of that type) or a `page` that plays it: these are served here."""
        with self._lock:
            ref = self._account.next_id("recording")
            if content is not None or page:
                kept = content.encode() if isinstance(content, str) else content
                self._account.media[ref] = SimMedia(kept, media_type)
            self._account.recordings[ref] = {
                "id": ref,
                "session_id": session_id,
                "title": "Recording",
                "description": "",
                "password": "",
                "duration": 25880,
                "allow_anonymous_playback": 1,
                "recording_link": f"https://recordings.example.com/play/{quote(self.username)}/{ref}-recording",
                "creation_date": "2026-12-01 10:00:00",
                **fields,
            }
            return dict(self._account.recordings[ref])

    def change_recording(self, recording: int, content: bytes | None) -> None:
        """Something else is behind a recording's link from now on: without `content` a page that plays it."""
        with self._lock:
            self._account.media[recording].content = content

    def is_write(self, entry: Logged) -> bool:
        """By the method."""
        return entry.method in ("PUT", "POST", "DELETE")

    # What the stage calls

    def resource(self, request: Request) -> str:
        """The path's resource."""
        return "play" if request.path.startswith("/play/") else Target(request).resource

    def params(self, request: Request) -> dict[str, Any]:
        """The parameters as the server reads them, {} when it cannot."""
        if request.method == "GET":
            return dict(Target(request).params)
        try:
            return body_params(request)
        except Problem:
            return {}

    def state(self) -> dict[str, Any]:
        """Everything, as JSON types."""
        with self._lock:
            return {
                "sessions": [asdict(one) for one in self._account.sessions.values()],
                "recordings": list(self._account.recordings.values()),
                "mails": [asdict(mail) for mail in self._account.mails],
                **super().state(),
            }

    def seed(self, things: dict[str, Any]) -> None:
        """Sessions and recordings as if somebody else had made them."""
        for fields in things.get("sessions", []):
            self.add_session(**fields)
        for fields in things.get("recordings", []):
            self.add_recording(**fields)

    def reset(self) -> None:
        """An empty account."""
        super().reset()
        with self._lock:
            self._account = Account(self.username, self.options)

    def answer(self, request: Request) -> Reply:
        """Serve one request of the API, or what is behind a recording's link (which asks for no credentials)."""
        if request.path.startswith("/play/"):
            with self._lock:
                return self._account.play(request) if request.method == "GET" else Reply(405)
        form = "json"
        try:
            target = Target(request)
            form = wanted_format(request, target)
            with self._lock:
                return self._dispatch(request, target, form)
        except Problem as problem:
            if problem.status == 404 and not problem.text:
                return Reply(404)
            headers = {"www-authenticate": 'Basic realm="REST API"'} if problem.status == 401 else {}
            return rendered(problem.status, {"status": False, "error": problem.text}, form, headers)

    def _dispatch(self, request: Request, target: Target, form: str) -> Reply:
        if not target.valid or target.version not in VERSIONS:
            raise Problem(404, "Unknown method.")
        if not authorized(request, self.username, self.password):
            raise Problem(401, "Not authorized")
        methods = self._account.calls(request.base).get(target.resource)
        if target.username != self.username or methods is None:
            raise Problem(404, "Unknown method.")
        if request.method not in methods:
            raise Problem(405, "Method not allowed")
        if request.method == "GET":
            return self._found(methods["GET"](target.params), target.resource, form)
        params = body_params(request)
        if request.method == "DELETE" and target.resource in ("session", "recording") and "id" in target.pairs:
            params["id"] = target.pairs["id"]
        ref, message = methods[request.method](params)
        self._changes += 1
        if request.method != "PUT":
            return rendered(200, {"id": ref, "message": message}, form)
        here = f"{request.base}/api/{target.version}/{quote(self.username)}/{target.resource}/id/{ref}"
        return rendered(201, {"id": ref, "message": message}, form, {"location": here})

    def _found(self, value: Any, resource: str, form: str) -> Reply:
        """The answer to a GET; nothing found is a 404 without a body."""
        if not value:
            raise Problem(404)
        kind = resource.removesuffix("s")
        if form == "json" and kind == "session":
            value = self._shaped(value, resource)
        return rendered(200, value, form, item=kind if kind in ("session", "recording") else "item")

    def _shaped(self, rows: list[dict[str, Any]], resource: str) -> Any:
        """The rows in the JSON shape that the options ask for; one row alone is not in a list then."""
        inner: Any = rows[0] if len(rows) == 1 else rows
        match self.options.shape:
            case "list":
                return rows
            case "bare":
                return inner
            case "sessions":
                return {"sessions": rows}
            case "session" if resource == "session":
                return {"session": inner}
            case _:
                return {"sessions": {"session": inner}}
