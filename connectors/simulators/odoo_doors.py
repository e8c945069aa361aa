"""The ways into the Odoo stand-in: JSON-2, JSON-RPC and the question for the version; and how each says no."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.simulators.odoo_base import Problem, unprocessable
from connectors.simulators.odoo_calls import MODEL_METHODS, WRITES, Calls
from connectors.simulators.odoo_state import Options
from connectors.simulators.stage import Reply, Request

JSON2 = "/json/2/"
TRACEBACK = "Traceback (most recent call last):\n  …\n"
NO_PAGE = b"<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"


@dataclass(frozen=True, slots=True)
class Named:
    """What a request is about, as far as it can be read."""

    resource: str
    params: dict[str, Any]


def named_call(request: Request) -> Named:
    """The call in a request, without what is secret."""
    body = _body(request)
    if request.path.startswith(JSON2):
        model, _, method = request.path.removeprefix(JSON2).partition("/")
        ids, options = body.pop("ids", []), body.pop("context", {})
        return _named(model, method, ids, body, options)
    params = body.get("params")
    params = params if isinstance(params, dict) else {}
    args: list[Any] = params["args"] if isinstance(params.get("args"), list) else []
    if params.get("service") == "object" and len(args) >= 6:
        named = args[6] if len(args) > 6 and isinstance(args[6], dict) else {}
        rest = {name: value for name, value in named.items() if name != "context"}
        return _named(str(args[3]), str(args[4]), args[5], rest, named.get("context", {}))
    if params.get("service") == "common":
        return Named(str(params.get("method")), {"method": params.get("method")})
    return Named("version" if request.path.endswith("/version_info") else request.path.strip("/"), {})


def _named(model: str, method: str, given: Any, named: Any, context: Any) -> Named:
    params = {"model": model, "method": method, "args": given, "named": named, "context": context}
    return Named(f"{model}/{method}", params)


class Doors:
    """Answers requests; each answer comes with the number of its effects, 0 or 1."""

    def __init__(self, calls: Calls, options: Options, username: str, password: str) -> None:
        self._calls = calls
        self._options = options
        self._username = username
        self._password = password
        self._type = "application/json; charset=utf-8" if options.version >= 14 else "application/json"

    def answer(self, request: Request) -> tuple[Reply, int]:
        """The answer, and whether it had an effect."""
        if request.method == "POST" and request.path == "/web/webclient/version_info":
            return self._enveloped(_body(request), self._version()), 0
        if request.method == "POST" and request.path == "/jsonrpc":
            return self._rpc(request)
        if request.method == "POST" and request.path.startswith(JSON2) and self._options.version >= 19:
            return self._json2(request)
        return Reply(404, NO_PAGE, {"content-type": "text/html; charset=utf-8"}), 0

    # JSON-2

    def _json2(self, request: Request) -> tuple[Reply, int]:
        database = request.headers.get("x-odoo-database", "")
        if database not in ({self._options.database} | (set() if self._options.several else {""})):
            return Reply(404, NO_PAGE, {"content-type": "text/html; charset=utf-8"}), 0
        model, _, method = request.path.removeprefix(JSON2).partition("/")
        try:
            self._let_in(request.headers.get("authorization", ""))
            named = json.loads(request.body or b"{}")
            ids, context = named.pop("ids", []), named.pop("context", {})
            if model in self._calls.state.tables and self._calls.known(model, method):
                if ids and method in MODEL_METHODS:
                    raise unprocessable(f"cannot call {model}.{method} with ids")
                self._calls.check_names(method, named)
            result = self._calls.run(model, method, ids, named, context)
        except Problem as problem:
            return self._reply(problem.status, _said(problem)), 0
        return self._reply(200, result), int(method in WRITES)

    def _let_in(self, authorization: str) -> None:
        kind, _, key = authorization.partition(" ")
        ends = self._options.key_ends
        if (
            kind.lower() != "bearer"
            or key != self._options.api_key
            or (ends is not None and ends <= self._options.clock())
        ):
            raise Problem("werkzeug.exceptions.Unauthorized", "Invalid apikey", 401, 401)

    # JSON-RPC

    def _rpc(self, request: Request) -> tuple[Reply, int]:
        body = _body(request)
        given = body.get("params")
        params: dict[str, Any] = given if isinstance(given, dict) else {}
        service, method, args = params.get("service"), params.get("method"), params.get("args") or []
        try:
            if (service, method) == ("common", "version"):
                return self._enveloped(body, self._version()), 0
            if (service, method) == ("common", "login"):
                return self._enveloped(body, self._login(*args)), 0
            result = self._execute(args)
            return self._enveloped(body, result), int(args[4] in WRITES)
        except Problem as problem:
            data = {**_said(problem), "exception_type": "internal_error"}
            error = {"code": 200, "message": "Odoo Server Error", "data": data}
            return self._reply(200, {"jsonrpc": "2.0", "id": body.get("id"), "error": error}), 0

    def _execute(self, args: Sequence[Any]) -> Any:
        database, uid, secret, model, method, placed, *rest = args
        self._check_database(database)
        if uid != self._calls.state.uid or not self._is_secret(secret):
            raise Problem("odoo.exceptions.AccessDenied", "Access Denied", 403)
        named = dict(rest[0]) if rest else {}
        context = named.pop("context", {})
        if model not in self._calls.state.tables:
            raise Problem("odoo.exceptions.UserError", f"Object {model} doesn't exist", 422)
        ids, by_place = self._calls.placed(model, method, placed)
        try:
            self._calls.check_names(method, {**by_place, **named})
        except Problem as problem:
            raise Problem("builtins.TypeError", problem.message) from None
        return self._calls.run(model, method, ids, {**by_place, **named}, context)

    def _login(self, database: str = "", login: str = "", secret: str = "") -> Any:
        self._check_database(database)
        return self._calls.state.uid if login == self._username and self._is_secret(secret) else False

    def _is_secret(self, secret: object) -> bool:
        """The password; from 14 on a key in its place, too."""
        return secret == self._password or (self._options.version >= 14 and secret == self._options.api_key)

    def _check_database(self, database: object) -> None:
        if database != self._options.database:
            raise Problem("psycopg2.OperationalError", f'FATAL:  database "{database}" does not exist\n')

    # Answers

    def _version(self) -> dict[str, Any]:
        serie = f"{self._options.version}.0"
        info = [self._options.version, 0, 0, "final", 0, ""]
        return {
            "server_version": serie,
            "server_version_info": info,
            "server_serie": serie,
            "protocol_version": 1,
        }

    def _enveloped(self, body: Mapping[str, Any], result: Any) -> Reply:
        return self._reply(200, {"jsonrpc": "2.0", "id": body.get("id"), "result": result})

    def _reply(self, status: int, value: Any) -> Reply:
        return Reply(status, json.dumps(value).encode(), {"content-type": self._type})


def _said(problem: Problem) -> dict[str, Any]:
    return {
        "name": problem.name,
        "message": problem.message,
        "arguments": problem.arguments,
        "context": {},
        "debug": f"{TRACEBACK}{problem.name}: {problem.message}\n",
    }


def _body(request: Request) -> dict[str, Any]:
    """The request's object, {} when it is none."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
