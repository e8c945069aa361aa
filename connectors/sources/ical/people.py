"""ATTENDEE and ORGANIZER to participants (RFC 5545 sections 3.8.4.1, 3.8.4.3; EMAIL is RFC 7986 section 6.2)."""

import re
from collections.abc import Iterable
from urllib.parse import unquote

from connectors.sources.ical.lines import Line
from sync.model import Participant, Role

_STRENGTH = {Role.MODERATOR: 2, Role.PARTICIPANT: 1, Role.OBSERVER: 0}
_ADDRESS = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")


def people(lines: Iterable[Line]) -> tuple[tuple[Participant, ...], str]:
    """The participants, each address once with its strongest role, and the organizer's address or ""."""
    organizer = ""
    found: dict[str, list[Participant]] = {}
    answers: dict[str, list[bool]] = {}
    for line in lines:
        address = address_of(line)
        if not address:
            continue
        if line.name == "ORGANIZER":
            organizer = organizer or address
        elif line.parameters.get("CUTYPE", "").strip().upper() in ("ROOM", "RESOURCE"):
            continue
        else:
            declined = line.parameters.get("PARTSTAT", "").strip().upper() == "DECLINED"
            answers.setdefault(address, []).append(declined)
        found.setdefault(address, []).append(_participant(address, line))
    return tuple(_merge(same, answers.get(address, [])) for address, same in found.items()), organizer


def address_of(line: Line) -> str:
    """The e-mail address in lower case, "" when the calendar user has none that can be used."""
    for text in (line.value, line.parameters.get("EMAIL", "")):
        bare = text.strip().strip("<>\"' ")
        if bare[:7].lower() == "mailto:":
            bare = unquote(bare[7:].partition("?")[0])
        elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", bare):
            continue  # urn:, sip:, http:, invalid:nomail
        bare = bare.strip().strip("<>").strip()
        if _ADDRESS.fullmatch(bare):
            return bare.lower()
    return ""


def _participant(address: str, line: Line) -> Participant:
    kind = line.parameters.get("ROLE", "").strip().upper()
    if line.name == "ORGANIZER" or kind == "CHAIR":
        role = Role.MODERATOR
    elif kind == "NON-PARTICIPANT":
        role = Role.OBSERVER
    else:
        role = Role.PARTICIPANT
    name = " ".join(line.parameters.get("CN", "").split())
    if name.lower().removeprefix("mailto:") == address:
        name = ""  # many servers repeat the address as the name
    return Participant(
        address,
        name,
        role,
        line.parameters.get("LANGUAGE", "").strip() or None,
    )


def _merge(same: list[Participant], declined: list[bool]) -> Participant:
    """One participant of several lines, of which `declined` holds the answers on the ATTENDEE ones."""
    return Participant(
        same[0].email,
        next((one.name for one in same if one.name), ""),
        max((one.role for one in same), key=_STRENGTH.__getitem__),
        next((one.language for one in same if one.language), None),
        bool(declined) and all(declined),
    )
