"""What a source keeps between two reads: the validators of the last whole body, and the body itself.

Nobody else reads it. A cursor that is damaged, of another version, or made for another address or other settings is
no error: it is as if there were none.
"""

import hashlib
import json
import zlib
from dataclasses import dataclass, field

_VERSION = b"ical\x01"
_SEAL = 16


@dataclass(frozen=True, slots=True)
class Kept:
    """The last whole body. `origin` is a digest of the address and of what changes the meaning of its text;
    `content` one of the text without DTSTAMP lines. `packed` is the cursor itself."""

    origin: str
    charset: str
    etag: str
    modified: str
    content: str
    body: bytes = field(repr=False)
    packed: bytes = field(default=b"", repr=False)


def pack(kept: Kept) -> bytes:
    """The cursor's bytes."""
    head = {"origin": kept.origin, "charset": kept.charset, "etag": kept.etag, "modified": kept.modified}
    head["content"] = kept.content
    rest = json.dumps(head).encode() + b"\n" + zlib.compress(kept.body, 1)
    return _VERSION + hashlib.sha256(rest).digest()[:_SEAL] + rest


def unpack(cursor: bytes | None, origin: str, limit: int) -> Kept | None:
    """The kept body, None when there is none that can be used. At most `limit` bytes are unpacked."""
    if not cursor or not cursor.startswith(_VERSION):
        return None
    seal, rest = cursor[len(_VERSION) :][:_SEAL], cursor[len(_VERSION) + _SEAL :]
    if hashlib.sha256(rest).digest()[:_SEAL] != seal:
        return None
    head, _, packed = rest.partition(b"\n")
    try:
        fields = json.loads(head)
        unpacker = zlib.decompressobj()
        body = unpacker.decompress(packed, limit)
        kept = Kept(
            str(fields["origin"]),
            str(fields["charset"]),
            str(fields["etag"]),
            str(fields["modified"]),
            str(fields["content"]),
            body,
            cursor,
        )
    except (ValueError, KeyError, TypeError, zlib.error):
        return None
    return kept if unpacker.eof and kept.origin == origin else None
