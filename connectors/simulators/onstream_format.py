"""How the Onstream server reads a request and writes an answer; the state behind it is in `onstream.py`.

Sources: the Onstream API v2 document, sections "Quickstart", "Return Formatting" and the examples of each method. That
bodies are read the way PHP's `parse_str` does is what the samples' unencoded bodies imply.
"""

import base64
import html
import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote

from connectors.simulators.stage import Reply, Request

_INTEGER = re.compile(r"^\d{1,10}$")


class Problem(Exception):
    """What the server answers instead: a status and a short text (a 404 has none)."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Target:
    """The parts of `/api/{version}/{username}/{resource}[/key/value…]`, decoded."""

    def __init__(self, request: Request) -> None:
        segments = [unquote(segment) for segment in request.path.split("/") if segment]
        padded = segments + [""] * 4
        self.valid = padded[0] == "api" and len(segments) >= 4
        self.version, self.username, self.resource = padded[1:4]
        rest = segments[4:]
        self.pairs: dict[str, str] = dict(zip(rest[::2], [*rest[1::2], ""], strict=False))
        self.query: dict[str, str] = dict(parse_qsl(request.query, keep_blank_values=True))

    @property
    def params(self) -> dict[str, str]:
        """What a GET may use: the path's pairs, and a query string."""
        return {**self.query, **self.pairs}


def authorized(request: Request, username: str, password: str) -> bool:
    """Whether the request carries this account's Basic credentials."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True).decode("utf-8")
    except ValueError:
        return False
    return scheme.lower() == "basic" and given == f"{username}:{password}"


def body_params(request: Request) -> dict[str, Any]:
    """The parameters of a PUT, POST or DELETE: from the body only.

    The body is a form; `rest_data` holds JSON when `input_type` is "json". An unencoded `&` inside the JSON
    cuts it, which makes it invalid. For a POST, PHP reads a form only under its proper content type.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and request.body and media_type != "application/x-www-form-urlencoded":
        return {}
    form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    if "input_type" not in form:
        return dict(form)
    if form["input_type"] != "json":
        raise Problem(400, "input_type must be json")
    try:
        data = json.loads(form.get("rest_data", ""))
    except ValueError:
        raise Problem(400, "rest_data is not valid JSON") from None
    if not isinstance(data, dict):
        raise Problem(400, "rest_data must hold an object")
    return data


def integer(params: dict[str, Any], name: str, default: int | None = None) -> int:
    """An integer parameter, given as a number or as digits. Without a default it is required."""
    value = params.get(name, default)
    if value is None:
        raise Problem(400, f"{name} is required")
    if isinstance(value, bool) or not _INTEGER.match(str(value)):
        raise Problem(400, f"{name} must be an integer")
    return int(value)


def text(params: dict[str, Any], name: str) -> str:
    """A required text that is not empty."""
    value = params.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Problem(400, f"{name} is required")
    return value


def truth(value: Any) -> bool:
    """A boolean as PHP clients send it."""
    return value not in (False, 0, "0", "false", "")


def wanted_format(request: Request, target: Target) -> str:
    """`/format/x` wins over the Accept header; XML is the default."""
    name = target.pairs.get("format") or target.query.get("format")
    if name:
        if name not in ("json", "xml"):
            raise Problem(400, "this stand-in speaks json and xml")
        return name
    return "json" if "application/json" in request.headers.get("accept", "") else "xml"


def strings(value: Any) -> Any:
    """Numbers as strings, all the way down: what this server's JSON looks like."""
    if isinstance(value, dict):
        return {key: strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [strings(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def rendered(status: int, value: Any, form: str, headers: dict[str, str] | None = None, item: str = "item") -> Reply:
    """The answer in the wanted format. `item` names the XML elements of a list."""
    if form == "json":
        return Reply(
            status, json.dumps(strings(value)).encode(), {"content-type": "application/json", **(headers or {})}
        )
    root = "xml" if item == "item" else "root"
    inner = f"<{item}s>{_xml(value, item)}</{item}s>" if root == "root" else _xml(value, item)
    document = f'<?xml version="1.0" encoding="utf-8"?>\n<{root}>{inner}</{root}>'
    return Reply(status, document.encode(), {"content-type": "application/xml", **(headers or {})})


def _xml(value: Any, item: str) -> str:
    if isinstance(value, dict):
        return "".join(f"<{key}>{_xml(inner, 'item')}</{key}>" for key, inner in value.items())
    if isinstance(value, list):
        return "".join(f"<{item}>{_xml(inner, 'item')}</{item}>" for inner in value)
    return html.escape("" if value is None else str(value))
