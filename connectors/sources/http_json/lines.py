"""A line of ours in a text that people write: put in, replaced, taken out, with everything else left as it is. Pure."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from connectors.sources.http_json.settings import HttpJsonSettings
from connectors.sources.http_json.templates import Values, fill, names_in

LABELS = {"recording": "Recording", "document": "Document", "attendance": "Attendance"}
"""What artifacts are called in a note."""

_NAME = re.compile(r"\$\{(\w+)\}")
_BREAK = re.compile(r"(\r?\n|<br\s*/?>)", re.IGNORECASE)


def written(
    template: str, values: Values, texts: Collection[str], mark: str, value: str, former: Collection[str]
) -> str:
    """The text that the template gives with `value` under the name `mark`, in place of the lines that it gave with one
    of the `former` values. With an empty `value` there is no such line any more. What says so already stays as it is.

    `values` are the others, of which `texts` are texts of the record. A template without one of these has no lines to
    keep.
    """
    texts = sorted(set(names_in(template)) & set(texts))
    ours = [line for line in _pieces(template)[::2] if mark in set(names_in(line))]
    text = values[texts[0]] if len(texts) == 1 else None
    if not isinstance(text, str):
        return fill(template, {**values, mark: value})

    def lines(of: str) -> set[str]:
        return {fill(line, {**values, mark: of}) for line in ours}

    stale = {line for one in former if one and one != value for line in lines(one)}
    kept = without(text, stale)
    if not value or lines(value) <= set(_pieces(kept)[::2]):
        return kept
    whole = fill(template, {**values, texts[0]: kept, mark: value})
    return whole if kept else whole[_first_word(whole) :]


def artifact_lines(settings: HttpJsonSettings) -> list[re.Pattern[str]]:
    """What the lines look like that notes about artifacts put into the text that is mapped as the description."""
    fields = settings.text_fields
    shown = {name for name, expression in fields.items() if expression == settings.map.description}
    tables = (settings.write.recording, settings.write.document)
    templates = [text for table in tables if table is not None for text in _texts_in(table.body)]
    ours = [text for text in templates if shown & set(names_in(text))]
    return [_shape(line) for text in ours for line in _pieces(text)[::2] if "url" in set(names_in(line))]


def without_artifacts(text: str, shapes: Collection[re.Pattern[str]]) -> str:
    """The text without the lines of such shapes: what we noted there is no change of the meeting."""
    ours = {line for line in _pieces(text)[::2] if any(shape.fullmatch(line) for shape in shapes)}
    return without(text, ours) if ours else text


def _texts_in(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, (dict, list)):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _texts_in(inner)


def _shape(line: str) -> re.Pattern[str]:
    """A pattern for a line of a template: its labels are ours, its other values anything."""
    parts = _NAME.split(line)
    known = {"label": "(?:" + "|".join(LABELS.values()) + ")"}
    return re.compile("".join(known.get(one, r"\S.*") if n % 2 else re.escape(one) for n, one in enumerate(parts)))


def without(text: str, lines: set[str]) -> str:
    """The text without these lines, and without the empty end that they leave behind."""
    pieces = _pieces(text)
    if not lines & set(pieces[::2]):
        return text
    kept = pieces[:1] if pieces[0] not in lines else []
    for separator, line in zip(pieces[1::2], pieces[2::2], strict=True):
        if line not in lines:
            kept += [separator, line] if kept else [line]
    if pieces[-1] in lines:
        while kept and (not kept[-1].strip() or _BREAK.fullmatch(kept[-1])):
            kept.pop()
    return "".join(kept)


def _pieces(text: str) -> list[str]:
    """Lines and line breaks in turn, beginning and ending with a line."""
    return _BREAK.split(text)


def _first_word(text: str) -> int:
    position = 0
    while match := _BREAK.match(text, position):
        position = match.end()
    return position
