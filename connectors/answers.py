"""What came back: the answer, its whole body, and what its status says about the effect of a request."""

import zlib
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx

from sync.errors import CredentialsRefused, Gone, RateLimited, Refused, UnknownOutcome, Unreachable

DEFAULT_RETRY_AFTER = 60.0
MAX_RETRY_AFTER = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: status, headers, decompressed body (bytes) and the address that gave it."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: httpx.URL = field(repr=False)

    @property
    def media_type(self) -> str:
        """The content type without parameters, lower case, "" when the server named none."""
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()


class BodyTooLarge(Unreachable):
    """The answer is larger than allowed."""


class CutBody(Unreachable):
    """The body ended before its end; `partial` holds what came of it."""

    def __init__(self, message: str, partial: Answer | None = None) -> None:
        super().__init__(message)
        self.partial = partial


def place(url: str | httpx.URL) -> str:
    """Scheme and host (and port) of an address: all of it that may be shown to people or logged."""
    try:
        parsed = httpx.URL(url)
        host = parsed.host  # read from its IDNA form only now
    except (httpx.InvalidURL, ValueError):
        return "an invalid address"
    port = "" if parsed.port is None else f":{parsed.port}"
    return f"{parsed.scheme}://[{host}]{port}" if ":" in host else f"{parsed.scheme}://{host}{port}"


def reason(error: Exception) -> str:
    """What a client library's error says, as long as there is no address in it; else its kind."""
    text = str(error).split("\n", 1)[0]
    return text[:120] if text and "://" not in text else type(error).__name__


def decompress(raw: bytes, encoding: str, limit: int, *, whole: bool = True) -> bytes:
    """The body behind a Content-Encoding of gzip, deflate or identity (RFC 9110 section 8.4.1).

    All members of a gzip stream are read, and its end-of-stream mark is demanded: HTTP libraries hand over a
    cut stream without an error. Not `whole`: as much as can be read. Raises CutBody and BodyTooLarge (more than
    `limit` bytes).
    """
    name = encoding.strip().lower()
    if name in ("gzip", "x-gzip"):
        wbits = zlib.MAX_WBITS | 16
    elif name == "deflate":
        wbits = zlib.MAX_WBITS
    elif name in ("", "identity"):
        return raw
    else:
        raise Unreachable(f"the body is encoded as {name[:20]!r}, which was not asked for")
    out = bytearray()
    rest = raw
    while rest or not out:
        stream = zlib.decompressobj(wbits)
        try:
            out += stream.decompress(rest, limit + 1 - len(out))
        except zlib.error as error:
            if not whole:
                break
            raise CutBody(f"the {name} body is damaged ({error})") from error
        if len(out) > limit:
            raise BodyTooLarge(f"the body is larger than {limit} bytes")
        if not stream.eof:
            if not whole:
                break
            raise CutBody(f"the {name} body is cut short: its end-of-stream mark is missing")
        rest = stream.unused_data.lstrip(b"\0")
        if not rest:
            break
    return bytes(out)


def redirection(status: int, headers: httpx.Headers) -> str:
    """Where the answer sends the client, "" when it does not."""
    return str(headers.get("location", "")) if status in (301, 302, 303, 307, 308) else ""


def raise_for_status(answer: Answer, *, write: bool, what: str) -> None:
    """Turn a status into what it says about the effect; 2xx passes.

    On a write, 5xx and redirects mean that nobody knows; 4xx mean that nothing happened.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    message = f"{what}: answered {status}"
    if status in (401, 403):
        raise CredentialsRefused(message)
    if status in (404, 410):
        raise Gone(message, status)
    if status == 429 or (status == 503 and not write and "retry-after" in answer.headers):
        raise RateLimited(message, retry_after(answer))
    if 400 <= status < 500 and status != 408:
        raise Refused(message, status)
    raise UnknownOutcome(message) if write else Unreachable(message)


def retry_after(answer: Answer) -> float:
    """Seconds that the answer asks to wait (RFC 9110 section 10.2.3: seconds or a date), within a day."""
    value = str(answer.headers.get("retry-after", "")).strip()
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, str(answer.headers.get("date", "")))
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if seconds == seconds else DEFAULT_RETRY_AFTER


def _seconds_until(value: str, server_now: str) -> float:
    """From one HTTP date to the other, both on the server's clock, so that ours does not matter."""
    try:
        return (parsedate_to_datetime(value) - parsedate_to_datetime(server_now)).total_seconds()
    except (ValueError, TypeError):
        return DEFAULT_RETRY_AFTER
