"""Where a room carries our marker: in its redirectUrl, which nobody sees, or at the end of its name.

The API has no field for a key of ours. `redirectUrl` is where people land after the call; ours is the start page of the
front with the marker behind the `#`, which the page ignores. Where a server does not give it back, the name is left.
"""

import hashlib
import re
from typing import Any, Protocol
from urllib.parse import quote, unquote

from connectors.vendors.livedigital_wire import Room

_FRAGMENT = "#convener="
_TOKEN = re.compile(r" \[(cv-[0-9a-f]{12})\]\Z")


class Marks(Protocol):
    """How to write a marker and how to read it back."""

    def new(self, title: str, marker: str) -> dict[str, Any]:
        """The fields of a new room that hold title and marker."""
        ...

    def renamed(self, room: Room, title: str) -> dict[str, Any]:
        """The fields that give the room another title and leave its marker."""
        ...

    def title(self, room: Room) -> str | None:
        """The room's title without a marker."""
        ...

    def marker(self, room: Room) -> str | None:
        """The marker, as far as the room shows it."""
        ...

    def carries(self, room: Room, marker: str) -> bool:
        """Whether the room is marked with it."""
        ...

    def may_hide(self, room: Room) -> bool:
        """Whether this answer lacks the field that would hold the marker."""
        ...


class RedirectMarks:
    """The whole marker, in the fragment of redirectUrl."""

    def __init__(self, front_url: str) -> None:
        self._front_url = front_url

    def new(self, title: str, marker: str) -> dict[str, Any]:
        """See Marks."""
        return {"name": title, "redirectUrl": f"{self._front_url}/{_FRAGMENT}{quote(marker, safe='')}"}

    def renamed(self, room: Room, title: str) -> dict[str, Any]:
        """See Marks."""
        return {"name": title}

    def title(self, room: Room) -> str | None:
        """See Marks."""
        return room.name

    def marker(self, room: Room) -> str | None:
        """See Marks. The page before the fragment does not matter: `front_url` may have been another one."""
        _, found, text = (room.redirect_url or "").partition(_FRAGMENT)
        return unquote(text) if found and text else None

    def carries(self, room: Room, marker: str) -> bool:
        """See Marks."""
        return self.marker(room) == marker

    def may_hide(self, room: Room) -> bool:
        """See Marks."""
        return not room.says_redirect


class NameMarks:
    """A token made from the marker, at the end of the name: the marker itself cannot be read back."""

    def new(self, title: str, marker: str) -> dict[str, Any]:
        """See Marks."""
        return {"name": f"{title} [{_token(marker)}]" if marker else title}

    def renamed(self, room: Room, title: str) -> dict[str, Any]:
        """See Marks."""
        found = _TOKEN.search(room.name or "")
        return {"name": title + (found[0] if found else "")}

    def title(self, room: Room) -> str | None:
        """See Marks."""
        return None if room.name is None else _TOKEN.sub("", room.name)

    def marker(self, room: Room) -> str | None:
        """See Marks: the token."""
        found = _TOKEN.search(room.name or "")
        return found[1] if found else None

    def carries(self, room: Room, marker: str) -> bool:
        """See Marks."""
        return self.marker(room) == _token(marker)

    def may_hide(self, room: Room) -> bool:
        """See Marks."""
        return room.name is None


def _token(marker: str) -> str:
    return "cv-" + hashlib.sha256(marker.encode("utf-8", "surrogatepass")).hexdigest()[:12]
