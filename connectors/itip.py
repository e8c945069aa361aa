"""An invitation as a mail that calendars understand: iTIP (RFC 5546) in a message (iMIP, RFC 6047).

One mail has one attendee, its addressee: nobody learns of the others' addresses or links. Everything that comes from a
calendar or a vendor is taken for hostile: it becomes text of one header, one property or one line, and no more.
"""

import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any
from unicodedata import category

from icalendar import Calendar, vCalAddress, vUri
from icalendar import Event as VEvent

from connectors.ical_text import ical_text
from sync.errors import Refused
from sync.model import Role
from sync.outlets import Invitation

LONGEST_NAME, LONGEST_SUBJECT, LONGEST_TITLE, LONGEST_LOCATION, LONGEST_DESCRIPTION = 100, 150, 500, 500, 8000
"""Characters. What is longer is cut: no mail is refused because of its length."""

LONGEST_ADDRESS, LONGEST_LOCAL, LONGEST_LABEL = 254, 64, 63
"""Octets (RFC 5321 section 4.5.3.1, RFC 1035 section 2.3.4)."""

_LOCAL = re.compile(r"[^\s\x00-\x20\x7f()<>\[\]:;,@\\\"]+")
_LABEL = re.compile(r"[^\W_](?:[\w-]*[^\W_])?")
_LINK = re.compile(r"https?://[^\s\x00-\x20\x7f<>\"\\^`{|}]+", re.IGNORECASE)

_ROLES = {Role.MODERATOR: "CHAIR", Role.PARTICIPANT: "REQ-PARTICIPANT", Role.OBSERVER: "NON-PARTICIPANT"}
"""RFC 5545 section 3.2.16."""


def address(text: str, *, utf8: bool = False) -> str:
    """The address as it goes over the wire, its domain in ASCII (RFC 3490). Raises Refused for what is no plain
    address, and for a local part beyond ASCII unless `utf8` (the server takes mail of RFC 6531)."""
    local, at, domain = text.rpartition("@")
    labels = domain.split(".")
    sane = _LOCAL.fullmatch(local) and all(_LABEL.fullmatch(label) for label in labels)
    if not (at and sane) or any(category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text):
        raise Refused("the participant's address is not one that can be mailed")
    if not local.isascii() and not utf8:
        raise Refused("the mail server takes no addresses with letters beyond ASCII (it offers no SMTPUTF8)")
    try:
        plain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise Refused("the domain of the participant's address is not valid") from None
    wire = f"{local}@{plain}"
    if len(wire.encode()) > LONGEST_ADDRESS or len(local.encode()) > LONGEST_LOCAL:
        raise Refused("the participant's address is too long")
    return wire


def message(invitation: Invitation, sender: Address, *, utf8: bool = False) -> EmailMessage:
    """The mail: the same in words and as a calendar object, whose METHOD the Content-Type repeats (RFC 6047 section
    2.4). It may have no link yet. Raises Refused for an address or a link that cannot be mailed."""
    to = address(invitation.email, utf8=utf8)
    if invitation.link and not _LINK.fullmatch(invitation.link):
        raise Refused("the link is not a web address")
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit", utf8=utf8))
    mail["From"] = sender
    mail["To"] = Address(header(invitation.name, LONGEST_NAME), *to.rsplit("@", 1))
    mail["Subject"] = f"{_occasion(invitation)}: {header(invitation.title, LONGEST_SUBJECT) or 'a meeting'}"
    mail["Date"] = format_datetime(invitation.made_at.astimezone(UTC))
    mail["Message-ID"] = f"<{invitation.message_id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5: nobody's holiday note answers it
    mail.set_content(words(invitation))
    content = calendar(invitation, sender, to).to_ical().decode("utf-8")
    params = {"method": invitation.method, "component": "VEVENT"}
    mail.add_alternative(content, subtype="calendar", charset="utf-8", params=params)
    return mail


