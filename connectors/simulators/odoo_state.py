"""The database behind the Odoo stand-in: its records, who may see them, what a field of one says."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.simulators.odoo_base import (
    Field,
    Problem,
    Row,
    Table,
    compiled,
    fields,
    leaf_of,
    mentions,
    number_of,
    ordered,
    shown,
)

EVENT, ATTENDEE, PARTNER, LEAD = "calendar.event", "calendar.attendee", "res.partner", "crm.lead"
ATTACHMENT, MESSAGE, USER, KEY = "ir.attachment", "mail.message", "res.users", "res.users.apikeys"

ORDERS = {EVENT: "start desc", ATTACHMENT: "id desc", MESSAGE: "id desc"}
"""How records come when the call does not say."""

PUBLIC = {
    *("id", "active", "allday", "duration", "user_id", "partner_id", "interval", "count", "rrule", "recurrence_id"),
    *("show_as", "privacy", "start", "stop", "start_date", "stop_date", "event_tz", "recurrency", "follow_recurrence"),
}
"""The fields of a private meeting that others see."""


COMPUTED = {
    *("attendee_ids", "partner_id", "duration", "start_date", "stop_date", "effective_privacy", "__last_update"),
    *("rrule", "recurrent_id", "display_name"),
}
"""The fields of a meeting that are worked out."""


@dataclass(slots=True)
class Options:
    """`version` of the server (its first number), its `database`, the `clock` that stamps records (UTC-aware), the key
    of JSON-2 and when it ends (None: never). `tells_keys`: whether the account may see that. `several`: the server has
    more databases. `drops`: fields of a meeting that are silently not written."""

    version: int = 19
    database: str = "crm"
    api_key: str = "0123456789abcdef0123456789abcdef01234567"
    key_ends: datetime | None = None
    tells_keys: bool = True
    several: bool = False
    drops: tuple[str, ...] = ()
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in the queue: to whom, about which meeting, and what for."""

    email: str
    event: int
    why: str


