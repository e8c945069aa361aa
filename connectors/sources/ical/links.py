"""Addresses of a video conference that a calendar entry already carries, as properties or in its texts.

A link counts when its host is a known meeting service and its path leads into a meeting: a link to a service's
home page, help or download is not a conference.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_URL = re.compile(r"https?://[^\s<>\"'\\\]}|^`]+", re.IGNORECASE)
_WHOLE = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_MEETINGS = (
    (r"(?:[\w-]+\.)*zoom(?:gov)?\.(?:us|com)", r"/(?:j|my|s|w|wc|webinar|meeting)/."),
    (r"teams\.microsoft\.(?:com|us)|teams\.cloud\.microsoft|gov\.teams\.microsoft\.us", r"/(?:l/meetup-join|meet)/."),
    (r"teams\.live\.com", r"/meet/."),
    (r"meet\.google\.com", r"/(?:[a-z]{3}-[a-z]{4}-[a-z]{3}\b|lookup/.)"),
    (r"(?:[\w-]+\.)*webex\.com", r"/.*(?:/?(?:meet|join|m)/.|j\.php|wbxmjs/|weblink/)"),
    (r"(?:\w+\.)?gotomeeting\.com|(?:\w+\.)?gotowebinar\.com", r"/(?:join|meeting/join|register|rt)?/?\w*\d"),
    (r"meet\.goto\.com|app\.goto\.com|gotomeet\.me|(?:www\.)?gotomeet\.me", r"/."),
    (r"(?:[\w-]+\.)?whereby\.com", r"/(?!information\b|blog\b|org\b|user\b|pricing\b)."),
    (r"meet\.jit\.si|8x8\.vc", r"/."),
    (r"(?:[\w-]+\.)?bluejeans\.com", r"/(?:\d{3,}|webrtc/.|event/.|playback/.)"),
    (r"(?:[\w-]+\.)?chime\.aws", r"/\d"),
    (r"join\.skype\.com|meet\.lync\.com", r"/."),
    (r"(?:v|meetings|video)\.ringcentral\.com", r"/(?:j|join)/."),
)
_LONGEST = 8192
"""Characters of a link; nobody can follow a longer one."""
_KNOWN = tuple((re.compile(host), re.compile(path, re.IGNORECASE)) for host, path in _MEETINGS)


def conference_links(declared: Iterable[str], texts: Iterable[str]) -> tuple[str, ...]:
    """All distinct links in order: those of conference properties as they are, those in texts when known."""
    found: dict[str, None] = {}
    for value in declared:
        if _WHOLE.fullmatch(value.strip()):  # a URI to its last character, also when that looks like a sentence's end
            found[value.strip()] = None
            continue
        for link in _links(value):
            found[_trim(link)] = None
    for text in texts:
        for link in _links(text):
            trimmed = _trim(link)
            if _is_meeting(trimmed):
                found[trimmed] = None
    return tuple(found)


def _links(text: str) -> list[str]:
    return [link for link in _URL.findall(text) if len(link) <= _LONGEST] if "://" in text else []


def _trim(link: str) -> str:
    """Without the punctuation that ends the sentence around it."""
    link = link.rstrip(".,;:!?*_")
    while link.endswith(")") and link.count(")") > link.count("("):
        link = link[:-1].rstrip(".,;:!?*_")
    return link


def _is_meeting(link: str) -> bool:
    try:
        parts = urlsplit(link)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    return any(known.fullmatch(host) and path.match(parts.path) for known, path in _KNOWN)
