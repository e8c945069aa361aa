"""HubSpot's texts: a description is HTML, or plain text where a program wrote it; and the line with our link in it."""

import html
import re
from html.parser import HTMLParser

_TAG = re.compile(r"<[a-zA-Z/!]")
_BLOCKS = frozenset(
    {"address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "footer", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"header", "hr", "li", "ol", "p", "pre", "section", "table", "tr", "ul"}
)
_HIDDEN = frozenset({"script", "style", "head", "title"})
LABEL = "Join:"


def text_of(body: str) -> str:
    """The text of a description, its paragraphs as lines; the address of a link stands behind its words."""
    if not _TAG.search(body):
        return "\n".join(line.rstrip() for line in html.unescape(body).splitlines()).strip()
    sieve = _Sieve()
    sieve.feed(body)
    sieve.close()
    return "\n".join(line for raw in "".join(sieve.parts).split("\n") if (line := " ".join(raw.split())))


def with_line(body: str, link: str) -> str:
    """The description with a line for the link at its end."""
    if body and not _TAG.search(body):
        return f"{body}\n{LABEL} {link}"
    return f"{body}<p>{LABEL} {html.escape(link)}</p>"


def without_line(body: str, link: str) -> str:
    """The description without the line that `with_line` added for this link, also after HubSpot's editor has made an
    anchor of the address; any other mention of it stays."""
    if not link:
        return body
    spelled = f"(?:{re.escape(html.escape(link))}|{re.escape(link)})"
    if not _TAG.search(body):
        return re.sub(rf"(?m)(?:^|\n){LABEL} {re.escape(link)}[ \t]*$", "", body)
    inner = rf"\s*{LABEL}\s*(?:<a\b[^<>]*>\s*)?{spelled}\s*(?:</a>\s*)?"
    return re.sub(rf"<(p|div)\b[^<>]*>{inner}</\1>", "", body)


def has_line(body: str, link: str) -> bool:
    """Whether the description has the link's line."""
    return f"{LABEL} {link}" in text_of(body).split("\n")


class _Sieve(HTMLParser):
    """Collects the text; an anchor's address is put behind its words unless they name it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0
        self._address = ""
        self._words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A block begins a line."""
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _BLOCKS:
            self.parts.append("\n")
        elif tag == "a":
            self._address, self._words = dict(attrs).get("href") or "", []

    def handle_endtag(self, tag: str) -> None:
        """So does its end; an anchor's address comes now."""
        if tag in _HIDDEN:
            self._hidden = max(self._hidden - 1, 0)
        elif tag in _BLOCKS:
            self.parts.append("\n")
        elif tag == "a":
            address, self._address = self._address, ""
            if address.lower().startswith(("http://", "https://")) and address not in "".join(self._words):
                self.parts.append(f" {address} ")

    def handle_data(self, data: str) -> None:
        """Line breaks in the source are only spaces."""
        if not self._hidden:
            self.parts.append(data.replace("\n", " ").replace("\r", " "))
            self._words.append(data if self._address else "")