class State:
    """The records of one database, and the rights of the one account that asks for them."""

    def __init__(self, options: Options, login: str) -> None:
        self.options = options
        self.version = options.version
        self.tables = {model: Table(known) for model, known in fields(options.version).items()}
        self.mails: list[Mail] = []
        self.hidden: set[int] = set()
        self.unseen: set[int] = set()
        self._attendees: dict[int, list[int]] = {}
        self._answered: tuple[str, list[Row]] | None = None
        robot = [("OdooBot", "__system__", "odoobot@example.com")] if self.version >= 12 else []
        self[PARTNER].add(name="My Company", email=False, active=True)
        for name, mail in (("OdooBot", "odoobot@example.com"), ("Administrator", "admin@example.com")):
            self[PARTNER].add(name=name, email=mail, active=True)
        for name, called, mail in [*robot, ("Administrator", login, "admin@example.com")]:
            partner = 2 if called == "__system__" else 3
            user = self[USER].add(name=name, login=called, email=mail, tz=False, active=True, partner_id=partner)
            self.uid = int(user["id"])
        self[PARTNER].next_id = 6
        if KEY in self.tables:
            ends = options.key_ends.astimezone(UTC).replace(tzinfo=None) if options.key_ends else False
            self[KEY].add(name="convener", scope=False, user_id=self.uid, expiration_date=ends)

    def __getitem__(self, model: str) -> Table:
        """The records of a model. Raises KeyError."""
        return self.tables[model]

    def now(self) -> datetime:
        """The present instant as records have it; older versions keep parts of a second, and do not show them."""
        now = self.options.clock().astimezone(UTC).replace(tzinfo=None)
        return now if self.version < 14 else now.replace(microsecond=0)

    # Fields

    def value(self, model: str, row: Row, name: str) -> Any:
        """What a field of a record says, computed ones too."""
        if model == EVENT:
            return self._of_event(row, name)
        if model == ATTENDEE and name in ("email", "common_name"):
            partner = self[PARTNER].rows[row["partner_id"]]
            if name == "common_name" or self.version >= 14:  # newer versions follow the contact
                return partner["name" if name == "common_name" else "email"]
        if name in ("display_name", "__last_update"):
            name = {"display_name": "name", "__last_update": "write_date"}[name]
        return row.get(name, self[model].fields[name].empty if name in self[model].fields else False)

    def _of_event(self, row: Row, name: str) -> Any:
        if name not in COMPUTED:
            return row[name] if name in row else self[EVENT].fields[name].empty
        if name == "attendee_ids":
            return list(self._attendees.get(number_of(row["id"]), ()))
        if name == "partner_id":
            user = self[USER].rows.get(row.get("user_id") or 0)
            return user["partner_id"] if user else False
        if name == "duration":
            return (row["stop"] - row["start"]) / timedelta(hours=1)
        if name in ("start_date", "stop_date"):
            return row[name.removesuffix("_date")].date() if row.get("allday") else False
        if name == "effective_privacy":
            return row.get("privacy") or "public"
        if name in ("__last_update", "display_name"):
            return row["write_date" if name == "__last_update" else "name"]
        if name == "rrule" and row.get("rrule") and self.version >= 14:
            return f"DTSTART:{self.now():%Y%m%dT%H%M%S}\nRRULE:{row['rrule']}"
        if name in ("rrule", "recurrent_id") and not row.get(name) and self.version < 14:
            return "" if name == "rrule" else 0
        return row.get(name, self[EVENT].fields[name].empty)

    def out(self, model: str, row: Row, names: Iterable[str]) -> dict[str, Any]:
        """A record as it is answered; somebody else's private meeting without what makes it one."""
        masked = model == EVENT and self.private_to_others(row)
        said: dict[str, Any] = {"id": row["id"]}
        for name in names:
            if name == "id":
                continue
            about, value = self[model].fields[name], self.value(model, row, name)
            if masked and name not in PUBLIC:
                value = "Busy" if name == "name" else about.empty
            said[name] = self._pointed(about, value)
        return said

    def _pointed(self, about: Field, value: Any) -> Any:
        """A pointer goes out with the name of what it points to."""
        if about.type != "many2one" or not value:
            return shown(value)
        there = self.tables[about.relation].rows.get(value) if about.relation in self.tables else None
        return [value, there["name"] if there else ""]

    # Rights

    def private_to_others(self, row: Row) -> bool:
        """Whether the account may know of a meeting only that it is there."""
        if row.get("privacy") != "private" or row.get("user_id") == self.uid:
            return False
        return self[USER].rows[self.uid]["partner_id"] not in row.get("partner_ids", ())

    def checked(self, model: str, ids: Iterable[object], what: str) -> list[Row]:
        """The records that a call is about, those that are gone left out. Raises Problem when a right is missing."""
        found = []
        for id_ in ids:
            number = number_of(id_)
            row = self[model].rows.get(number)
            if row is None or (model == EVENT and number in self.unseen):
                continue
            if model == EVENT and (number in self.hidden or (what == "modify" and self.private_to_others(row))):
                raise forbidden(model, number, what)
            found.append(row)
        return found

    # Looking for records

    def find(self, model: str, domain: Sequence[Any], context: Mapping[str, Any], order: str = "") -> list[Row]:
        """The records that match and may be seen, in order. Raises Problem. Pages of one question follow each other, so
        the last answer is kept until something changes."""
        question = repr((model, domain, context, order))
        if self._answered is None or self._answered[0] != question:
            self._answered = question, self._found(model, domain, context, order)
        return self._answered[1]

    def touch(self) -> None:
        """Something is about to change."""
        self._answered = None

    def _found(self, model: str, domain: Sequence[Any], context: Mapping[str, Any], order: str) -> list[Row]:
        known = self[model].fields
        test = compiled(domain, model, known, lambda row, name: self._compared(model, row, name))
        archived_too = context.get("active_test") is False or mentions(domain, "active") or "active" not in known
        candidates = self._candidates(model, domain)
        rows = [
            occurrence
            for row in candidates
            if archived_too or row.get("active", True)
            for occurrence in self._occurrences(model, row, context)
            if test(occurrence)
        ]
        return ordered(rows, order or ORDERS.get(model, "id"), lambda row, name: self._compared(model, row, name))

    def _compared(self, model: str, row: Row, name: str) -> Any:
        """A field's value in a condition or an order; an occurrence counts as its series there."""
        return number_of(row["id"]) if name == "id" else self.value(model, row, name)

    def _candidates(self, model: str, domain: Sequence[Any]) -> Iterable[Row]:
        """All records, or those that the domain names; without those that are not ours to see."""
        table = self[model]
        ids = leaf_of(domain, "id", "in")
        events = leaf_of(domain, "event_id", "in") if model == ATTENDEE else None
        if events is not None:
            ids = [attendee for event in events for attendee in self._attendees.get(number_of(event), ())]
        if ids is None:
            rows: Iterable[Row] = list(table.rows.values())
        else:
            numbers = dict.fromkeys(number_of(one) for one in ids)
            rows = [table.rows[number] for number in sorted(numbers) if number in table.rows]
        if model != EVENT:
            return rows
        return [row for row in rows if row["id"] not in self.hidden and row["id"] not in self.unseen]

    def _occurrences(self, model: str, row: Row, context: Mapping[str, Any]) -> Iterable[Row]:
        """Older versions show a series as its occurrences, unless they are asked not to."""
        if model != EVENT or self.version >= 14 or not row.get("rrule") or context.get("virtual_id") is False:
            return (row,)
        length = row["stop"] - row["start"]
        return [
            {**row, "id": f"{row['id']}-{start:%Y%m%d%H%M%S}", "start": start, "stop": start + length}
            for start in row["occurrences"]
        ]

    # Attendees

    def attend(self, event: Row, partner: int) -> None:
        """One more attendee."""
        now = self.now()
        row = self[ATTENDEE].add(
            event_id=event["id"],
            partner_id=partner,
            email=self[PARTNER].rows[partner]["email"],
            state="needsAction",
            create_date=now,
            write_date=now,
        )
        self._attendees.setdefault(event["id"], []).append(row["id"])

    def leave(self, event: Row, partner: int) -> None:
        """One attendee less."""
        mine = self._attendees.get(event["id"], [])
        for id_ in [one for one in mine if self[ATTENDEE].rows[one]["partner_id"] == partner]:
            mine.remove(id_)
            del self[ATTENDEE].rows[id_]

    def forget(self, event: int) -> None:
        """A meeting and its attendees are gone."""
        del self[EVENT].rows[event]
        for id_ in self._attendees.pop(event, []):
            del self[ATTENDEE].rows[id_]


def forbidden(model: str, number: int, what: str) -> Problem:
    """A right is missing."""
    message = f"Sorry, you are not allowed to {what} this document ({model}({number},)). Contact your administrator."
    return Problem("odoo.exceptions.AccessError", message, 403)
