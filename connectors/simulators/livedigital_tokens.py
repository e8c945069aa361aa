"""Who is let in: the personal token, and the tokens of the grants (section "createToken" of the public guides).

Tokens of the grants look like JSON web tokens, as the guides' samples do: they end when their `exp` says so. The
errors of this endpoint are those of RFC 6749; everywhere else they are `{"message", "code"}`.
"""

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.simulators import livedigital_rules as rules
from connectors.simulators.livedigital_state import Options, Problem
from connectors.simulators.stage import Reply, Request, json_reply


@dataclass
class Issued:
    """A token that was given."""

    kind: str
    expires: datetime
    valid: bool = True


def jwt(claims: dict[str, Any]) -> str:
    """A token of the usual look; its signature is none."""
    parts = ({"alg": "HS256", "typ": "JWT"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c3RhbmQtaW4"])


class Tokens:
    """The tokens of one account with one client and one user; `email` is the user's name here."""

    def __init__(self, options: Options, email: str, password: str) -> None:
        self._options = options
        self._email = email
        self._password = password
        self._issued: dict[str, Issued] = {}

    @property
    def issued(self) -> list[str]:
        """All that were given, as a test for secrets wants to know."""
        return list(self._issued)

    def expire(self, kind: str = "access") -> None:
        """Let all tokens of a kind ("access", "refresh", "client") be worth nothing from now on."""
        for token in self._issued.values():
            if token.kind == kind:
                token.valid = False

    def grant(self, request: Request) -> Reply:
        """POST auth/token."""
        try:
            data = rules.body(request)
        except Problem as problem:
            return _denied(problem.status, "invalid_request", problem.message)
        client = (data.get("client_id"), data.get("client_secret"))
        if client != (self._options.client_id, self._options.client_secret):
            return _denied(401, "invalid_client", "Invalid client")
        match data.get("grant_type"):
            case "client_credentials":
                return self._given("client")
            case "password":
                return self._password_grant(request, data)
            case "refresh_token" if self._options.refresh:
                return self._refresh_grant(data)
        return _denied(400, "unsupported_grant_type", "Unknown grant type")

    def demand_user(self, request: Request) -> None:
        """Raise unless the request comes from the user (403 for a mere client, 401 for nobody)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and token == self._options.access_token:
            return
        kind = self._kind(token) if scheme == "Bearer" else None
        if kind == "client":
            raise Problem(403, "This method is forbidden for the user", "method_forbidden")
        if kind != "access" or not self._options.user_tokens:
            raise Problem(401, "Unauthorized")

    def _password_grant(self, request: Request, data: dict[str, Any]) -> Reply:
        if "authorization" in request.headers:
            token = request.headers["authorization"].removeprefix("Bearer ")
            if self._kind(token) != "client":
                return _denied(401, "invalid_client", "Invalid client token")
        if (data.get("username"), data.get("password")) != (self._email, self._password):
            return _denied(400, "invalid_grant", "Invalid credentials")
        return self._given("access")

    def _refresh_grant(self, data: dict[str, Any]) -> Reply:
        token = data.get("refresh_token")
        if not isinstance(token, str) or self._kind(token) != "refresh":
            return _denied(400, "invalid_grant", "Invalid refresh token")
        self._issued[token].valid = False
        return self._given("access")

    def _kind(self, token: str) -> str | None:
        found = self._issued.get(token)
        if found is None or not found.valid or found.expires <= self._options.clock():
            return None
        return found.kind

    def _given(self, kind: str) -> Reply:
        answer = {"token_type": "Bearer", "access_token": self._new(kind, self._options.access_life)}
        if self._options.refresh_tokens:
            answer["refresh_token"] = self._new("refresh", self._options.refresh_life)
        return json_reply(200, answer)

    def _new(self, kind: str, life: timedelta) -> str:
        now = self._options.clock()
        claims = {"aud": kind, "jti": len(self._issued), "iat": int(now.timestamp())}
        token = jwt({**claims, "exp": int((now + life).timestamp())})
        self._issued[token] = Issued(kind, now + life)
        return token


def _denied(status: int, error: str, description: str) -> Reply:
    return json_reply(status, {"error": error, "error_description": description})
