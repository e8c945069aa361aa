"""A stand-in for a livedigital ("MoodHood") server: stateful and strict, for tests, demonstration and trying out.

    sim = LivedigitalSimulator(username="acme", password="secret")
    with serve_in_thread(sim.app) as served:
        ...                                  # sim.table(served.url) is a [vendors.<name>] table
    sim.rooms, sim.guests, sim.requests, sim.writes, sim.changes
    sim.faults.add(Fault("reset_after", resource="room-create"))

Control over HTTP (state, faults, reset, seed) is described in `stage.py`; `POST /_sim/seed` takes
`{"spaces": [{"name"}], "rooms": [{"name", …}], "recordings": [{"room", …}], "calls": [{"room", …}]}` with the
arguments of `add_space`, `add_session`, `add_recording` and `add_call` (times in ISO 8601).

Resources, as faults and the log name them: token, me, spaces, space-create, rooms, room-create, room, room-update,
room-delete, generate-access, records, record-download, media, calls, report, webhook, webhook-create, webhook-update,
webhook-delete, webhook-secret.

What it does follows the platform's public guides. Where they are silent, the stand-in takes the harsher way: an edit
resets what it does not say, unknown fields are refused, a client that sends cookies back or credentials to a record's
address is a 400, a personal token of a mere client is a 403.
"""

import copy
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from connectors.simulators import livedigital_rules as rules
from connectors.simulators import media
from connectors.simulators.livedigital_account import Account
from connectors.simulators.livedigital_routes import routed
from connectors.simulators.livedigital_state import Guest, Options, Problem, SimCall, SimRecord, SimRoom, SimSpace
from connectors.simulators.livedigital_tokens import Tokens
from connectors.simulators.stage import Logged, Reply, Request, json_reply
from connectors.simulators.stand_in import StandIn


