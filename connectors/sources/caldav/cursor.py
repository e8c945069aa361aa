"""What the source keeps between two reads: every resource of the calendar, and what the server calls this state of it.

Nobody else reads it. A cursor that is damaged, of another version, or made for another calendar or other settings is no
error: it is as if there were none.
"""

import hashlib
import json
import zlib
from dataclasses import dataclass, field

from connectors.sources.ical.text import Feed, scan
from connectors.sources.ical.values import Unreadable

_VERSION = b"caldav\x01"
_SEAL = 16
_MOST_OF_HEAD = 64 * 1024


@dataclass(slots=True)
class Resource:
    """One resource of a calendar: its path as the server writes it, the validator (ETag) of the `text` that was read,
    and the UIDs in it. Without a text it is there but could not be read; its UIDs are then those of its last text.
    `scanned` is the text's outline, or why it has none, once somebody asked."""

    href: str
    etag: str
    uids: tuple[str, ...]
    text: bytes | None = field(repr=False)
    scanned: Feed | str | None = field(default=None, repr=False)

    def feed(self) -> Feed:
        """Its entries, found in its text once. Raises Unreadable when that is no whole calendar."""
        if self.scanned is None:
            self.scanned = self._scan()
        if isinstance(self.scanned, str):
            raise Unreadable(self.scanned)
        return self.scanned

    def _scan(self) -> Feed | str:
        try:
            feed = scan(self.text or b"")
        except Unreadable as error:
            return str(error)
        named = tuple(dict.fromkeys(uid for block in feed.blocks if (uid := feed.uid_of(block))))
        self.uids = named if named or not feed.defect else self.uids
        return feed.defect or feed


@dataclass(slots=True)
class State:
    """A calendar as it was read: its resources by their paths in one spelling, the token and the tag that stand for
    this state, and how many reads ago the whole of it was listed. `packed` are the resources as the cursor holds
    them."""

    token: str = ""
    ctag: str = ""
    polls: int = 0
    resources: dict[str, Resource] = field(default_factory=dict)
    packed: bytes = field(default=b"", repr=False)


def pack(state: State, origin: str) -> bytes:
    """The cursor's bytes."""
    if not state.packed:
        state.packed = _packed(state.resources)
    head = {"origin": origin, "token": state.token, "ctag": state.ctag, "polls": state.polls}
    rest = json.dumps(head).encode() + b"\n" + state.packed
    return _VERSION + hashlib.sha256(rest).digest()[:_SEAL] + rest


def _packed(resources: dict[str, Resource]) -> bytes:
    rows = [
        [key, one.href, one.etag, one.uids, -1 if one.text is None else len(one.text)] for key, one in resources.items()
    ]
    return zlib.compress(json.dumps(rows).encode() + b"\n" + b"".join(one.text or b"" for one in resources.values()), 1)


def unpack(cursor: bytes | None, origin: str, limit: int) -> State | None:
    """The kept state, None when there is none that can be used. At most `limit` bytes are unpacked."""
    if not cursor or not cursor.startswith(_VERSION):
        return None
    seal, rest = cursor[len(_VERSION) :][:_SEAL], cursor[len(_VERSION) + _SEAL :]
    if hashlib.sha256(rest).digest()[:_SEAL] != seal:
        return None
    head, _, packed = rest.partition(b"\n")
    try:
        fields = json.loads(head[:_MOST_OF_HEAD])
        unpacker = zlib.decompressobj()
        names, _, texts = unpacker.decompress(packed, limit).partition(b"\n")
        if not unpacker.eof or fields["origin"] != origin:
            return None
        state = State(str(fields["token"]), str(fields["ctag"]), int(fields["polls"]), packed=packed)
        at = 0
        for key, href, etag, uids, size in json.loads(names):
            text = None if size < 0 else texts[at : at + size]
            at += max(size, 0)
            state.resources[key] = Resource(href, etag, tuple(uids), text)
    except (ValueError, KeyError, TypeError, zlib.error):
        return None
    return state if at == len(texts) else None
