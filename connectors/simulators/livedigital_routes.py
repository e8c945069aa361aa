"""The addresses of the API (the public guides print one with each call)."""

import re
from urllib.parse import unquote

from connectors.simulators.stage import Request

_S, _R, _X = r"/v1/spaces/([^/]+)", r"/v1/spaces/([^/]+)/rooms/([^/]+)", r"/([^/]+)"

ROUTES: tuple[tuple[str, str, str, str], ...] = (
    ("POST", r"/v1/auth/token", "token", ""),
    ("GET", r"/v1/users/me", "me", "me"),
    ("GET", r"/v1/spaces/?", "spaces", "get_spaces"),
    ("POST", r"/v1/spaces/?", "space-create", "post_space"),
    ("GET", _S + r"/rooms", "rooms", "get_rooms"),
    ("POST", _S + r"/rooms", "room-create", "post_room"),
    ("GET", _R, "room", "get_room"),
    ("PUT", _R, "room-update", "put_room"),
    ("DELETE", _R, "room-delete", "delete_room"),
    ("POST", _R + r"/generate-access", "generate-access", "post_access"),
    ("GET", _R + r"/records", "records", "get_records"),
    ("GET", _R + r"/records/download" + _X, "record-download", "get_download"),
    ("GET", _S + r"/analytics/calls", "calls", "get_calls"),
    ("GET", _S + r"/analytics/report", "report", "get_report"),
    ("GET", _S + r"/webhook", "webhook", "get_webhook"),
    ("POST", _S + r"/webhook", "webhook-create", "post_webhook"),
    ("PUT", _S + r"/webhook", "webhook-update", "put_webhook"),
    ("DELETE", _S + r"/webhook", "webhook-delete", "delete_webhook"),
    ("PUT", _S + r"/webhook/refresh-secret", "webhook-secret", "put_secret"),
    ("GET", r"/media" + _X + _X, "media", "media"),
)
"""Method, path, resource, and what the account does."""


def routed(request: Request) -> tuple[str, str, list[str]] | None:
    """What a request is about: resource, what the account does, the ids in the path. None for nothing known."""
    for method, pattern, resource, does in ROUTES:
        if method == request.method and (match := re.fullmatch(pattern, request.path)):
            return resource, does, [unquote(part) for part in match.groups()]
    return None
