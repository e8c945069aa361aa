"""The filter language of Dolibarr's REST API (`sqlfilters`), as far as calls to 20.0.2 showed it:
`(t.tms:>=:'20261122021753') and (t.code:=:'AC_RDV')`, `(t.id:in:7,1)`. Anything else is refused.

A stamp in a filter is read in the database session's zone, whatever zone the answers are in.
"""

import operator as compared
import re
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any

_ITEM = re.compile(r"\(t\.([a-z_]+):(=|>=|>|<=|<|in):('[^'()]*'|[0-9,]+)\)")
_STAMPS = ("%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S")
_COMPARED = {
    "=": compared.eq,
    ">=": compared.ge,
    ">": compared.gt,
    "<=": compared.le,
    "<": compared.lt,
}


class BadFilter(ValueError):
    """A filter that this server does not understand."""


Rule = Callable[[Mapping[str, Any]], bool]
"""Whether a row is one that is asked for."""


def rules(text: str, fields: frozenset[str], zone: tzinfo) -> list[Rule]:
    """The conditions of a filter, all of which must hold. Raises BadFilter."""
    return [_rule(part, fields, zone) for part in text.split(" and ")] if text else []


def _rule(text: str, fields: frozenset[str], zone: tzinfo) -> Rule:
    item = _ITEM.fullmatch(text)
    if item is None or item[1] not in fields or (item[2] == "in") != (not item[3].startswith("'")):
        raise BadFilter(f"Error when validating parameter sqlfilters -> {text[:80]}")
    field, operator, value = item[1], item[2], item[3]
    if operator == "in":
        wanted = frozenset(value.split(","))
        return lambda row: str(row[field]) in wanted
    if field == "tms":
        asked, compare = _stamp(value, zone), _COMPARED[operator]
        return lambda row: compare(row["tms"], asked)
    if operator != "=":
        raise BadFilter("Error when validating parameter sqlfilters -> operator")
    text = value.strip("'")
    return lambda row: str(row[field]) == text


def _stamp(value: str, zone: tzinfo) -> int:
    for form in _STAMPS:
        try:
            parsed = datetime.strptime(value.strip("'"), form)  # noqa: DTZ007 - the session's zone follows
        except ValueError:
            continue
        return int(parsed.replace(tzinfo=zone).timestamp())
    raise BadFilter("Error when validating parameter sqlfilters -> not a time")
