"""The HubSpot stand-in's search (developers.hubspot.com, "Search the CRM"): filter groups are alternatives, the filters
of one hold together; one property to sort by; a page at an offset, and nothing beyond 10,000."""

import operator as operator_module
import re
from collections.abc import Callable, Sequence
from typing import Any

from connectors.simulators.hubspot_rules import KINDS, OPERATORS, STAMPS, TIMES, Problem, instant
from connectors.simulators.hubspot_state import SimObject

MOST_GROUPS, MOST_FILTERS = 6, 6
MOST_ON_PAGE, MOST_FOUND = 200, 10_000
KEYS = frozenset({"filterGroups", "sorts", "properties", "limit", "after", "query"})


def search(kind: str, objects: Sequence[SimObject], body: dict[str, Any], most: int) -> dict[str, Any]:
    """The answer to a search, with at most so many rows. Raises Problem."""
    limit, after = body.get("limit", 10), body.get("after", "0")
    if not isinstance(limit, int) or not 0 < limit <= MOST_ON_PAGE:
        raise Problem(400, f"Invalid input: the limit must be between 1 and {MOST_ON_PAGE}")
    if not isinstance(after, str) or not after.isdigit():
        raise Problem(400, "Invalid input: after must be a number")
    first = int(after)
    if first + limit > MOST_FOUND:
        raise Problem(
            400, f"There was a problem with the request: no more than {MOST_FOUND} results can be paged through"
        )
    limit = min(limit, most)
    groups = [_filters(kind, group) for group in _listed(body.get("filterGroups", []), MOST_GROUPS)]
    found = [one for one in objects if not groups or any(all(holds(one) for holds in group) for group in groups)]
    found = _sorted(kind, found, body.get("sorts", []))
    wanted = body.get("properties", [])
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise Problem(400, "Invalid input: properties must be a list of names")
    answer: dict[str, Any] = {
        "total": len(found),
        "results": [one.row(wanted) for one in found[first : first + limit]],
    }
    if first + limit < len(found):
        answer["paging"] = {"next": {"after": str(first + limit)}}
    return answer


def _listed(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list):
        raise Problem(400, "Invalid input: a list was expected")
    if len(value) > most:
        raise Problem(400, f"There are too many filter groups or filters: {len(value)}, the most are {most}")
    return value


def _filters(kind: str, group: Any) -> list[Callable[[SimObject], bool]]:
    return [
        _filter(kind, part) for part in _listed(group.get("filters") if isinstance(group, dict) else None, MOST_FILTERS)
    ]


def _filter(kind: str, part: Any) -> Callable[[SimObject], bool]:
    """Whether an object passes the filter. Raises Problem."""
    if not isinstance(part, dict) or part.get("operator") not in OPERATORS:
        raise Problem(400, "Invalid input: operator must be one of " + ", ".join(sorted(OPERATORS)))
    name, operator, value, values = (part.get(key) for key in ("propertyName", "operator", "value", "values"))
    if name not in KINDS[kind] | STAMPS:
        raise Problem(400, f'There was a problem with the request: property "{name}" does not exist')
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return lambda one: bool(one.value(name)) is (operator == "HAS_PROPERTY")
    if operator in ("IN", "NOT_IN"):
        if not isinstance(values, list):
            raise Problem(400, f"Invalid input: the filter of {name} has no values")
        return lambda one: (one.value(name) in values) is (operator == "IN")
    if not isinstance(value, str) or (name in TIMES and instant(value) is None):
        raise Problem(400, f"Invalid input: the filter of {name} has no value that could be compared")
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        return lambda one: (_words(value) <= _words(one.value(name))) is (operator == "CONTAINS_TOKEN")
    if operator == "BETWEEN":
        low, high = _comparable(name, value), _comparable(name, str(part.get("highValue", value)))
        return lambda one: low <= _place(one, name) <= high
    compare, limit = _COMPARISONS[str(operator)], _comparable(name, value)
    return lambda one: compare(_place(one, name), limit)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": operator_module.eq,
    "NEQ": operator_module.ne,
    "GT": operator_module.gt,
    "GTE": operator_module.ge,
    "LT": operator_module.lt,
    "LTE": operator_module.le,
}


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _place(one: SimObject, name: str) -> tuple[int, str]:
    """What of an object is compared; one without the property comes before all others."""
    if name == "hs_lastmodifieddate":
        return (one.modified, "")
    value = one.value(name)
    return _comparable(name, value) if value else (-1, "")


def _comparable(name: str, value: str) -> tuple[int, str]:
    """Times by their instant, anything else as text."""
    return (instant(value) or 0, "") if name in TIMES else (0, value)


def _sorted(kind: str, found: list[SimObject], sorts: Any) -> list[SimObject]:
    """By the one property that is named, ascending unless it says otherwise; else by id."""
    sorts = _listed(sorts, 1)
    if not sorts:
        return sorted(found, key=lambda one: one.id)
    by = sorts[0] if isinstance(sorts[0], dict) else {"propertyName": sorts[0]}
    name = by.get("propertyName")
    if name not in KINDS[kind] | STAMPS or by.get("direction", "ASCENDING") not in ("ASCENDING", "DESCENDING"):
        raise Problem(400, f'There was a problem with the request: it cannot be sorted by "{name}"')

    if name == "hs_lastmodifieddate" and "direction" not in by:
        return found  # it comes in this order
    return sorted(found, key=lambda one: (_place(one, str(name)), one.id), reverse=by.get("direction") == "DESCENDING")
