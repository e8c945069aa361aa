"""A stand-in for an ISL Online Conference Proxy with ISL Groop: stateful and strict, for tests and trying out.

    sim = IslGroopSimulator(username="acme", password="secret", encodings="form")
    with serve_in_thread(sim.app) as served:
        sim.table(served.url)                # the [vendors.<name>] table that reaches it
    sim.sessions, sim.mails, sim.requests, sim.writes, sim.changes
    sim.faults.add(Fault("reset_after", resource="create"))

Control over HTTP (state, faults, reset, seed) is described in `stage.py`; `POST /_sim/seed` takes
`{"sessions": [{"session_name", "active", "owner"}]}`, every field optional. Every request is a POST to `/__webapi__`.
Resources, as faults and the log name them, are the functions: login, logout, get_info, create, join,
add_registered_user, delete; "unknown" for anything else.

What it does follows the page "JSON API (deprecated)". Where that is silent, the stand-in takes the harsher way: errors
come with status 200, look alike whatever they are about and repeat the function's name with the sid in it, a person who
is registered twice is there twice, start times are not shown, an unknown session is an error.
"""

import copy
import json
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

from connectors.simulators.isl_groop_account import Account, Mail, Options, Problem, SimSession
from connectors.simulators.stage import Logged, Reply, Request, json_reply
from connectors.simulators.stand_in import StandIn

WRITES = ("create", "add_registered_user", "delete")
FUNCTIONS = {
    "Login.login": "login",
    "Login.logout": "logout",
    "ISLGroop.Session.getInfo": "get_info",
    "ISLGroop.Session.create": "create",
    "ISLGroop.Session.join": "join",
    "ISLGroop.Session.addRegisteredUser": "add_registered_user",
    "ISLGroop.Session.delete": "delete",
}
_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


class IslGroopSimulator(StandIn):
    """The server with one account; `options` are the fields of `isl_groop_account.Options`."""

    options_type = Options
    options: Options

    def table(self, url: str) -> dict[str, Any]:
        """The configuration of a vendor that reaches this stand-in at `url`."""
        table: dict[str, Any] = {
            "type": "isl-groop",
            "url": url,
            "username": self.username,
            "password": self.password,
            "join_url": "{server}/groop/{session_code}?uid={join_uid}",
        }
        if self.options.encodings != "both":
            table["encoding"] = self.options.encodings
        if self.options.renamed:
            table["functions"] = dict(self.options.renamed)
        return table

    # What tests look at

    @property
    def sessions(self) -> dict[str, SimSession]:
        """The sessions by code, with their registered users, as copies."""
        with self._lock:
            return copy.deepcopy(self._account.sessions)

    @property
    def sids(self) -> set[str]:
        """Every session identifier that was handed out."""
        with self._lock:
            return set(self._account.handed_out)

    @property
    def mails(self) -> list[Mail]:
        """Every mail sent so far."""
        with self._lock:
            return list(self._account.mails)

    def add_session(self, session_name: str = "Foreign", **fields: Any) -> SimSession:
        """Put a session there that somebody else made, in this account unless `owner` says otherwise."""
        with self._lock:
            return copy.deepcopy(self._account.add({"session_name": session_name}, **fields))

    def remove_session(self, code: str) -> None:
        """Somebody else deletes a session."""
        with self._lock:
            del self._account.sessions[code]

    def end_logins(self) -> None:
        """Every sid that was handed out is void from now on."""
        with self._lock:
            self._account.live.clear()

    def is_write(self, entry: Logged) -> bool:
        """By the operation: every request is a POST."""
        return entry.resource in WRITES

    # What the stage calls

    def resource(self, request: Request) -> str:
        """The function by our name."""
        name = str(self._read(request).get("fn", "")).partition("#")[0]
        return self._functions.get(name, "unknown")

    def params(self, request: Request) -> dict[str, Any]:
        """The arguments, without the password."""
        args = self._read(request).get("args")
        shown = dict(args) if isinstance(args, dict) else {}
        return {**shown, "pwd": "…"} if "pwd" in shown else shown

    def state(self) -> dict[str, Any]:
        """Everything, as JSON types."""
        with self._lock:
            return {
                "sessions": [asdict(one) for one in self._account.sessions.values()],
                "mails": [asdict(mail) for mail in self._account.mails],
                **super().state(),
            }

    def seed(self, things: dict[str, Any]) -> None:
        """Sessions as if somebody else had made them."""
        for fields in things.get("sessions", []):
            self.add_session(**fields)

    def reset(self) -> None:
        """An empty account."""
        super().reset()
        with self._lock:
            self._account = Account(self.username, self.password, self.options)

    def answer(self, request: Request) -> Reply:
        """Serve one call."""
        if request.path != "/__webapi__":
            return Reply(404)
        if request.method != "POST":
            return Reply(405)
        values = self._read(request)
        with self._lock:
            try:
                return self._call(values)
            except Problem as problem:
                return json_reply(200, self._error(str(problem), values))

    @property
    def _functions(self) -> dict[str, str]:
        renamed = self.options.renamed
        return {renamed.get(ours, theirs): ours for theirs, ours in FUNCTIONS.items()}

    def _call(self, values: dict[str, Any]) -> Reply:
        for name in ("fn", "lang", "args"):
            if name not in values:
                raise Problem(f"{name} is missing")
        theirs, _, sid = str(values["fn"]).partition("#")
        args = values["args"]
        if theirs not in self._functions:
            raise Problem("no such function")
        name = self._functions[theirs]
        if not isinstance(args, dict):
            raise Problem("args must be an object")
        result = self._account.call(name, args, sid)
        self._changes += name in WRITES
        if result is None:
            return {"empty": Reply(200), "null": json_reply(200, None), "object": json_reply(200, {})}[
                self.options.none
            ]
        return json_reply(200, result)

    def _read(self, request: Request) -> dict[str, Any]:
        """fn, lang and args, in an encoding that this server takes; {} for anything else."""
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        taken = [name for name in _TYPES if self.options.encodings in (name, "both")]
        try:
            if given == _TYPES["json"] and "json" in taken:
                data = json.loads(request.body)
                return data if isinstance(data, dict) else {}
            if given == _TYPES["form"] and "form" in taken:
                form: dict[str, Any] = dict(parse_qsl(request.body.decode("utf-8"), keep_blank_values=True))
                return {**form, "args": json.loads(form["args"])} if "args" in form else form
        except ValueError:
            return {}
        return {}

    def _error(self, text: str, values: dict[str, Any]) -> dict[str, Any]:
        """An error in the shape that the options ask for; it repeats what was asked, sid and password included."""
        args = values.get("args")
        asked = f"{values.get('fn', '')} {args.get('pwd', '') if isinstance(args, dict) else ''}".strip()
        words = f"{text} [{asked}]" if self.options.tells else ""
        match self.options.error_shape:
            case "error":
                return {"error": words or "error"}
            case "result":
                return {"result": {"code": "INVALID", "description": words, "errors": []}}
            case _:
                return {"exception": {"message": words}}
