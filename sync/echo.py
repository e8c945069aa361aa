"""Telling a vendor's own spelling of what it was sent from something else. Pure.

Some vendors hand texts back with entities in them, tags taken out or spaces closed up. Comparing such an echo with
what was sent would see a change in every look, and send the same text for ever.
"""

import html
import re
import unicodedata
from collections.abc import Mapping

from sync.degrade import instant_text
from sync.model import Session

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_DEEPEST = 3


def same_text(sent: str, shown: str) -> bool:
    """Whether the two texts differ at most by entities, markup, Unicode form and white space."""
    return sent == shown or _plain(sent) == _plain(shown)


def shown_fields(session: Session) -> dict[str, str]:
    """The fields that the vendor shows for a session, in the ledger's text form."""
    shown = {}
    if session.title is not None:
        shown["title"] = session.title
    if session.start is not None:
        shown["start"] = instant_text(session.start)
    if session.end is not None:
        shown["end"] = instant_text(session.end)
    return shown


def as_sent(sent: Mapping[str, str], session: Session, before: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the vendor shows, each field as it was sent where it is the same but for the spelling.

    `before` are the texts that it showed for the former values of the fields that were to change: what still looks like
    that was not changed, however alike the two may be.
    """
    old = before or {}
    return {
        name: sent[name] if name in sent and value != old.get(name) and same_text(sent[name], value) else value
        for name, value in shown_fields(session).items()
    }


def echoes(sent: Mapping[str, str], session: Session) -> dict[str, str]:
    """The fields that the vendor spells in its own way although they say what was sent."""
    return {
        name: value
        for name, value in shown_fields(session).items()
        if name in sent and value != sent[name] and same_text(sent[name], value)
    }


def _plain(text: str) -> str:
    """The text without everything that a vendor's normalisation may add or take."""
    for _ in range(_DEEPEST):
        text = html.unescape(text)
    return " ".join(unicodedata.normalize("NFC", _TAG.sub(" ", text)).split())
