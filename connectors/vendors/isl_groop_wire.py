"""What goes over the wire to and from ISL Groop: bodies, answers, our marker in titles. No request is made here.

Source: the "JSON API (deprecated)" page of ISL Online Conference Proxy. It names neither the encoding of a request's
body nor the shape of an error, so both are handled in every plausible form.
"""

import json
import re
from collections.abc import Collection
from string import Formatter
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sync.errors import Refused
from sync.model import Participant, Role, content_digest

Encoding = Literal["json", "form"]
ENCODINGS: tuple[Encoding, ...] = ("json", "form")

ROLES = {Role.MODERATOR: "host", Role.PARTICIPANT: "presenter", Role.OBSERVER: "guest"}
LINK_FIELDS = ("server", "session_code", "join_uid")

_CONTENT_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
_ERROR_KEYS = ("error", "errors", "exception", "fault")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TOKEN = re.compile(r" \[cv-([0-9a-f]{12})\]\s*$")
_ADDRESS = re.compile(r"\S+://\S+")
_AFTER_HASH = re.compile(r"#\S+")


class Unreadable(Exception):
    """The answer is not what an ISL server is known to send."""


# What is asked


def headers(encoding: Encoding) -> dict[str, str]:
    """Those of a request in the given encoding."""
    return {"Accept": "application/json", "Content-Type": _CONTENT_TYPES[encoding]}


def body(encoding: Encoding, function: str, sid: str | None, lang: str, args: dict[str, Any]) -> bytes:
    """One call; the sid goes after a # behind the function's name, so the name is a secret from then on."""
    called = f"{function}#{sid}" if sid else function
    if encoding == "json":
        return json.dumps({"fn": called, "lang": lang, "args": args}).encode("ascii")
    return urlencode({"fn": called, "lang": lang, "args": json.dumps(args)}).encode("ascii")


def person(participant: Participant, *, mail: bool) -> dict[str, Any]:
    """The arguments of addRegisteredUser that name a participant; 0 for no mail is the documented default."""
    args: dict[str, Any] = {
        "name": participant.name.strip() or participant.email.partition("@")[0],
        "email": participant.email,
        "email_notify": int(mail),
        "role": ROLES[participant.role],
    }
    if participant.language:
        args["lang"] = participant.language
    return args


def checked_code(ref: str) -> str:
    """The session code. Raises Refused for what cannot be one, before it gets anywhere."""
    if not _CODE.fullmatch(ref):
        raise Refused(f"{ref[:40]!r} is not an ISL Groop session code")
    return ref


# Our marker in titles


def token(marker: str) -> str:
    """The marker's short form, as it stands in a title."""
    return content_digest(marker)[:12]


def marked(title: str, marker: str) -> str:
    """The title with the marker behind it, and unchanged when there is no marker to be left."""
    return f"{title} [cv-{token(marker)}]" if marker else title


def unmarked(name: str) -> tuple[str, str | None]:
    """The title without our marker, and the marker's short form. Only the last one counts: a title that somebody
    copied may bring that of another session along."""
    match = _TOKEN.search(name)
    return (name[: match.start()], match[1]) if match else (name, None)


# Join links


def link_fields(template: str) -> set[str]:
    """The fields that a template for join links uses. Raises ValueError for what cannot be such a template."""
    used = set()
    for _, name, form, conversion in Formatter().parse(template):
        if name is None:
            continue
        if name not in LINK_FIELDS or form or conversion:
            allowed = ", ".join(f"{{{one}}}" for one in LINK_FIELDS)
            raise ValueError(f"{{{name}}} is not a field of a join link; there are {allowed}")
        used.add(name)
    if not used & {"session_code", "join_uid"}:
        raise ValueError("must use {session_code} or {join_uid}: otherwise all sessions have the same link")
    if not template.startswith(("{server}", "https://", "http://")):
        raise ValueError("must begin with {server}, https:// or http://")
    return used


def link(template: str, server: str, code: str, uid: str = "") -> str:
    """The join link of a session, or a participant's own one."""
    return template.format(server=server, session_code=quote(code, safe=""), join_uid=quote(uid, safe=""))


# What is answered


def _identifier(value: Any) -> Any:
    """A text, or a number that stands for one; PHP-like `false` for "none" is neither."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Id = Annotated[str, BeforeValidator(_identifier), Field(min_length=1, max_length=200)]
_Code = Annotated[str, BeforeValidator(_identifier), Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class SessionRow(_Model):
    """An element of `sessions` (getInfo); `active` and whatever else there is are of no use here."""

    session_code: _Id
    session_name: Annotated[str | None, BeforeValidator(lambda value: value if isinstance(value, str) else None)] = None


class _Sid(_Model):
    sid: _Id


class _Sessions(_Model):
    sessions: list[SessionRow]


class _SessionCode(_Model):
    session_code: _Code


class _Uid(_Model):
    uid: _Id


class _Func(_Model):
    func: str


_ANSWERS: dict[str, type[_Model]] = {
    "sid": _Sid,
    "sessions": _Sessions,
    "session_code": _SessionCode,
    "uid": _Uid,
    "func": _Func,
}
"""The documented answers, by the key that makes them one."""


def json_object(raw: bytes) -> dict[str, Any]:
    """The answer's object. Raises Unreadable for anything else, `null` and lists included."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    if not isinstance(data, dict):
        raise Unreadable("not a JSON object")
    return data


def expected(data: dict[str, Any], key: str) -> Any:
    """What the answer says under its documented key. Raises Unreadable."""
    try:
        return getattr(_ANSWERS[key].model_validate(data), key)
    except ValidationError as error:
        raise Unreadable(f"{error.error_count()} fields are not what they should be") from None


def denies(data: dict[str, Any]) -> bool:
    """Whether an answer that has no documented content ("return value: none") speaks of an error."""
    result = data.get("result")
    code = result.get("code") if isinstance(result, dict) else None
    return any(data.get(key) for key in _ERROR_KEYS) or (code is not None and str(code).upper() not in ("OK", "0"))


def said(data: dict[str, Any], secrets: Collection[str]) -> str:
    """What an error answer says for people: one line of at most 200 characters without secrets; often ""."""
    texts: list[str] = []
    for key in ("description", "message", *_ERROR_KEYS, "result"):
        _collect(data.get(key), texts)
    line = " ".join(" ".join(texts).split())
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        line = line.replace(secret, "…")
    return _ADDRESS.sub("…", _AFTER_HASH.sub("#…", line))[:200]


def _collect(value: Any, texts: list[str], depth: int = 3) -> None:
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, list | dict) and depth:
        for inner in value.values() if isinstance(value, dict) else value:
            _collect(inner, texts, depth - 1)
