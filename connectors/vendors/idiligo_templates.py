"""Idiligo's templates: the values that a script is filled with, and the participants' link with its way back."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from string import Formatter
from urllib.parse import quote, unquote

from sync.model import Meeting

FIELDS: Mapping[str, str | None] = {
    "title": "title",
    "description": "description",
    "start": "start",
    "end": "end",
    "organizer.name": "organizer",
    "organizer.email": "organizer",
    "participant.name": "participant",
    "participant.email": "participant",
    "url": None,
}
"""What a value's template may use, and the meeting's field (as capabilities name it) that it depends on."""

LINK_FIELDS = ("url", "public_id")


def fields_of(template: str, allowed: Iterable[str]) -> list[str]:
    """The fields of a template, in order. Raises ValueError for one that is not allowed, naming those that are."""
    allowed, used = tuple(allowed), []
    for _, name, form, conversion in Formatter().parse(template):
        if name is None:
            continue
        if form or conversion:
            raise ValueError(f"{{{name}}} takes no format and no conversion")
        if name not in allowed:
            raise ValueError(f"{{{name}}} is not a field; there are {', '.join(f'{{{one}}}' for one in allowed)}")
        used.append(name)
    return used


def filled(template: str, texts: Mapping[str, str]) -> str:
    """The template with its fields replaced; what the texts themselves hold is not looked at."""
    parts = []
    for literal, name, _, _ in Formatter().parse(template):
        parts += [literal, "" if name is None else texts[name]]
    return "".join(parts)


def held_by(values: Mapping[str, str]) -> frozenset[str]:
    """The meeting's fields that the values depend on: a change of one of them is a reason to send them again.

    Values that depend on nothing are sent once nevertheless, as if they depended on the title.
    """
    used = {FIELDS[name] for template in values.values() for name in fields_of(template, FIELDS)} - {None}
    return frozenset(name for name in used if name) or frozenset({"title"} if values else ())


def texts_of(meeting: Meeting, join_url: str) -> dict[str, str]:
    """What the fields stand for. Times in ISO 8601, UTC with Z; nobody is two empty texts."""
    guest = meeting.participants[0] if meeting.participants else None
    return {
        "title": meeting.title,
        "description": meeting.description,
        "start": meeting.start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "end": meeting.end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "organizer.name": meeting.organizer_name,
        "organizer.email": meeting.organizer,
        "participant.name": guest.name if guest else "",
        "participant.email": guest.email if guest else "",
        "url": join_url,
    }


class ClientLink:
    """The participants' link to a call, from a template with {url} and {public_id}. Raises ValueError for others."""

    def __init__(self, template: str, url: str) -> None:
        if fields_of(template, LINK_FIELDS).count("public_id") != 1:
            raise ValueError("must use {public_id}, once")
        if not template.startswith(("{url}", "https://", "http://")):
            raise ValueError("must begin with {url}, https:// or http://")
        self._front, self._back = filled(template, {"url": url, "public_id": "\0"}).split("\0")

    def to(self, public_id: str) -> str:
        """The link to a call."""
        return f"{self._front}{quote(public_id, safe='')}{self._back}"

    def public_id(self, link: str) -> str | None:
        """The call's public id out of its link, None when the link was made in another way."""
        inside = link.removeprefix(self._front).removesuffix(self._back)
        return unquote(inside) if inside and self.to(unquote(inside)) == link else None
