"""Editing one VEVENT where it stands: lines are added, replaced or taken out, and every other byte stays as it is.

What is ours is known by the property X-CONVENER-JOIN-URL and by what was written last; what a person wrote is neither.
SEQUENCE, DTSTAMP and LAST-MODIFIED stay: a join link is none of the changes that count as a new revision (RFC 5546
section 2.1.4), and a newer stamp would make an organizer's update that is under way look older than what is here
(section 2.1.5).
"""

import re
from collections.abc import Iterator

from connectors.ical_text import ical_text
from connectors.sources.ical.attachments import OURS
from connectors.sources.ical.charsets import decode
from connectors.sources.ical.lines import Line, parse_line
from connectors.sources.ical.text import unfold
from connectors.sources.ical.values import Unreadable
from sync.outlets import Archived

MARK = "X-CONVENER-JOIN-URL"
_PLACES = ("CONFERENCE", "URL", "LOCATION", MARK)
_WIDTH = 75
"""Octets of a line (RFC 5545 section 3.1)."""

_NAME = re.compile(rb"[ \t]*([A-Za-z0-9-]+)[ \t]*[;:]")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_HEAD = re.compile(rb"[ \t]*(?i:ORGANIZER|ATTENDEE)[ \t]*(?=[;:])")


class Component:
    """A VEVENT as its content lines: folded and ended as they are, with those that are its own told from those of its
    alarms. `text` is the block from BEGIN to END, without the line feed behind it."""

    def __init__(self, text: bytes) -> None:
        self.lines: list[bytes] = []
        for piece in text.split(b"\n"):
            if self.lines and piece[:1] in (b" ", b"\t"):
                self.lines[-1] += b"\n" + piece
            else:
                self.lines.append(piece)
        self._end = b"\r" if self.lines[0].endswith(b"\r") else b""

    @property
    def text(self) -> bytes:
        """The block as it is now."""
        return b"\n".join(self.lines)

    def own(self, *names: str) -> Iterator[tuple[int, Line]]:
        """Its properties of these names, each with its place; those that cannot be read are left out."""
        for at, name in self._named():
            if name in names:
                try:
                    yield at, parse_line(decode(unfold(self.lines[at])).rstrip("\r").strip(), name)
                except Unreadable:
                    continue

    def add(self, line: str) -> None:
        """Put a property behind the others and in front of the alarms."""
        depth = 0
        for at, raw in enumerate(self.lines):
            name = _name_of(raw)
            depth += name == "BEGIN"
            if (name == "BEGIN" and depth == 2) or (name == "END" and depth == 1):
                self.lines.insert(at, self._folded(line))
                return
            depth -= name == "END"

    def replace(self, at: int, line: str) -> None:
        """Put another property in the place of one."""
        self.lines[at] = self._folded(line)

    def remove(self, places: list[int]) -> None:
        """Take these lines out."""
        for at in sorted(places, reverse=True):
            del self.lines[at]

    def mute(self) -> None:
        """Say that this client, and not the server, takes care of invitations (RFC 6638 section 7.1), where nothing is
        said about it."""
        for at, line in list(self.own("ORGANIZER", "ATTENDEE")):
            head = _HEAD.match(self.lines[at])
            if head and "SCHEDULE-AGENT" not in line.parameters:
                rest = self.lines[at][head.end() :]
                said = head[0].strip() + b";SCHEDULE-AGENT=CLIENT"
                whole = said + rest
                fits = len(whole.split(b"\n", 1)[0].rstrip(b"\r")) <= _WIDTH
                self.lines[at] = whole if fits else said + self._end + b"\n " + rest

    def _named(self) -> Iterator[tuple[int, str]]:
        depth = 0
        for at, raw in enumerate(self.lines):
            name = _name_of(raw)
            depth += name == "BEGIN"
            if depth == 1 and name not in ("BEGIN", "END"):
                yield at, name
            depth -= name == "END"

    def _folded(self, line: str) -> bytes:
        """The line in pieces of 75 octets, none of which begins within a character."""
        raw, pieces, width = line.encode(), [], _WIDTH
        while len(raw) > width:
            cut = width
            while raw[cut] & 0xC0 == 0x80:
                cut -= 1
            pieces.append(raw[:cut])
            raw, width = raw[cut:], _WIDTH - 1
        return (self._end + b"\n ").join([*pieces, raw]) + self._end


def _name_of(raw: bytes) -> str:
    match = _NAME.match(raw)
    return match[1].decode("ascii").upper() if match else ""


def put_link(component: Component, link: str, former: str) -> bool:
    """Put the join link into the entry in place of `former` and of what else is ours; without a `link`, take `former`
    away. Whether that changed anything.

    CONFERENCE (RFC 7986 section 5.11) and our mark always; URL and LOCATION where there is none but ours. A link with a
    comma is no CONFERENCE: there are servers that cut properties they do not know there, and what is left would look
    like somebody else's.
    """
    marked = {_value(line) for _, line in component.own(MARK)} if link else set()
    ours = {former, *marked} - {""}
    before = component.text
    lacking = dict.fromkeys(_PLACES) if link else {}
    if "," in link:
        del lacking["CONFERENCE"]
    surplus: list[int] = []
    for at, line in list(component.own(*_PLACES)):
        value = _value(line)
        if value and value not in ours | {link}:
            if line.name != "CONFERENCE":
                lacking.pop(line.name, None)  # a person's
        elif line.name in lacking:
            del lacking[line.name]
            if value != link:
                component.replace(at, _line(line.name, link))
        elif value or link:
            surplus.append(at)
    component.remove(surplus)
    for name in lacking:
        component.add(_line(name, link))
    return component.text != before


def shows(component: Component, link: str) -> bool:
    """Whether the entry has the link in any of the places where we put it."""
    return any(_value(line) == link for _, line in component.own(*_PLACES))


def put_artifact(component: Component, artifact: Archived) -> bool:
    """Attach the artifact's address; whether that changed anything. A parameter says that it is ours, and no document
    for the meeting."""
    if has_artifact(component, artifact):
        return False
    kind = f"{OURS}={artifact.kind}"
    media = f";FMTTYPE={artifact.media_type}" if _MEDIA_TYPE.fullmatch(artifact.media_type) else ""
    # RFC 8607 section 4.3; what may not stand in quotes is left out
    name = re.sub(r'["^\\]', "", str(ical_text(artifact.name))).replace("\n", " ").strip()
    component.add(f"ATTACH;{kind}{media}" + (f';FILENAME="{name}"' if name else "") + f":{artifact.url}")
    return True


def has_artifact(component: Component, artifact: Archived) -> bool:
    """Whether the artifact's address is attached."""
    return any(_value(line) == artifact.url for _, line in component.own("ATTACH"))


def _value(line: Line) -> str:
    return line.text.strip()  # some servers escape URIs, too, and an address has no backslash of its own


def _line(name: str, link: str) -> str:
    if name == "CONFERENCE":
        return f"CONFERENCE;VALUE=URI;FEATURE=VIDEO:{link}"
    return f"{name}:{link if name == 'URL' else ical_text(link).to_ical().decode()}"
