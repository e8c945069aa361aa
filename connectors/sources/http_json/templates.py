"""Texts with `${names}` in them, and how values get in.

A template is taken apart first and every value is put into its own place afterwards, encoded for that place: a value
can never become another part of an address, a header or a document, whatever is in it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

Value = str | int | Sequence[str] | None
Values = Mapping[str, Value]
"""What the names stand for. None: there is no such value now, and what needs it is left out."""

USABLE_ID = re.compile(r"(?!.*\.\.)(?!\.$)[A-Za-z0-9_.=+@~-]{1,200}")
"""Ids that are asked for again: nothing that means anything in an address or in a CRM's own filter language."""

_HOLE = re.compile(r"\$\{([a-z_][a-z0-9_]*)\}")
_IN_A_PATH = "-._~:@!$'()*+,;="
_IN_A_HEADER = re.compile(r"[\x20-\x7e\xa0-\xff\t]*")


class Unfit(ValueError):
    """A value that must not stand where a template would put it. The message does not quote the value."""


def names_in(template: Any) -> Iterator[str]:
    """Every name in a template, a list or a table of templates. Raises ValueError for a `${` that is none."""
    if isinstance(template, str):
        if "${" in _HOLE.sub("", template):
            raise ValueError("there is a ${ that is not a name in braces, such as ${id}")
        yield from (match[1] for match in _HOLE.finditer(template))
    elif isinstance(template, Mapping):
        for key, part in template.items():
            if "${" in str(key):
                raise ValueError("a ${name} cannot stand in a key")
            yield from names_in(part)
    elif isinstance(template, (list, tuple)):
        for part in template:
            yield from names_in(part)


def fill(template: str, values: Values) -> str:
    """The text with its values; a list becomes one text with commas. Raises KeyError for an unknown name."""
    return _HOLE.sub(lambda match: _text(values[match[1]]), template)


def fill_path(template: str, values: Values) -> str:
    """A path, percent-encoded segment by segment (RFC 3986 section 3.3). Raises Unfit for a value that is empty, or
    would lead to another path."""
    return "/".join(_segment(segment, values) for segment in template.split("/"))


def fill_query(template: Mapping[str, str], values: Values) -> str:
    """A query string, each key and value encoded by itself. `${ids}` alone under a key that ends with `[]` repeats that
    key for each id."""
    pairs: list[tuple[str, str]] = []
    for key, part in template.items():
        if _lacks(part, values):
            continue
        whole = _whole(part, values)
        if key.endswith("[]") and isinstance(whole, (list, tuple)):
            pairs += [(key, one) for one in whole]
        else:
            pairs.append((key, fill(part, values)))
    try:
        return urlencode(pairs)
    except UnicodeEncodeError as error:
        raise Unfit("a value is not a text that can be sent") from error


def fill_header(template: str, values: Values) -> str:
    """A header's value. Raises Unfit for line breaks and whatever else cannot stand in a header."""
    text = fill(template, values)
    if not _IN_A_HEADER.fullmatch(text):
        raise Unfit("a value holds characters that cannot stand in a header")
    return text


def fill_json(template: Any, values: Values) -> Any:
    """A JSON document of the same shape, each text filled by itself. A text that is nothing but one name becomes that
    value as it is: a number, or a list of ids. In a list, a part that holds `${ids}` is repeated for each id."""
    if isinstance(template, str):
        whole = _whole(template, values)
        if isinstance(whole, (list, tuple)):
            return list(whole)
        return whole if isinstance(whole, int) else fill(template, values)
    if isinstance(template, Mapping):
        return {key: fill_json(part, values) for key, part in template.items() if not _lacks(part, values)}
    if isinstance(template, (list, tuple)):
        return [one for part in template for one in _repeated(part, values)]
    return template


def _repeated(part: Any, values: Values) -> Iterator[Any]:
    ids = values.get("ids")
    if isinstance(ids, (list, tuple)) and "ids" in set(names_in(part)):
        for one in ids:
            yield fill_json(part, {**values, "ids": one})
    else:
        yield fill_json(part, values)


def _segment(template: str, values: Values) -> str:
    for name in names_in(template):
        value = _text(values[name])
        if not value or "/" in value or "\\" in value or ".." in value or value == ".":
            raise Unfit("a value cannot stand in a path")
    try:
        return quote(fill(template, values), safe=_IN_A_PATH)
    except UnicodeEncodeError as error:
        raise Unfit("a value is not a text that can be sent") from error


def _whole(template: str, values: Values) -> Value:
    """The value of a template that is nothing but one name, None for any other."""
    match = _HOLE.fullmatch(template)
    return values[match[1]] if match else None


def _lacks(template: Any, values: Values) -> bool:
    return isinstance(template, str) and any(values[name] is None for name in names_in(template))


def _text(value: Value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ",".join(value)
