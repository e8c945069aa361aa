"""What goes over the wire to and from Idiligo: forms, XML answers, error texts. No request is made here.

Sources: the Idiligo API page (InsideService20) and, for how such a service binds parameters and words its errors, the
published source of the framework that it runs on (ASP.NET .asmx).
"""

import html
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from defusedxml.ElementTree import ParseError, fromstring

from connectors.answers import Answer
from sync.errors import Refused
from sync.model import Artifact

FORM = {"Accept": "text/xml", "Content-Type": "application/x-www-form-urlencoded"}
Pairs = Sequence[tuple[str, str]]

_BOM = b"\xef\xbb\xbf"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_CALL_ID = re.compile(r"[0-9]{1,19}")
_ID = re.compile(r"\S{1,4000}")
_ADDRESS = re.compile(r"\S+://\S+")
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_TYPE_IN_FRONT = r"^(?:[\w.]+Exception: )?"
_NOT_RUN = re.compile(
    _TYPE_IN_FRONT + r"(?:Missing parameter: \w+\."
    r"|Cannot convert .{0,300} to System\.\w+\."
    r"|Request format is (?:invalid|unrecognized)"
    r"|.{0,100}\bWeb Service method name is not valid"
    r"|A potentially dangerous Request\.\w+ value)"
)
_DANGEROUS = (re.compile(r"<(?=[A-Za-z!/?])"), re.compile(r"&(?=#)"))


class Unreadable(Exception):
    """The answer is not what the service is known to send."""


class NoValue(Unreadable):
    """The answer has nothing in it where there should be something."""


# What is asked


def form(pairs: Pairs) -> bytes:
    """The parameters; an array is its name repeated, in order."""
    return urlencode(list(pairs)).encode("ascii")


def harmless(text: str) -> str:
    """The text without what the server's request validation takes for markup and refuses altogether: an opening
    bracket before a letter becomes ‹, the & of a character reference becomes ＆."""
    return _DANGEROUS[1].sub("＆", _DANGEROUS[0].sub("‹", text))


def call_id(ref: str) -> str:
    """Idiligo's ids of calls are numbers. Raises Refused for anything else, before it gets anywhere."""
    if not _CALL_ID.fullmatch(ref):
        raise Refused(f"{ref[:40]!r} is not an Idiligo call id, which is a number")
    return ref


# What is answered


@dataclass(frozen=True, slots=True)
class Attachment:
    """An element of GetAttachments (section 9); the formats of Size and Date and the numbers of SignStatus are not
    documented. `sign_status` is "" where there is none."""

    id: str
    description: str
    url: str
    sign_url: str
    sign_status: str

    def artifact(self, session_ref: str) -> Artifact:
        """In convener's terms. As long as there is an address to sign it at, a signed one is to come in its place; what
        SignStatus says is kept as it is."""
        return Artifact(
            kind="document",
            ref=self.id,
            session_ref=session_ref,
            name=self.description,
            ready=bool(self.url),
            more=self._more(),
            status=f"SignStatus {self.sign_status}" if self.sign_status else "",
            link=self.url or None,
        )

    def _more(self) -> str:
        if not self.url:
            return "it has no address yet"
        return "it waits for a signature" if self.sign_url else ""


def number_of_call(body: bytes) -> str:
    """The callId that CreateCall answers with. Raises Unreadable."""
    text = scalar(body)
    if not _CALL_ID.fullmatch(text):
        raise Unreadable("not a number")
    return text


def identifier(body: bytes) -> str:
    """An id, a token or an address. Raises Unreadable."""
    text = scalar(body)
    if not _ID.fullmatch(text):
        raise Unreadable("not an id")
    return text


def web_address(body: bytes) -> str:
    """An http(s) address of any length. Raises Unreadable."""
    text = scalar(body)
    if not text.lower().startswith(("https://", "http://")) or any(c.isspace() for c in text):
        raise Unreadable("not an address")
    return text


def scalar(body: bytes) -> str:
    """The text of the root, whatever its name: the page prints <string> where the framework sends <long>.

    Raises NoValue for an empty or nil one: every operation that is asked for something must give it.
    """
    root = _xml(body)
    if len(root):
        raise Unreadable("not a single value")
    text = (root.text or "").strip()
    if not text:
        raise NoValue("no value")
    return text


def nothing(body: bytes) -> None:
    """The answer of an operation without result: no body, or XML whose content says nothing. Raises Unreadable."""
    if body.strip() and _local(_xml(body).tag).lower() == "html":
        raise Unreadable("a page")


def attachments(body: bytes) -> list[Attachment]:
    """The attachments of a call. Raises Unreadable."""
    root = _xml(body)
    if not _local(root.tag).startswith("ArrayOf") or root.get(_NIL) in ("true", "1"):
        raise Unreadable("not a list")
    found = []
    for element in root:
        texts = {_local(child.tag): (child.text or "").strip() for child in element}
        if not _ID.fullmatch(texts.get("Id", "")):
            raise Unreadable("an attachment without Id")
        url = texts.get("Url", "")
        usable = url.lower().startswith(("https://", "http://"))
        attachment = Attachment(
            texts["Id"],
            texts.get("Description", ""),
            url if usable else "",
            texts.get("SignUrl", ""),
            texts.get("SignStatus", "")[:20],
        )
        found.append(attachment)
    return found


def error_text(answer: Answer, secrets: Collection[str]) -> str:
    """What a 500 says: the first line of its text, or the title of its page, without secrets; "" when it is silent.

    Texts are HTML-encoded, and of several lines when the server shows its insides.
    """
    text = answer.body.decode("utf-8", "replace").strip()
    if answer.media_type == "text/html" or text[:1] == "<":
        match = _TITLE.search(text)
        text = match[1].strip() if match else ""
    line = html.unescape(text).strip().split("\n", 1)[0].strip()
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        line = line.replace(secret, "…")
    return _ADDRESS.sub("…", line)[:200]


def is_text(answer: Answer) -> bool:
    """Whether a 500 is the operation's own word, and not a page or nothing at all."""
    return answer.media_type == "text/plain" and bool(answer.body.strip())


def was_not_run(text: str) -> bool:
    """Whether the framework says so before the operation itself begins: it could not read the request."""
    return bool(_NOT_RUN.match(text))


def _xml(body: bytes) -> Any:
    """The root. Document types and entities are refused: no answer of this service has any."""
    try:
        return fromstring(body.removeprefix(_BOM).strip(), forbid_dtd=True)
    except (ParseError, ValueError, LookupError) as error:
        raise Unreadable("not XML") from error


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
