"""What files and folders of the archive are called. Pure.

`<route>/<YYYY>/<MM>/<date> <title> [<short key>]/<kind>-<vendor's id> <name>`, every part of it a name that any file
system can hold and any person can read, whatever a calendar or a vendor wrote. A whole path has less than 400 bytes.
"""

import re
import unicodedata
from datetime import UTC, datetime

from sync.model import content_digest

_LENGTHS = {"route": (40, 60), "title": (80, 100), "kind": (20, 20), "ref": (30, 40), "name": (80, 100)}
"""The longest that each part may be: characters, bytes."""

_PLAIN_REF = re.compile(r"[0-9a-z-]{1,40}")
_EXTENSION = re.compile(r"\.(?=[0-9]*[A-Za-z])[0-9A-Za-z]{1,5}$")
_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)

_FORBIDDEN = frozenset('/\\:*?"<>|')
_SPACES = ("Cc", "Zs", "Zl", "Zp")
_DROPPED = ("Cf", "Cs", "Co")
"""Categories of characters (Unicode Standard, section 4.5): format (what turns the writing direction is among them),
surrogates and private use."""

_MARKS = 4
"""Combining characters that one character may carry."""

_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[1-9¹²³])", re.IGNORECASE)
"""Names that are devices on Windows, whatever extension they have."""


def folder_of(route: str, start: datetime, title: str, key: str) -> str:
    """The folder of a meeting: `sales/2026/12/2026-12-01 Weekly sales review [3f9a1c20]`, by its start in UTC."""
    day = start.astimezone(UTC).date()
    name = f"{day.isoformat()} {_part('title', without_links(title))} [{_short(key)}]"
    return f"{_route(route)}/{day.year:04}/{day.month:02}/{name}"


def stem_of(folder: str, kind: str, ref: str, name: str) -> str:
    """The path of an artifact without an extension, which follows its content: `…/recording-17 Weekly call`.

    Two ids of a vendor never give the same path, not even where upper and lower case are the same.
    """
    own = ref if _PLAIN_REF.fullmatch(ref) else f"{_part('ref', ref)}-{_short(ref)}"
    stem = f"{folder}/{_part('kind', kind)}-{own}"
    bare = _EXTENSION.sub("", without_links(name).strip())
    return f"{stem} {_part('name', bare)}" if bare else stem


def safe(text: str, limit: int = 80, size: int = 150) -> str:
    """One name of a path from any text: at most `limit` (10 or more) characters and `size` (40 or more) bytes.

    Without characters that control, turn or hide; without what Windows, a shell's `..` or a hidden file would make of
    it; composed (Unicode Standard Annex 15, form C). What is left of nothing is "untitled".
    """
    spaced = "".join(_character(character) for character in unicodedata.normalize("NFC", text))
    composed = _few_marks(unicodedata.normalize("NFC", " ".join(spaced.split())))
    name = _cut(_without_lead(composed), limit, size)
    if _is_device(name):
        device, dot, rest = _cut(name, limit - 1, size - 1).partition(".")
        name = f"{device.rstrip()}_{dot}{rest}"
    return name or "untitled"


def without_links(text: str) -> str:
    """The text with its web addresses replaced by the word "link": many a one opens a meeting or a recording."""
    return _ADDRESS.sub("link", text)


def _part(part: str, text: str) -> str:
    return safe(text, *_LENGTHS[part])


def _route(route: str) -> str:
    """The route's name; with a digest when it had to be changed, so that two routes never share a folder."""
    name = _part("route", route)
    return name if name == route else f"{name}-{_short(route)}"


def _short(text: str) -> str:
    return content_digest(text)[:8]


def _character(character: str) -> str:
    category = unicodedata.category(character)
    if category in _SPACES:
        return " "
    if category in _DROPPED:
        return ""
    return "_" if character in _FORBIDDEN else character


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me")


def _few_marks(text: str) -> str:
    kept: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if _is_mark(character) else 0
        if run <= _MARKS:
            kept.append(character)
    return "".join(kept)


def _without_lead(text: str) -> str:
    """The text from its first character on that neither hides a file nor hangs on what stands before it."""
    for place, character in enumerate(text):
        if character not in " ." and not _is_mark(character):
            return text[place:]
    return ""


def _cut(text: str, limit: int, size: int) -> str:
    """The longest beginning within the limits that cuts no character from its marks and ends in no space or dot."""
    kept = text[:limit].encode()[:size].decode("utf-8", "ignore")
    end = len(kept)
    while 0 < end < len(text) and _is_mark(text[end]):
        end -= 1
    return text[:end].rstrip(" .")


def _is_device(name: str) -> bool:
    return _DEVICE.fullmatch(name.partition(".")[0].rstrip()) is not None
