"""Descriptions and notes: the HTML of newer versions as plain text, and a line of ours in either.

Odoo cleans the HTML that it is given and writes it out anew, well-formed; so a tag is whatever stands between `<` and
the next `>`, and nothing here takes longer than in proportion to the text, whatever is in it.
"""

import html
import re

LONGEST = 200_000
"""Characters of HTML that are read: what follows is left out."""

_BLOCK = re.compile(
    r"address|article|aside|blockquote|br|d[dlt]|div|fieldset|footer|form|h[1-6r]|header|li|main|nav|[ou]l|p|pre|section"
    r"|t(?:able|r)"
)
_UNSEEN = frozenset({"head", "script", "style", "template", "title"})
_PIECES = re.compile(r"<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<rest>[^<>]*)>|<[!?/][^<>]*>|(?P<text>[^<]+|<)")
_HREF = re.compile(r"""\shref=(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_BLANK = r"(?:\s|&nbsp;|&#160;)*"
_SPACE = re.compile(r"[ \t\r\n\f\u00a0]+")


def plain_text(markup: str) -> str:
    """The text that a reader of the HTML sees, a line for each of its blocks; an address that is only behind a link's
    words stands after them in brackets."""
    parts: list[str] = []
    unseen, link, words = "", "", 0
    for piece in _PIECES.finditer(markup[:LONGEST]):
        name, ends = (piece["name"] or "").lower(), bool(piece["end"])
        if unseen:
            unseen = "" if ends and name == unseen else unseen
        elif piece["text"] is not None:
            parts.append(_SPACE.sub(" ", html.unescape(piece["text"])))
        elif name in _UNSEEN and not ends:
            unseen = name
        elif _BLOCK.fullmatch(name):
            parts.append("\n")
        elif name == "a" and not ends:
            found = _HREF.search(piece["rest"])
            link, words = html.unescape(found[1] or found[2] or "") if found else "", len(parts)
        elif name == "a" and link:
            if link.startswith(("http://", "https://")) and link.rstrip("/") not in "".join(parts[words:]):
                parts.append(f" ({link})")
            link = ""
    lines = (_SPACE.sub(" ", line).strip() for line in "".join(parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def line_of(link: str) -> str:
    """The line that holds a join link in a description."""
    return f"Join: {link}"


def with_line(text: str, line: str, *, markup: bool) -> str:
    """The description with a line more at its end."""
    if markup:
        return f"{text}<p>{html.escape(line, quote=False)}</p>"
    return f"{text.rstrip()}\n\n{line}" if text.strip() else line


def without_line(text: str, line: str, *, markup: bool) -> str:
    """The description without that line, wherever it stands."""
    if not markup:
        kept = [one for one in text.split("\n") if one.strip() != line]
        return "\n".join(kept).rstrip() if len(kept) < text.count("\n") + 1 else text
    bare = re.escape(html.escape(line.partition(" ")[0], quote=False))
    link = re.escape(html.escape(line.partition(" ")[2], quote=False))
    shown = rf"{bare}{_BLANK}(?:<a\b[^<>]*>{_BLANK})?{link}(?:{_BLANK}</a>)?"  # a server may have made a link of it
    rest = re.sub(rf"<(p|div|span)\b[^<>]*>{_BLANK}{shown}{_BLANK}</\1>", "", text)
    return re.sub(rf"{shown}(?=\s|&nbsp;|&#160;|<|$)", "", rest)
