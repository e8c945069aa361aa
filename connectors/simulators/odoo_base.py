"""What the models of the Odoo stand-in are made of: fields, records, domains, the ways to fail."""

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""A record as it is kept: times as naive datetimes in UTC, a pointer as an id or False, pointers as a list of ids."""

_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d")


class Problem(Exception):
    """A call that is not carried out: the exception's name on the server, and the status that JSON-2 gives it."""

    def __init__(self, name: str, message: str, status: int = 500, *more: Any) -> None:
        super().__init__(message)
        self.name, self.message, self.status = name, message, status
        self.arguments = [message, *more]


def not_found(message: str) -> Problem:
    """No such model, no such method."""
    return Problem("werkzeug.exceptions.NotFound", message, 404, 404)


def unprocessable(message: str) -> Problem:
    """Arguments that the method does not take."""
    return Problem("werkzeug.exceptions.UnprocessableEntity", message, 422, 422)


def missing(model: str, id_: int, uid: int) -> Problem:
    """A record that does not exist any more."""
    message = f"Record does not exist or has been deleted.\n(Record: {model}({id_},), User: {uid})"
    return Problem("odoo.exceptions.MissingError", message, 404)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a model, with what fields_get says of it."""

    type: str = "char"
    string: str = ""
    readonly: bool = False
    required: bool = False
    store: bool = True
    relation: str = ""
    selection: tuple[Any, ...] = ()

    @property
    def empty(self) -> Any:
        """What it holds when nothing was put there."""
        return [] if self.type in ("one2many", "many2many") else False

    def about(self) -> dict[str, Any]:
        """The answer of fields_get."""
        said = {name: getattr(self, name) for name in ("readonly", "required", "store", "string", "type")}
        if self.relation:
            said["relation"] = self.relation
        if self.selection:
            said["selection"] = [list(one) for one in self.selection]
        return said


@cache
def event_fields(version: int) -> Mapping[str, Field]:
    """Those of `calendar.event`, as recorded."""
    recorded = json.loads(Path(__file__).with_name("odoo_fields.json").read_text())
    return {row[0]: _field(*row[1:]) for row in recorded["19" if version >= 14 else "11"]}


def _field(
    kind: str, flags: str, string: str, relation: str | None = None, selection: Sequence[Any] | None = None
) -> Field:
    shown = "r" in flags, "q" in flags, "s" in flags
    return Field(kind, string, *shown, relation or "", tuple(tuple(one) for one in selection or ()))


def fields(version: int) -> dict[str, Mapping[str, Field]]:
    """The fields of every model, as far as anybody may ask for them."""
    text, when, number, flag = Field(), Field("datetime"), Field("integer"), Field("boolean")
    stamps = {"id": number, "create_date": when, "write_date": when, "display_name": Field(store=False)}

    def to(relation: str) -> Field:
        return Field("many2one", relation=relation)

    models: dict[str, dict[str, Field]] = {
        "res.partner": {"name": text, "email": text, "active": flag},
        "res.users": {
            "name": text,
            "login": text,
            "email": text,
            "tz": text,
            "active": flag,
            "partner_id": to("res.partner"),
        },
        "crm.lead": {
            "name": text,
            "type": text,
            "email_from": text,
            "active": flag,
            "partner_id": to("res.partner"),
        },
        "calendar.attendee": {
            "event_id": to("calendar.event"),
            "partner_id": to("res.partner"),
            "email": text,
            "common_name": text,
            "state": Field("selection"),
        },
        "ir.attachment": {
            "name": text,
            "type": Field("selection"),
            "url": text,
            "mimetype": text,
            "file_size": number,
            "datas": Field("binary"),
            "res_model": text,
            "res_id": number,
            **({"datas_fname": text} if version <= 12 else {}),
        },
        "mail.message": {
            "model": text,
            "res_id": number,
            "body": Field("html"),
            "message_type": Field("selection"),
            "author_id": to("res.partner"),
        },
    }
    if version >= 14:
        models["calendar.recurrence"] = {"name": text}
        ends = {"expiration_date": when} if version >= 18 else {}
        models["res.users.apikeys"] = {"name": text, "scope": text, "user_id": to("res.users"), **ends}
    found: dict[str, Mapping[str, Field]] = {name: {**stamps, **own} for name, own in models.items()}
    return {**found, "calendar.event": event_fields(version)}


@dataclass(slots=True)
class Table:
    """The records of one model, and the id of the next one."""

    fields: Mapping[str, Field]
    rows: dict[int, Row] = field(default_factory=dict)
    next_id: int = 1

    def add(self, **values: Any) -> Row:
        """A new record."""
        row = {"id": self.next_id, **values}
        self.rows[self.next_id] = row
        self.next_id += 1
        return row


# Domains


def compiled(
    domain: Sequence[Any], model: str, known: Mapping[str, Field], value: Callable[[Row, str], Any]
) -> Callable[[Row], bool]:
    """Whether a record matches: leaves are joined by "and", unless "|", "&" or "!" stand before them. Raises Problem
    for what is no domain of the model."""
    rest = list(domain)
    tests = []
    while rest:
        tests.append(_next(rest, model, known, value))
    return lambda row: all(test(row) for test in tests)


def _next(
    rest: list[Any], model: str, known: Mapping[str, Field], value: Callable[[Row, str], Any]
) -> Callable[[Row], bool]:
    if not rest:
        raise Problem("builtins.ValueError", "Domain() invalid item in domain")
    head = rest.pop(0)
    if head == "!":
        inner = _next(rest, model, known, value)
        return lambda row: not inner(row)
    if head in ("|", "&"):
        left, right = _next(rest, model, known, value), _next(rest, model, known, value)
        if head == "|":
            return lambda row: left(row) or right(row)
        return lambda row: left(row) and right(row)
    if not (isinstance(head, list | tuple) and len(head) == 3):
        raise Problem("builtins.ValueError", f"Domain() invalid item in domain: {head!r}")
    name, sign, wanted = head
    if name not in known:
        raise Problem("builtins.ValueError", f"Invalid field {model}.{name} in condition {(name, sign, wanted)!r}")
    return _leaf(name, sign, wanted, known[name], value)


def _leaf(name: str, sign: str, wanted: Any, about: Field, value: Callable[[Row, str], Any]) -> Callable[[Row], bool]:
    if about.type in ("datetime", "date"):
        wanted = [_moment(one) for one in wanted] if isinstance(wanted, list) else _moment(wanted)
    if sign in ("=", "!="):
        return lambda row: (_plain(value(row, name)) == wanted) is (sign == "=")
    if sign in ("in", "not in"):
        among = set(wanted)
        return lambda row: (not among.isdisjoint(_all(value(row, name)))) is (sign == "in")
    if sign in ("ilike", "like"):
        return lambda row: str(wanted).lower() in str(value(row, name) or "").lower()
    if sign in _COMPARED:
        compare = _COMPARED[sign]
        return lambda row: value(row, name) is not False and compare(value(row, name), wanted)
    raise Problem("builtins.ValueError", f"Invalid operator {sign!r} in {[name, sign, wanted]!r}")


def leaf_of(domain: Sequence[Any], name: str, sign: str) -> Any:
    """What a domain without any "or" asks of a field, None when it asks nothing."""
    if any(isinstance(one, str) for one in domain):
        return None
    return next((one[2] for one in domain if len(one) == 3 and (one[0], one[1]) == (name, sign)), None)


def mentions(domain: Sequence[Any], name: str) -> bool:
    """Whether a domain speaks of a field."""
    return any(isinstance(one, list | tuple) and one and one[0] == name for one in domain)


def _plain(value: Any) -> Any:
    return value or False


def _all(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else (value,)


def _moment(text: Any) -> Any:
    """A time as it is written; False stays what it is."""
    if text is False:
        return False
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the server's own times have no zone
        except (TypeError, ValueError):
            continue
    raise Problem("builtins.ValueError", f"time data {text!r} does not match format '%Y-%m-%d %H:%M:%S'")


# Values


def taken(value: Any, about: Field) -> Any:
    """A value as it comes in a call, as it is kept."""
    if about.type == "datetime":
        return _moment(value) if value else False
    if about.type == "date" and value:
        return _moment(value).date()
    return value


def shown(value: Any) -> Any:
    """A value as it goes out; an answer has no fractions of a second."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return value.isoformat() if isinstance(value, date) else value


def ordered(rows: list[Row], order: str, value: Callable[[Row, str], Any]) -> list[Row]:
    """The records in the order that is asked for, such as `write_date asc, id asc`."""
    for part in reversed(order.split(",")):
        name, _, way = part.strip().partition(" ")
        rows.sort(key=lambda row: _sortable(value(row, name)), reverse=way.strip().lower() == "desc")
    return rows


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not False, "" if value is False else value)


def number_of(id_: object) -> int:
    """The record's own number, of a virtual id too. Raises Problem."""
    match = re.fullmatch(r"(\d+)(-\d{14})?", str(id_))
    if match is None:
        raise Problem("builtins.ValueError", f"invalid literal for int() with base 10: {id_!r}")
    return int(match[1])