class LivedigitalSimulator(StandIn):
    """The server with one account; `options` are the fields of `livedigital_state.Options`.

    The account's e-mail is `username`, with a domain added where it has none.
    """

    options_type = Options
    options: Options

    @property
    def email(self) -> str:
        """The account's address."""
        return self.username if "@" in self.username else f"{self.username.replace(' ', '.')}@example.com"

    # What tests look at

    def table(self, url: str) -> dict[str, Any]:
        """A `[vendors.<name>]` table for the stand-in that is served at `url`."""
        common = {"type": "livedigital", "url": url, "front_url": self.options.front, "space": self.options.space}
        if self.options.way_in == "token":
            return {**common, "access_token": self.options.access_token}
        client = {"client_id": self.options.client_id, "client_secret": self.options.client_secret}
        return {**common, **client, "username": self.email, "password": self.password}

    @property
    def spaces(self) -> dict[str, SimSpace]:
        """The spaces by id, as copies."""
        with self._lock:
            return copy.deepcopy(self._account.spaces)

    @property
    def rooms(self) -> dict[str, SimRoom]:
        """The rooms by id, as copies."""
        with self._lock:
            return copy.deepcopy(self._account.rooms)

    @property
    def guests(self) -> list[Guest]:
        """Everybody who was given a link."""
        with self._lock:
            return list(self._account.guests)

    @property
    def tokens(self) -> list[str]:
        """Every token that was given by a grant."""
        with self._lock:
            return self._tokens.issued

    # What somebody else does

    def expire_tokens(self, kind: str = "access") -> None:
        """Let the tokens of a kind ("access", "refresh", "client") be worth nothing from now on."""
        with self._lock:
            self._tokens.expire(kind)

    def add_space(self, name: str) -> SimSpace:
        """Somebody makes a space."""
        with self._lock:
            return copy.deepcopy(self._account.add_space(name))

    def add_session(self, name: str = "Foreign", *, space: str = "", owner: str = "", **settings: Any) -> SimRoom:
        """Somebody makes a room, in the first space unless another one is named by its id."""
        with self._lock:
            given = rules.room_settings({"name": name, **settings})
            return copy.deepcopy(
                self._account.add_room(space or next(iter(self._account.spaces)), given, owner or None)
            )

    def change_room(self, room: str, **settings: Any) -> None:
        """Somebody changes settings of a room."""
        with self._lock:
            self._account.rooms[room].settings |= settings

    def remove_session(self, room: str) -> None:
        """Somebody removes a room."""
        with self._lock:
            del self._account.rooms[room]

    def remove_space(self, space: str) -> None:
        """Somebody removes a space with its rooms."""
        with self._lock:
            del self._account.spaces[space]
            for ref in [room.id for room in self._account.rooms.values() if room.space == space]:
                del self._account.rooms[ref]

    def add_recording(self, room: str, *, finished: bool = True, content: bytes | None = media.MP4, **more: Any) -> str:
        """A recording of a minute that began ten minutes ago; without `content` it cannot be downloaded yet."""
        with self._lock:
            began = _moment(more.pop("started", None)) or self.options.clock() - timedelta(minutes=10)
            record = SimRecord(
                id=self._account.next_id(),
                room=room,
                created=began,
                started=began,
                finished=began + timedelta(minutes=1) if finished else None,
                content=content.encode() if isinstance(content, str) else content,
                **{"name": "Recording", "state": "new", **more},
            )
            self._account.records[record.id] = record
            return record.id

    def finish_recording(self, record: str, content: bytes) -> None:
        """It can be downloaded from now on."""
        with self._lock:
            one = self._account.records[record]
            one.finished, one.content = one.finished or self.options.clock(), content

    def add_call(self, room: str, *, started: Any = None, minutes: float | None = 30, people: Any = ()) -> str:
        """A call that began just now or at `started`; without `minutes` it goes on."""
        with self._lock:
            began = _moment(started) or self.options.clock()
            ended = None if minutes is None else began + timedelta(minutes=minutes)
            call = SimCall(self._account.next_id(), room, began, ended, list(people))
            self._account.calls[call.id] = call
            self._account.rooms[room].last_call = began
            return call.id

    def delivery(self, event: str, room: str, record: str | None = None, **more: Any) -> bytes:
        """What the server would post to the webhook of the room's space (section "webhooks")."""
        with self._lock:
            space = self._account.spaces[self._account.rooms[room].space]
            if space.webhook is None:
                raise ValueError("there is no webhook")
            body = {"eventName": event, "roomId": room, "spaceId": space.id, **more}
            if record is not None:
                body["recordId"] = record
            secret = str(space.webhook["secret"])
        signed = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        signature = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return b'{"signature":"' + signature.encode() + b'","body":' + signed + b"}"

    def is_write(self, entry: Logged) -> bool:
        """By the method; to be given a token is no effect."""
        return entry.method != "GET" and entry.resource != "token"

    # What the stage calls

    def resource(self, request: Request) -> str:
        """The name of what the request is about; "" for nothing that is known."""
        found = routed(request)
        return found[0] if found else ""

    def params(self, request: Request) -> dict[str, Any]:
        """The query of a GET, the body of everything else, {} when it cannot be read. Secrets stay out of it."""
        if request.method == "GET":
            return dict(parse_qsl(request.query, keep_blank_values=True))
        try:
            told = rules.body(request) if request.body else {}
        except Problem:
            return {}
        hidden = ("password", "client_secret", "refresh_token")
        return {name: "…" if name in hidden else value for name, value in told.items()}

    def state(self) -> dict[str, Any]:
        """Everything, as JSON types."""
        with self._lock:
            account = self._account
            return {
                "spaces": [asdict(one) for one in account.spaces.values()],
                "sessions": [_plain(asdict(one)) for one in account.rooms.values()],
                "guests": [_plain(asdict(one)) for one in account.guests],
                "recordings": [_plain(asdict(one)) for one in account.records.values()],
                "calls": [_plain(asdict(one)) for one in account.calls.values()],
                **super().state(),
            }

    def seed(self, things: dict[str, Any]) -> None:
        """Things as if somebody else had made them."""
        adders: dict[str, Callable[..., Any]] = {
            "spaces": self.add_space,
            "rooms": self.add_session,
            "recordings": self.add_recording,
            "calls": self.add_call,
        }
        for kind, add in adders.items():
            for fields in things.get(kind, []):
                try:
                    add(**fields)
                except Problem as problem:
                    raise ValueError(problem.message) from None

    def reset(self) -> None:
        """An account with one empty space, or none."""
        super().reset()
        with self._lock:
            self._account = Account(self.email, self.options)
            if self.options.space:
                self._account.add_space(self.options.space)
            self._tokens = Tokens(self.options, self.email, self.password)

    def answer(self, request: Request) -> Reply:
        """Serve one request of the API."""
        with self._lock:
            try:
                return self._dispatch(request)
            except Problem as problem:
                return json_reply(problem.status, {"message": problem.message, "code": problem.code})

    def _dispatch(self, request: Request) -> Reply:
        found = routed(request)
        if found is None:
            raise Problem(404, "Cannot find this", "route_not_found")
        resource, does, ids = found
        if "cookie" in request.headers:
            raise Problem(400, "cookies are not welcome", "cookie_sent")
        if resource == "token":
            return _with_cookie(self._tokens.grant(request))
        if resource == "media":
            return media.served(request, self._account.media(request, *ids), "video/mp4", self.options.resumes)
        self._tokens.demand_user(request)
        value = getattr(self._account, does)(request, *ids)
        if request.method != "GET":
            self._changes += 1
        return _with_cookie(self._shown(resource, request.method, value))

    def _shown(self, resource: str, method: str, value: Any) -> Reply:
        if resource == "record-download":
            match self.options.download:
                case "redirect":
                    return Reply(302, b"", {"location": value})
                case "quoted":
                    return json_reply(200, value)
                case _:
                    return Reply(200, value.encode(), {"content-type": "text/plain"})
        if value is None:
            return Reply(200, b"OK", {"content-type": "text/plain"})
        return json_reply(201 if method == "POST" else 200, value)


def _with_cookie(reply: Reply) -> Reply:
    """The server also hands its tokens out as cookies (seen in the guides' samples)."""
    return Reply(reply.status, reply.body, {**reply.headers, "set-cookie": "accessToken=stale; Path=/; HttpOnly"})


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else None


def _plain(value: Any) -> Any:
    """As JSON types."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value.isoformat() if isinstance(value, datetime) else value
