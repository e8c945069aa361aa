"""A stand-in for an Odoo server (11 or 19): stateful and strict, for tests, demonstration and trying out.

    sim = OdooSimulator(version=19)
    with serve_in_thread(sim.app) as served:
        ...                                  # the keys of a source's table are sim.table(served.url)
    id_ = sim.add_meeting("Demo", start, people=[("ada@client.example", "Ada")])
    sim.change_meeting(id_, name="Long demo"), sim.cancel_meeting(id_), sim.delete_meeting(id_), sim.hide_meeting(id_)
    sim.meeting(id_), sim.attachments(id_), sim.notes(id_), sim.mails, sim.requests, sim.writes

It answers `/jsonrpc`, from 19 on `/json/2/<model>/<method>`, and `/web/webclient/version_info`. Resources, as faults
and the log name them, are `calendar.event/search_read` and the like, `login` and `version`. `POST /_sim/seed` takes
`{"meetings": [{"name", "start", "stop", "people": [[email, name]]}]}`, times as Odoo writes them.

What it does was recorded from Odoo 11.0 and 19.0; in between it behaves like the one before.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from connectors.simulators.odoo_base import Row, number_of, shown
from connectors.simulators.odoo_calls import WRITES, Calls
from connectors.simulators.odoo_doors import Doors, named_call
from connectors.simulators.odoo_state import (
    ATTACHMENT,
    ATTENDEE,
    EVENT,
    LEAD,
    MESSAGE,
    PARTNER,
    USER,
    Mail,
    Options,
    State,
)
from connectors.simulators.stage import Logged, Reply, Request
from connectors.simulators.stand_in import StandIn

QUIETLY = {"no_mail_to_attendees": True}
AN_HOUR = timedelta(hours=1)


class OdooSimulator(StandIn):
    """The server with one database and one account; `options` are the fields of `odoo_state.Options`."""

    options_type = Options
    options: Options

    def table(self, url: str) -> dict[str, Any]:
        """The keys of a `[sources.<name>]` table that reaches this stand-in at `url`."""
        table = {"type": "odoo", "url": url, "database": self.options.database}
        if self.options.version >= 19:
            return {**table, "api_key": self.options.api_key}
        return {**table, "username": self.username, "password": self.password}

    # What tests look at

    @property
    def mails(self) -> list[Mail]:
        """Every mail that was queued."""
        with self._lock:
            return list(self._state.mails)

    def meeting(self, id_: str) -> dict[str, Any]:
        """A meeting's fields as they are kept, times as Odoo writes them."""
        with self._lock:
            return {name: shown(value) for name, value in self._row(id_).items()}

    def attachments(self, id_: int | str, model: str = EVENT) -> list[dict[str, Any]]:
        """What is attached to a record, oldest first; `datas` is base64."""
        with self._lock:
            return self._of(ATTACHMENT, "res_model", model, id_)

    def notes(self, id_: int | str, model: str = EVENT) -> list[str]:
        """The notes on a record as HTML, oldest first."""
        with self._lock:
            return [row["body"] for row in self._of(MESSAGE, "model", model, id_)]

    def is_write(self, entry: Logged) -> bool:
        """By the method of the model."""
        return entry.params.get("method") in WRITES

    # What a person in the CRM does

    def add_meeting(
        self,
        name: str,
        start: datetime,
        stop: datetime | None = None,
        *,
        people: Sequence[tuple[str, str]] = (),
        **values: Any,
    ) -> str:
        """A new meeting (an hour, unless `stop` is given) with these e-mail addresses and names; its id."""
        with self._editing():
            partners = [self._partner(email, called) for email, called in people]
            times = {"start": _naive(start), "stop": _naive(stop or start + AN_HOUR)}
            given = {"partner_ids": [[6, 0, partners]], **values}
            row = self._calls.create_event({"name": name, **times, **given}, QUIETLY)
            return str(row["id"])

    def add_meetings(self, count: int, start: datetime, every: timedelta) -> None:
        """So many meetings of an hour at once, called "0", "1", …"""
        with self._editing():
            for number in range(count):
                self.add_meeting(str(number), start + number * every)

    def change_meeting(self, id_: str, **values: Any) -> None:
        """Other values for fields; times as Odoo writes them, or as datetimes."""
        with self._editing():
            self._change(id_, values, None)

    def cancel_meeting(self, id_: str) -> None:
        """Archive it."""
        self.change_meeting(id_, active=False)

    def delete_meeting(self, id_: str) -> None:
        """It is in no answer any more."""
        with self._editing():
            self._state.forget(number_of(id_))

    def hide_meeting(self, id_: str) -> None:
        """The account loses the right to see it."""
        with self._editing():
            self._state.hidden.add(number_of(id_))

    def show_meeting(self, id_: str) -> None:
        """The account gets it back."""
        with self._editing():
            self._state.hidden.discard(number_of(id_))

    def detach_occurrence(self, id_: str, **values: Any) -> str:
        """Up to 13: one occurrence (by its virtual id) becomes a record of its own; the id of that."""
        with self._editing():
            series, at = self._row(id_), datetime.strptime(id_.partition("-")[2], "%Y%m%d%H%M%S")  # noqa: DTZ007
            series["occurrences"].remove(at)
            times = {"start": at, "stop": at + (series["stop"] - series["start"])}
            origin = {"recurrent_id": series["id"], "recurrent_id_date": at}
            partners = {"partner_ids": [[6, 0, series["partner_ids"]]]}
            given = {"name": series["name"], **times, **origin, **partners, **values}
            return str(self._calls.create_event(given, QUIETLY)["id"])

    def invite(self, id_: str, email: str, name: str) -> None:
        """One more attendee, by a way that does not touch the meeting."""
        with self._editing():
            row = self._row(id_)
            row["partner_ids"] = [*row["partner_ids"], partner := self._partner(email, name)]
            self._state.attend(row, partner)

    def decline(self, id_: str, email: str) -> None:
        """An attendee will not come."""
        with self._editing():
            for row in self._state[ATTENDEE].rows.values():
                if row["event_id"] == number_of(id_) and self._state.value(ATTENDEE, row, "email") == email:
                    row |= {"state": "declined", "write_date": self._state.now()}

    def change_contact(self, email: str, new: str) -> None:
        """A contact gets another address."""
        with self._editing():
            self._state[PARTNER].rows[self._partner(email, "")]["email"] = new

    def add_user(self, name: str, email: str) -> int:
        """A colleague; the id, for a meeting's `user_id`."""
        with self._editing():
            partner = self._partner(email, name)
            user = self._state[USER].add(name=name, login=email, email=email, tz=False, active=True, partner_id=partner)
            return int(user["id"])

    def add_lead(self, name: str) -> int:
        """A lead; the id, for a meeting's `opportunity_id`."""
        with self._editing():
            return int(self._state[LEAD].add(name=name, type="opportunity", active=True)["id"])

    def begin(self) -> "Transaction":
        """A transaction that takes long."""
        return Transaction(self)

    def next_ids(self, ids: Mapping[str, int]) -> None:
        """The ids that the next records of these models get."""
        with self._editing():
            for model, number in ids.items():
                self._state[model].next_id = number

    # What the stage calls

    def resource(self, request: Request) -> str:
        """`calendar.event/search_read` and the like, by either transport; `login`, `version`."""
        return named_call(request).resource

    def params(self, request: Request) -> dict[str, Any]:
        """Model, method and arguments, without what is secret."""
        return named_call(request).params

    def state(self) -> dict[str, Any]:
        """Everything that people put there, as JSON types."""
        with self._lock:
            tables = {
                model: [
                    {name: _plain(value) for name, value in row.items()} for row in self._state[model].rows.values()
                ]
                for model in (EVENT, ATTENDEE, ATTACHMENT, MESSAGE, LEAD)
            }
            mails = [[mail.email, mail.event, mail.why] for mail in self._state.mails]
            return {"records": tables, "mails": mails, **super().state()}

    def seed(self, things: dict[str, Any]) -> None:
        """Meetings as if a person had made them."""
        for fields in things.get("meetings", []):
            given = dict(fields)
            start, stop = (datetime.fromisoformat(given.pop(name)).replace(tzinfo=UTC) for name in ("start", "stop"))
            people = [(email, name) for email, name in given.pop("people", ())]
            self.add_meeting(given.pop("name"), start, stop, people=people, **given)

    def reset(self) -> None:
        """An empty database."""
        super().reset()
        with self._lock:
            self._state = State(self.options, self.username)
            self._calls = Calls(self._state)
            self._doors = Doors(self._calls, self.options, self.username, self.password)

    def answer(self, request: Request) -> Reply:
        """Serve one request."""
        with self._lock:
            reply, effect = self._doors.answer(request)
            self._changes += effect
            return reply

    # Parts

    @contextmanager
    def _editing(self) -> Iterator[None]:
        with self._lock:
            self._state.touch()
            yield

    def _row(self, id_: str) -> Row:
        return self._state[EVENT].rows[number_of(id_)]

    def _change(self, id_: str, values: Mapping[str, Any], stamp: datetime | None) -> None:
        given = {name: _naive(value) if isinstance(value, datetime) else value for name, value in values.items()}
        self._calls.change_event(self._row(id_), given, QUIETLY, stamp)

    def _of(self, table: str, pointer: str, model: str, id_: int | str) -> list[dict[str, Any]]:
        rows = self._state[table].rows.values()
        return [dict(row) for row in rows if row[pointer] == model and row["res_id"] == number_of(id_)]

    def _partner(self, email: str, name: str) -> int:
        """The contact with that address, a new one when there is none."""
        for row in self._state[PARTNER].rows.values():
            if row["email"] == email:
                return int(row["id"])
        return int(self._state[PARTNER].add(name=name or email, email=email, active=True)["id"])


class Transaction:
    """What is done in it is stamped with its beginning, and is seen from `commit` on."""

    def __init__(self, sim: OdooSimulator) -> None:
        self._sim = sim
        with sim._lock:
            self._stamp = sim._state.now()
        self._later: list[Callable[[], None]] = []

    def add_meeting(self, name: str, start: datetime, **values: Any) -> str:
        """See `OdooSimulator.add_meeting`."""
        with self._sim._editing():
            id_ = self._sim.add_meeting(name, start, **values)
            self._sim._row(id_).update(create_date=self._stamp, write_date=self._stamp)
            self._sim._state.unseen.add(int(id_))
        self._later.append(partial(self._sim._state.unseen.discard, int(id_)))
        return id_

    def change_meeting(self, id_: str, **values: Any) -> None:
        """See `OdooSimulator.change_meeting`."""
        self._later.append(partial(self._sim._change, id_, values, self._stamp))

    def commit(self) -> None:
        """Now everybody sees it."""
        with self._sim._editing():
            for act in self._later:
                act()


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _plain(value: Any) -> Any:
    return [shown(one) for one in value] if isinstance(value, list) else shown(value)
