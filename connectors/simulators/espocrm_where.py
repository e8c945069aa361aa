"""The search language of EspoCRM's lists, as far as recorded calls show it: `where[0][type]`, `[attribute]`, `[value]`.

What was not recorded is refused, which the real server may not do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PART = re.compile(r"where\[(\d+)\]\[(type|attribute|value)\](\[\])?")
_COMPARED = {
    "greaterThanOrEquals": lambda a, b: a >= b,
    "greaterThan": lambda a, b: a > b,
    "after": lambda a, b: a > b,
    "lessThanOrEquals": lambda a, b: a <= b,
    "lessThan": lambda a, b: a < b,
    "before": lambda a, b: a < b,
    "equals": lambda a, b: a == b,
    "notEquals": lambda a, b: a != b,
}


class BadQuery(ValueError):
    """A search that this server does not understand."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One item of a search."""

    kind: str
    attribute: str
    values: tuple[str, ...]

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Whether a record is one that this asks for. What is deleted is in no list, not even the administrator's."""
        if self.attribute == "deleted":
            return self.kind == "isFalse"
        there = record.get(self.attribute)
        if self.kind == "in":
            return there in self.values
        return there is not None and _COMPARED[self.kind](str(there), self.values[0])


def rules(query: Mapping[str, list[str]]) -> list[Rule]:
    """The search in a list's query. Raises BadQuery."""
    found: dict[str, dict[str, list[str]]] = {}
    for key, values in query.items():
        if part := _PART.fullmatch(key):
            found.setdefault(part[1], {})[part[2]] = values
        elif key.startswith("where"):
            raise BadQuery(f"Bad where item '{key}'.")
    return [_rule(parts) for parts in found.values()]


def _rule(parts: Mapping[str, list[str]]) -> Rule:
    kind, attribute = parts.get("type", [""])[0], parts.get("attribute", [""])[0]
    rule = Rule(kind, attribute, tuple(parts.get("value", ())))
    if not re.fullmatch(r"[a-zA-Z]+", attribute):
        raise BadQuery("No attribute in where item.")
    known = (
        (kind in ("isTrue", "isFalse") and attribute == "deleted" and not rule.values)
        or kind == "in"
        or (kind in _COMPARED and len(rule.values) == 1)
    )
    if not known:
        raise BadQuery(f"Bad where type '{kind}'.")
    return rule
