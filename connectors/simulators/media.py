"""What stand-ins serve as files: a small film, and answers to requests for a part of one (RFC 9110 section 14)."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from connectors.simulators.stage import Reply, Request

Resumes = Literal["etag", "modified", "never"]
"""How a server lets downloads be gone on with: it knows versions by a strong ETag, by Last-Modified alone, or it knows
neither versions nor parts."""

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_MATRIX = b"".join(number.to_bytes(4, "big") for number in (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000))


def film(content: bytes = bytes(range(256)) * 4, *, seconds: int = 60) -> bytes:
    """An MP4 as far as its boxes go (ISO 14496-12 sections 4.3, 8.1.1, 8.2.2): its type, a header of that duration
    without tracks, and `content` as its media data."""
    times = (0).to_bytes(8, "big") + (1000).to_bytes(4, "big") + (seconds * 1000).to_bytes(4, "big")
    rate_and_volume = (0x10000).to_bytes(4, "big") + (0x100).to_bytes(2, "big") + bytes(10)
    header = _box(b"mvhd", bytes(4) + times + rate_and_volume + _MATRIX + bytes(24) + (1).to_bytes(4, "big"))
    return _box(b"ftyp", b"mp42" + bytes(4) + b"mp42isom") + _box(b"moov", header) + _box(b"mdat", content)


def _box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


MP4 = film()


def served(request: Request, content: bytes, media_type: str, resumes: Resumes) -> Reply:
    """The file, or the part of it that is asked for: 206, 416 for a part that there is not, and the whole (200) for
    another version than If-Range names, for several parts, and for what is no range."""
    headers = {"content-type": media_type, **_version(content, resumes)}
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if resumes == "never" or not match or not any(match.groups()):
        return Reply(200, content, headers)
    wanted = request.headers.get("if-range")
    if wanted is not None and wanted not in _version(content, resumes).values():
        return Reply(200, content, headers)
    first, last = _span(match, len(content))
    if not first <= last < len(content):
        return Reply(416, b"", {"content-range": f"bytes */{len(content)}"})
    part = {"content-range": f"bytes {first}-{last}/{len(content)}"}
    return Reply(206, content[first : last + 1], {**headers, **part})


def _span(match: re.Match[str], length: int) -> tuple[int, int]:
    first, last = match.groups()
    if not first:  # the last so many bytes
        return max(length - int(last), 0), length - 1
    return int(first), min(int(last), length - 1) if last else length - 1


def _version(content: bytes, resumes: Resumes) -> dict[str, str]:
    """By content, so that changed content is another version; a date that lies in the past."""
    digest = hashlib.sha256(content).digest()
    match resumes:
        case "etag":
            return {"accept-ranges": "bytes", "etag": f'"{digest.hex()[:32]}"'}
        case "modified":
            moment = _EPOCH + timedelta(seconds=int.from_bytes(digest[:4], "big") % 10**8)
            return {"accept-ranges": "bytes", "last-modified": format_datetime(moment, usegmt=True)}
        case _:
            return {}
