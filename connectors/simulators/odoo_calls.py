"""What the methods of the Odoo stand-in's models do: reading, writing, notes, and who is mailed because of it."""

import base64
import html
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dateutil.rrule import DAILY, WEEKLY, rrule

from connectors.simulators.odoo_base import Problem, Row, missing, not_found, number_of, taken, unprocessable
from connectors.simulators.odoo_state import (
    ATTACHMENT,
    EVENT,
    KEY,
    LEAD,
    MESSAGE,
    PARTNER,
    USER,
    Mail,
    State,
    forbidden,
)

MODEL_METHODS = frozenset({"search", "search_read", "search_count", "create", "fields_get", "context_get"})
"""Methods that are not about given records."""
WRITES = frozenset({"create", "write", "unlink", "message_post"})

_PARAMETERS: dict[str, tuple[str, ...]] = {
    "search": ("domain", "offset", "limit", "order"),
    "search_read": ("domain", "fields", "offset", "limit", "order"),
    "search_count": ("domain", "limit"),
    "read": ("fields", "load"),
    "fields_get": ("allfields", "attributes"),
    "create": ("vals_list",),
    "write": ("vals",),
    "unlink": (),
    "message_post": ("body", "subject", "message_type", "subtype_xmlid", "partner_ids", "attachment_ids"),
    "context_get": (),
}
_NEEDED = {"search": "domain", "search_count": "domain", "create": "vals_list", "write": "vals"}
_DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
_DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_POSTABLE = frozenset({EVENT, LEAD, PARTNER})


