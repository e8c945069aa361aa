"""Checking what livedigital posts to a webhook (section "webhooks" of the public guides). No request is made here.

A delivery is a hint to go and look, never a fact: it has no time and no number, so it can be repeated by whoever has
seen it; it may come early, late, or not at all.
"""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import Any

from connectors.vendors.livedigital_wire import ID
from sync.errors import ConvenerError

MAX_BYTES = 64 * 1024
"""A genuine delivery has some hundred bytes."""

EVENTS = ("call_started", "call_finished", "record_started", "record_finished", "record_failed", "record_aborted")
"""The documented ones; others are passed on, too."""

_EVENT = re.compile(r"[a-z0-9_.-]{1,64}", re.IGNORECASE)
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


class DeliveryRefused(ConvenerError):
    """The payload is not what the owner of the secret sent."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is said to have happened, and where: a hint."""

    event: str
    room: str
    space: str
    record: str | None = None


def verify(secret: str, payload: bytes) -> Delivery:
    """The delivery, when its signature is right. Raises DeliveryRefused for everything else, whatever it is.

    The signature is inside of the JSON: the HMAC-SHA256, in hexadecimal, of what JavaScript's JSON.stringify makes of
    `body`. So the body is written again in that form, with its keys in their order and its numbers as they came.
    """
    if not secret:
        raise DeliveryRefused("there is no secret: anybody could have signed this")
    if len(payload) > MAX_BYTES:
        raise DeliveryRefused(f"the delivery is larger than {MAX_BYTES} bytes")
    try:
        outer = json.loads(
            payload.decode("utf-8"),
            object_pairs_hook=_each_key_once,
            parse_int=_Literal,
            parse_float=_Literal,
            parse_constant=_no_constant,
        )
        signature, body = outer["signature"], outer["body"]
        signed = _stringified(body).encode("utf-8", "backslashreplace")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DeliveryRefused("the delivery is not JSON with a signature and a body") from None
    if not (isinstance(signature, str) and _SIGNATURE.fullmatch(signature)):
        raise DeliveryRefused("the signature is none")
    expected = hmac.new(secret.encode("utf-8", "surrogatepass"), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        raise DeliveryRefused("the signature is wrong")
    return _delivery(body)


class _Literal(str):
    """A number, as it was written."""

    __slots__ = ()


def _stringified(value: Any) -> str:
    """JSON as JavaScript writes it: no spaces, nothing escaped that need not be.

    Halves of surrogate pairs stay, for the encoder to escape them as JavaScript does.
    """
    if isinstance(value, _Literal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_stringified(key)}:{_stringified(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_stringified, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two values under one key could be checked as one and read as the other."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _delivery(body: Any) -> Delivery:
    """The body of a genuine delivery."""
    if not isinstance(body, dict):
        raise DeliveryRefused("the delivery says nothing")
    event, record = body.get("eventName"), body.get("recordId")
    if isinstance(event, _Literal) or not (isinstance(event, str) and _EVENT.fullmatch(event)):
        raise DeliveryRefused("the delivery names no event")
    room, space = _id(body.get("roomId")), _id(body.get("spaceId"))
    if room is None or space is None:
        raise DeliveryRefused("the delivery names no room")
    return Delivery(event, room, space, _id(record))


def _id(value: Any) -> str | None:
    """An id of the platform; digits that came as a number are none."""
    return value if isinstance(value, str) and not isinstance(value, _Literal) and ID.fullmatch(value) else None