def words(invitation: Invitation) -> str:
    """The mail for people who read it without a calendar."""
    when = f"{_time(invitation.start)} – {_time(invitation.end)} UTC"
    if invitation.start.astimezone(UTC).date() == invitation.end.astimezone(UTC).date():
        when = f"{_time(invitation.start)} – {invitation.end.astimezone(UTC):%H:%M} UTC"
    begin = {
        "Invitation": "You are invited to an online meeting.",
        "Updated": "An online meeting that you are invited to has changed.",
        "Cancelled": "This online meeting does not take place, or you are no longer expected.",
    }
    about = [f"What:  {line(invitation.title, LONGEST_TITLE)}", f"When:  {when}"]
    if invitation.organizer:
        about.append(f"Who:   organised by {line(invitation.organizer, LONGEST_NAME)}")
    if invitation.location:
        about.append(f"Where: {line(invitation.location, LONGEST_LOCATION)}")
    if invitation.link:
        about.append(f"Join:  {invitation.link}")
    last = "The link may be meant for you alone: please do not pass it on."
    parts = [
        begin[_occasion(invitation)],
        "\n".join(about),
        block(invitation.description, LONGEST_DESCRIPTION),
        last if invitation.link else _without_a_link(invitation),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def calendar(invitation: Invitation, sender: Address, to: str) -> Calendar:
    """The iTIP object (RFC 5546 sections 3.2.2 and 3.2.5), with the way in as CONFERENCE (RFC 7986 section 5.11)."""
    event = VEvent()
    event.add("UID", invitation.uid)
    event.add("SEQUENCE", invitation.sequence)
    event.add("DTSTAMP", invitation.made_at.astimezone(UTC))
    event.add("DTSTART", invitation.start.astimezone(UTC))
    event.add("DTEND", invitation.end.astimezone(UTC))
    event.add("SUMMARY", ical_text(line(invitation.title, LONGEST_TITLE)))
    # Replies go to us; what is shown is who invites.
    inviter = line(invitation.organizer, LONGEST_NAME) or sender.display_name or sender.addr_spec
    event.add("ORGANIZER", _person(sender.addr_spec, inviter))
    event.add(
        "ATTENDEE",
        _person(
            to,
            line(invitation.name, LONGEST_NAME) or to,
            CUTYPE="INDIVIDUAL",
            ROLE=_ROLES[invitation.role],
            PARTSTAT="NEEDS-ACTION",
            RSVP="FALSE",
        ),
    )
    event.add("STATUS", "CANCELLED" if invitation.method == "CANCEL" else "CONFIRMED")
    if location := line(invitation.location, LONGEST_LOCATION) or invitation.link:
        event.add("LOCATION", ical_text(location))
    joining = f"Join: {invitation.link}" if invitation.link else _without_a_link(invitation)
    if said := "\n\n".join(t for t in (joining, block(invitation.description, LONGEST_DESCRIPTION)) if t):
        event.add("DESCRIPTION", ical_text(said))
    if invitation.link:
        event.add("URL", vUri(invitation.link))
        named = {"VALUE": "URI", "FEATURE": "VIDEO", "LABEL": "Join"}
        event.add("CONFERENCE", vUri(invitation.link), parameters=named)
    whole = Calendar()
    whole.add("PRODID", "-//convener//convener//EN")
    whole.add("VERSION", "2.0")
    whole.add("METHOD", invitation.method)
    whole.add_component(event)
    return whole


def line(text: str, most: int) -> str:
    """The text as one line of at most so many characters: whatever ends a line or commands a terminal is a space."""
    spaced = "".join(" " if category(c) in ("Cc", "Zl", "Zp") else c for c in _sound(text))
    return _cut(" ".join(spaced.split()), most)


def header(text: str, most: int) -> str:
    """As `line`, and nothing in it is an encoded word (RFC 2047): readers would decode it into anything, addresses
    among it."""
    return _cut(line(text, most).replace("=?", "= ?"), most)


def block(text: str, most: int) -> str:
    """The text with its lines, without other control characters."""
    lines = re.split(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]", _sound(text))
    return _cut("\n".join("".join(c for c in one if c == "\t" or category(c) != "Cc") for one in lines).strip(), most)


def _sound(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _person(addr_spec: str, name: str, **params: str) -> Any:
    person = vCalAddress(f"mailto:{addr_spec}")
    person.params["CN"] = name
    for parameter, value in params.items():
        person.params[parameter] = value
    return person


def _without_a_link(invitation: Invitation) -> str:
    """What is said in place of a link. A personal one may be made shortly before the start only, and people have to
    know of the meeting, or of its new time, before that."""
    return "Your link to join follows." if invitation.method == "REQUEST" else ""


def _occasion(invitation: Invitation) -> str:
    if invitation.method == "CANCEL":
        return "Cancelled"
    return "Updated" if invitation.sequence else "Invitation"


def _time(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%A %d %B %Y, %H:%M}"