class Calls:
    """Carries calls out on a state, as the account that the state belongs to."""

    def __init__(self, state: State) -> None:
        self.state = state

    def known(self, model: str, method: str) -> bool:
        """Whether there is such a method."""
        if method == "message_post":
            return model in _POSTABLE
        return method in _PARAMETERS and (method != "context_get" or model == USER)

    def check_names(self, method: str, named: Mapping[str, Any]) -> None:
        """Raises Problem for arguments that the method does not have, and for one that is missing."""
        for name in named:
            if name not in _PARAMETERS[method]:
                raise unprocessable(f"got an unexpected keyword argument {name!r}")
        needed = _NEEDED.get(method)
        if needed and needed not in named:
            raise unprocessable(f"missing a required argument: {needed!r}")

    def placed(self, model: str, method: str, args: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Arguments by place: the records that the call is about, and the others by name."""
        if not self.known(model, method):
            raise Problem("builtins.AttributeError", f"The method {model}.{method!s} does not exist")
        rest = list(args)
        ids: list[Any] = []
        if method not in MODEL_METHODS and rest:
            first = rest.pop(0)
            ids = first if isinstance(first, list) else [first]
        if len(rest) > len(_PARAMETERS[method]):
            raise Problem("builtins.TypeError", f"{method}() takes fewer positional arguments")
        return ids, dict(zip(_PARAMETERS[method], rest, strict=False))

    def run(
        self, model: str, method: str, ids: Sequence[Any], named: Mapping[str, Any], context: Mapping[str, Any]
    ) -> Any:
        """The method's result. Raises Problem."""
        if model not in self.state.tables:
            raise not_found(f"the model {model!r} does not exist")
        if not self.known(model, method):
            raise not_found(f"The method '{model}.{method}' does not exist")
        if model == KEY and not self.state.options.tells_keys:
            raise forbidden(KEY, 0, "access")
        if method in WRITES:
            self.state.touch()
        work: Callable[..., Any] = getattr(self, f"_{method}")
        return work(model, list(ids), dict(named), dict(context))

    # Reading

    def _context_get(self, _model: str, _ids: list[Any], _named: Row, _context: Row) -> Any:
        return {"lang": "en_US", "tz": False, "uid": self.state.uid}

    def _fields_get(self, model: str, _ids: list[Any], named: Row, _context: Row) -> Any:
        wanted, attributes = named.get("allfields"), named.get("attributes")
        return {
            name: {key: value for key, value in field.about().items() if not attributes or key in attributes}
            for name, field in self.state[model].fields.items()
            if not wanted or name in wanted
        }

    def _found(self, model: str, named: Row, context: Row) -> list[Row]:
        rows = self.state.find(model, named.get("domain") or [], context, named.get("order") or "")
        offset, limit = named.get("offset") or 0, named.get("limit")
        return rows[offset : offset + limit if limit else None]

    def _search(self, model: str, _ids: list[Any], named: Row, context: Row) -> Any:
        return [row["id"] for row in self._found(model, named, context)]

    def _search_count(self, model: str, _ids: list[Any], named: Row, context: Row) -> Any:
        return len(self._found(model, named, context))

    def _search_read(self, model: str, _ids: list[Any], named: Row, context: Row) -> Any:
        names = self._names(model, named)
        rows = [self.state.out(model, row, names) for row in self._found(model, named, context)]
        for row in rows:
            if isinstance(row["id"], str):  # with a virtual id come two fields that nobody asked for
                row |= {"start_datetime": row.get("start"), "stop_datetime": row.get("stop")}
        return rows

    def _names(self, model: str, named: Row) -> list[str]:
        known = self.state[model].fields
        for name in named.get("fields") or ():
            if name not in known:
                raise Problem("builtins.ValueError", f"Invalid field {name!r} on {model!r}")
        return named.get("fields") or list(known)

    def _read(self, model: str, ids: list[Any], named: Row, _context: Row) -> Any:
        names = self._names(model, named)
        return [self.state.out(model, row, names) for row in self.state.checked(model, ids, "access")]

    # Writing

    def _create(self, model: str, _ids: list[Any], named: Row, context: Row) -> Any:
        given = named["vals_list"]
        made = [self._make(model, vals, context)["id"] for vals in (given if isinstance(given, list) else [given])]
        return made if isinstance(given, list) else made[0]

    def _make(self, model: str, vals: Row, context: Mapping[str, Any]) -> Row:
        values = self._taken(model, vals)
        if model == EVENT:
            return self.create_event(values, context)
        return self._added(model, _attachment(values) if model == ATTACHMENT else values)

    def _added(self, model: str, values: Row) -> Row:
        now, uid = self.state.now(), self.state.uid
        stamps = {"create_date": now, "create_uid": uid, "write_date": now, "write_uid": uid}
        return self.state[model].add(**{**stamps, "active": True, **values})

    def _write(self, model: str, ids: list[Any], named: Row, context: Row) -> Any:
        values = self._taken(model, named["vals"])
        for id_ in ids:
            rows = self.state.checked(model, [id_], "modify")
            if not rows:
                raise missing(model, number_of(id_), self.state.uid)
            if model == EVENT:
                self.change_event(rows[0], values, context)
            else:
                rows[0].update(values, write_date=self.state.now())
        return True

    def _unlink(self, model: str, ids: list[Any], _named: Row, _context: Row) -> Any:
        for row in self.state.checked(model, ids, "delete"):
            if model == EVENT:
                self.state.forget(row["id"])
            else:
                del self.state[model].rows[row["id"]]
        return True

    def _message_post(self, model: str, ids: list[Any], named: Row, _context: Row) -> Any:
        rows = self.state.checked(model, ids, "modify")
        if len(rows) != 1:
            raise Problem("builtins.ValueError", f"Expected singleton: {model}({', '.join(map(str, ids))})")
        body = str(named.get("body") or "")
        if self.state.version >= 17:  # a text is no HTML
            body = html.escape(body)
        note = self.state[MESSAGE].add(
            model=model,
            res_id=rows[0]["id"],
            body=f"<p>{body}</p>" if body else "",
            message_type=named.get("message_type") or "notification",
            author_id=self.state[USER].rows[self.state.uid]["partner_id"],
        )
        for partner in named.get("partner_ids") or ():
            self._mail_to(self.state[PARTNER].rows[partner]["email"], rows[0]["id"], "message")
        return [note["id"]] if self.state.version >= 14 else note["id"]

    def _taken(self, model: str, vals: Any) -> Row:
        """The values as they are kept. Newer versions refuse a field that there is not, older ones leave it out."""
        if not isinstance(vals, dict):
            raise Problem("builtins.TypeError", "vals is not a dictionary")
        known = self.state[model].fields
        for name in vals:
            if name not in known and self.state.version >= 14:
                raise Problem("builtins.ValueError", f"Invalid field {name!r} in {model!r}")
        return {name: taken(value, known[name]) for name, value in vals.items() if name in known}

    # Meetings

    def change_event(self, row: Row, values: Row, context: Mapping[str, Any], stamp: datetime | None = None) -> None:
        """Put values (as they are kept) into a meeting, with what follows from that."""
        self._invited(row, values.pop("partner_ids", None))
        moved = any(name in values and values[name] != row.get(name) for name in ("start", "stop"))
        if moved and not context.get("no_mail_to_attendees"):
            self._mail(row, "changed")
        row |= {name: value for name, value in values.items() if name not in self.state.options.drops}
        row |= {"write_date": stamp or self.state.now(), "write_uid": self.state.uid}

    def create_event(self, values: Row, context: Mapping[str, Any]) -> Row:
        """A new meeting of these values (as they are kept), with its attendees and occurrences."""
        old = self.state.version < 14
        if not (values.get("start") and values.get("stop")):
            raise Problem("odoo.exceptions.ValidationError", "The operation cannot be completed: start is missing", 422)
        partners = values.pop("partner_ids", None)
        privacy = "public" if old else False
        preset = {"user_id": self.state.uid, "privacy": privacy, "show_as": "busy", "res_id": 0}
        preset |= {"state": "draft"} if old else {"videocall_source": "custom"}
        row = self._added(EVENT, {**preset, **values, "partner_ids": []})
        self._invited(row, partners)
        if not old:
            row["description"] = self._described(row)
        if not context.get("no_mail_to_attendees"):
            self._mail(row, "invited")
        if row.get("recurrency"):
            self._repeat(row)
        return row

    def _described(self, row: Row) -> str:
        """Newer versions write the people into the text."""
        lines = [text] if (text := row.get("description")) else []
        user = self.state[USER].rows.get(row.get("user_id") or 0)
        lines += ["<strong>Organized by</strong>", user["name"]] if user else []
        if row["partner_ids"]:
            partner = self.state[PARTNER].rows[row["partner_ids"][0]]
            mail = html.escape(partner["email"] or "")
            lines += ["", "<strong>Contact Details</strong>", html.escape(partner["name"])]
            lines += [f'<a href="mailto:{mail}">{mail}</a>'] if mail else []
        return f"<div>{'<br>'.join(lines)}</div>"

    def _invited(self, row: Row, commands: Any) -> None:
        """Apply the commands for who takes part: [6, 0, ids] these, [4, id] one more, [3, id] one less, [5] nobody."""
        wanted = list(row.get("partner_ids", []))
        for command in commands or ():
            match command:
                case [6, _, ids]:
                    wanted = list(ids)
                case [5, *_]:
                    wanted = []
                case [4, id_, *_]:
                    wanted.append(id_)
                case [3, id_, *_]:
                    wanted = [one for one in wanted if one != id_]
                case _:
                    raise Problem("builtins.ValueError", f"an unknown command: {command!r}")
        before = row.get("partner_ids", [])
        row["partner_ids"] = list(dict.fromkeys(wanted))
        for partner in row["partner_ids"]:
            if partner not in before:
                self.state.attend(row, partner)
        for partner in before:
            if partner not in row["partner_ids"]:
                self.state.leave(row, partner)

    def _repeat(self, row: Row) -> None:
        """The occurrences of a new series: older versions work them out when they are asked, newer ones make records,
        the last one first."""
        count = int(row.pop("count", None) or 1)
        weekly = row.pop("rrule_type", "weekly") == "weekly"
        row.pop("end_type", None)
        starts = list(rrule(WEEKLY if weekly else DAILY, dtstart=row["start"], count=count))
        day = row["start"].weekday()
        code = _DAYS[day].upper()
        if self.state.version < 14:
            tail = f"BYDAY={code};INTERVAL=1;COUNT={count}" if weekly else f"INTERVAL=1;COUNT={count}"
            row |= {"rrule": f"FREQ={'WEEKLY' if weekly else 'DAILY'};{tail}", "occurrences": starts}
            return
        what = f"Every 1 Weeks on {_DAY_NAMES[day]}" if weekly else "Every 1 Days"
        recurrence = self.state["calendar.recurrence"].add(name=f"{what} for {count} events")
        rule = f"FREQ=WEEKLY;WKST=SU;COUNT={count};BYDAY={code}" if weekly else f"FREQ=DAILY;COUNT={count}"
        row |= {"rrule": rule, "recurrence_id": recurrence["id"], "follow_recurrence": True}
        length = row["stop"] - row["start"]
        for start in reversed(starts[1:]):
            copy = {name: value for name, value in row.items() if name not in ("id", "partner_ids")}
            one = self.state[EVENT].add(**{**copy, "start": start, "stop": start + length}, partner_ids=[])
            self._invited(one, [[6, 0, row["partner_ids"]]])

    def _mail(self, row: Row, why: str) -> None:
        """Queue a mail to each attendee; newer versions keep what is attached to it with the meeting."""
        for partner in row["partner_ids"]:
            if self._mail_to(self.state[PARTNER].rows[partner]["email"], row["id"], why) and self.state.version >= 14:
                calendar = base64.b64encode(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n").decode()
                file = {"name": "invitation.ics", "datas": calendar, "res_model": EVENT, "res_id": row["id"]}
                self._added(ATTACHMENT, _attachment(file))

    def _mail_to(self, email: Any, event: int, why: str) -> bool:
        if email:
            self.state.mails.append(Mail(email, event, why))
        return bool(email)


def _attachment(values: Row) -> Row:
    """A file by its content, or an address."""
    kind = values.get("type", "binary")
    size = len(base64.b64decode(values.get("datas") or ""))
    guessed = mimetypes.guess_type(values.get("name") or "")[0] if kind == "binary" else None
    return {"type": kind, "url": False, "mimetype": guessed or "application/octet-stream", "file_size": size, **values}
